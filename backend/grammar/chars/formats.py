r"""The values of `format` as languages of characters: those of JSON Schema, and what OpenAPI, pydantic and zod define.

Each is within what its definition allows. Where validators disagree the language keeps to what all of them accept: no
year 0000, no leap second, no label with hyphens in its third and fourth place, host names of at most seven labels (see
hostnames.py), base64 in whole bytes.
"""

from collections.abc import Callable
from decimal import Decimal
from functools import cache

from backend.grammar.chars.dfa import CharDfa
from backend.grammar.chars.hostnames import email, hostname, idn_email, idn_hostname
from backend.grammar.chars.numbers import INTEGER_SPELLING, integers
from backend.grammar.chars.parse import pattern
from backend.grammar.chars.texts_in_texts import JSON, REGEX
from backend.grammar.chars.uris import IPV4, IPV6, IRI, IRI_REFERENCE, URI, URI_REFERENCE, URI_TEMPLATE, URL

_TWO_DIGIT_LEAP = "(0[48]|[2468][048]|[13579][26])"
_LEAP_YEAR = rf"(\d\d{_TWO_DIGIT_LEAP}|{_TWO_DIGIT_LEAP}00)"
_LONG_MONTHS, _SHORT_MONTHS = "(0[13578]|1[02])", "(0[469]|11)"
_MONTH_DAY = rf"({_LONG_MONTHS}-(0[1-9]|[12]\d|3[01])|{_SHORT_MONTHS}-(0[1-9]|[12]\d|30)|02-(0[1-9]|1\d|2[0-8]))"
_DATE = rf"(?!0000)(\d{{4}}-{_MONTH_DAY}|{_LEAP_YEAR}-02-29)"
_CLOCK = r"([01]\d|2[0-3]):[0-5]\d"
_LOCAL_TIME = rf"{_CLOCK}:[0-5]\d(\.\d{{1,9}})?"
_TIME = rf"{_LOCAL_TIME}([Zz]|[+-]{_CLOCK})"

_COUNT = r"\d{1,9}"
_TIME_SPAN = rf"T({_COUNT}H({_COUNT}M({_COUNT}S)?)?|{_COUNT}M({_COUNT}S)?|{_COUNT}S)"
_DATE_SPAN = rf"({_COUNT}Y({_COUNT}M({_COUNT}D)?)?|{_COUNT}M({_COUNT}D)?|{_COUNT}D)"
_DURATION = rf"P({_DATE_SPAN}({_TIME_SPAN})?|{_TIME_SPAN}|{_COUNT}W)"

_HEX = "[0-9A-Fa-f]"
_UUID = f"{_HEX}{{8}}(-{_HEX}{{4}}){{3}}-{_HEX}{{12}}"
_POINTER = "(/([^~/]|~[01])*)*"

_BASE64_CHAR = "[A-Za-z0-9+/]"
_BASE64 = rf"({_BASE64_CHAR}{{4}})*({_BASE64_CHAR}[AQgw]==|{_BASE64_CHAR}{{2}}[AEIMQUYcgkosw048]=)?"
_CROCKFORD = "[0-9A-HJKMNP-TV-Z]"

_LENGTH4, _LENGTH6 = r"(\d|[12]\d|3[0-2])", r"(\d|[1-9]\d|1[01]\d|12[0-8])"
_INTERFACE4, _INTERFACE6 = f"{IPV4}/{_LENGTH4}", f"{IPV6}/{_LENGTH6}"
_OCTET = r"(25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)"
_NETWORK4 = rf"{_OCTET}\.0\.0\.0/8|{_OCTET}\.{_OCTET}\.0\.0/16|({_OCTET}\.){{3}}0/24|{IPV4}/32|0\.0\.0\.0/{_LENGTH4}"
_GROUP = "[1-9a-f][0-9a-f]{0,3}"
_NETWORK6 = "|".join(
    [rf"::/{_LENGTH6}", *(rf"{_GROUP}(:{_GROUP}){{{n - 1}}}::/{16 * n}" for n in (1, 2, 3, 4)), f"{IPV6}/128"]
)
_MAC = f"{_HEX}{{2}}(:{_HEX}{{2}}){{5}}"
_PICTOGRAPHS = r"[\u{1F300}-\u{1F64F}\u{1F680}-\u{1F6C5}\u{1F90C}-\u{1F93A}\u{1F947}-\u{1F9FF}]+"

_PATTERNS = {
    "date": _DATE,
    "time": _TIME,
    "date-time": rf"{_DATE}[Tt]{_TIME}",
    "duration": _DURATION,
    "ipv4": IPV4,
    "ipv6": IPV6,
    "uuid": _UUID,
    "uri": URI,
    "uri-reference": URI_REFERENCE,
    "uri-template": URI_TEMPLATE,
    "iri": IRI,
    "iri-reference": IRI_REFERENCE,
    "json-pointer": _POINTER,
    "relative-json-pointer": rf"(0|[1-9]+0?)(#|{_POINTER})",
    "regex": REGEX,
}
_MORE_PATTERNS = {
    # OpenAPI's registry
    "byte": _BASE64,
    "base64": _BASE64,
    "base64url": "([A-Za-z0-9_-]{4})*",
    "char": r"[^\n\r\u2028\u2029]",
    "time-local": _LOCAL_TIME,
    "date-time-local": rf"{_DATE}T{_LOCAL_TIME}",
    # Ajv
    "url": URL,
    "iso-time": _TIME,
    "iso-date-time": rf"{_DATE}[Tt]{_TIME}",
    # pydantic
    "json": JSON,
    "json-string": JSON,
    "ipvanyaddress": f"{IPV4}|{IPV6}",
    "ipv4interface": _INTERFACE4,
    "ipv6interface": _INTERFACE6,
    "ipvanyinterface": f"{_INTERFACE4}|{_INTERFACE6}",
    "ipv4network": _NETWORK4,
    "ipv6network": _NETWORK6,
    "ipvanynetwork": f"{_NETWORK4}|{_NETWORK6}",
    **{f"uuid{n}": f"{_HEX}{{8}}-{_HEX}{{4}}-{n}{_HEX}{{3}}-[89abAB]{_HEX}{{3}}-{_HEX}{{12}}" for n in range(1, 9)},
    # zod
    "guid": _UUID,
    "cidrv4": _INTERFACE4,
    "cidrv6": _INTERFACE6,
    "cuid": "c[a-z0-9]{24}",
    "cuid2": "[a-z][a-z0-9]{23}",
    "ulid": f"[0-7]{_CROCKFORD}{{25}}",
    "xid": "[0-9a-v]{20}",
    "ksuid": "[A-Za-z0-9]{27}",
    "nanoid": "[A-Za-z0-9_-]{21}",
    "emoji": _PICTOGRAPHS,
    "e164": r"\+[1-9]\d{6,14}",
    "mac": _MAC,
}
INTEGERS = {f"{sign}int{bits}": bits for bits in (8, 16, 32, 64) for sign in ("", "u")}
"""Formats of whole numbers, to their bits."""
_BUILDERS: dict[str, Callable[[], CharDfa]] = {
    "hostname": hostname,
    "idn-hostname": idn_hostname,
    "email": email,
    "idn-email": idn_email,
}

STANDARD = frozenset(_PATTERNS) | frozenset(_BUILDERS)
"""Formats of JSON Schema, all of which are enforced."""

NAMES = STANDARD | frozenset(_MORE_PATTERNS) | frozenset(INTEGERS)
"""Formats that are enforced."""

EXACT = frozenset({"ipv4", "ipv6", "uuid", "json-pointer"})
"""Formats whose language is all that the RFC allows, so that their complement may be used too."""

HINTS = frozenset({"binary", "password"})
"""Formats that say how a text is shown or sent, and nothing of which texts there are."""


def integer_bounds(name: str) -> tuple[Decimal, Decimal]:
    """The least and the largest number of a format of INTEGERS."""
    values = 1 << INTEGERS[name]
    return (Decimal(0), Decimal(values - 1)) if name[0] == "u" else (Decimal(-values // 2), Decimal(values // 2 - 1))


@cache
def format_language(name: str) -> CharDfa | None:
    """The texts that have a format; None for a format that is not among NAMES."""
    if name in _BUILDERS:
        return _BUILDERS[name]()
    if name in INTEGERS:
        low, high = map(int, integer_bounds(name))
        return integers(low, high) & INTEGER_SPELLING
    known = _PATTERNS.get(name) or _MORE_PATTERNS.get(name)
    return None if known is None else pattern(known, search=False)
