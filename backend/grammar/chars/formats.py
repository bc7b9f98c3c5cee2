r"""The values of JSON Schema's `format` as languages of characters, each within what the RFC it names allows.

Where validators disagree the language keeps to what all of them accept: no year 0000, no leap second, no label with
hyphens in its third and fourth place, host names of at most seven labels (see hostnames.py).
"""

from collections.abc import Callable
from functools import cache

from backend.grammar.chars.dfa import CharDfa
from backend.grammar.chars.hostnames import email, hostname
from backend.grammar.chars.parse import pattern

_TWO_DIGIT_LEAP = "(0[48]|[2468][048]|[13579][26])"
_LEAP_YEAR = rf"(\d\d{_TWO_DIGIT_LEAP}|{_TWO_DIGIT_LEAP}00)"
_LONG_MONTHS, _SHORT_MONTHS = "(0[13578]|1[02])", "(0[469]|11)"
_MONTH_DAY = rf"({_LONG_MONTHS}-(0[1-9]|[12]\d|3[01])|{_SHORT_MONTHS}-(0[1-9]|[12]\d|30)|02-(0[1-9]|1\d|2[0-8]))"
_DATE = rf"(\d{{4}}-{_MONTH_DAY}|{_LEAP_YEAR}-02-29)"
_CLOCK = r"([01]\d|2[0-3]):[0-5]\d"
_TIME = rf"{_CLOCK}:[0-5]\d(\.\d{{1,9}})?([Zz]|[+-]{_CLOCK})"

_TIME_SPAN = r"T(\d+H(\d+M(\d+S)?)?|\d+M(\d+S)?|\d+S)"
_DATE_SPAN = r"(\d+Y(\d+M(\d+D)?)?|\d+M(\d+D)?|\d+D)"
_DURATION = rf"P({_DATE_SPAN}({_TIME_SPAN})?|{_TIME_SPAN}|\d+W)"

_OCTET = r"(25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)"
_IPV4 = rf"({_OCTET}\.){{3}}{_OCTET}"
_GROUP = "[0-9A-Fa-f]{1,4}"


def _after_elision(groups: int) -> str:
    """At most so many groups of an IPv6 address, behind its "::"; an IPv4 address stands for two."""
    if groups < 2:
        return rf"({_GROUP})?" if groups else ""
    return rf"({_GROUP}(:{_GROUP}){{0,{groups - 1}}}|({_GROUP}:){{0,{groups - 2}}}{_IPV4})?"


def _after_groups(read: int) -> str:
    """What completes an IPv6 address of which so many groups, and no "::", have been read."""
    if read == 8:
        return ""
    dotted = f"|{_IPV4}" if read == 6 else ""
    return rf":(:{_after_elision(7 - read)}|{_GROUP}{_after_groups(read + 1)}{dotted})"


_IPV6 = rf"({_GROUP}{_after_groups(1)}|::{_after_elision(7)})"

_PERCENT = "%[0-9A-Fa-f]{2}"
_PLAIN = r"A-Za-z0-9\-._~!$&'()*+,;="
_SEGMENT = rf"([{_PLAIN}:@]|{_PERCENT})"
_HOST = rf"(([{_PLAIN}]|{_PERCENT})*|\[({_IPV6}|v[0-9A-Fa-f]+\.[{_PLAIN}:]+)\])"
_AUTHORITY = rf"(([{_PLAIN}:]|{_PERCENT})*@)?{_HOST}(:\d*)?"
_ROOTED = rf"//{_AUTHORITY}(/{_SEGMENT}*)*|/({_SEGMENT}+(/{_SEGMENT}*)*)?"
_TAIL = rf"(\?({_SEGMENT}|[/?])*)?(#({_SEGMENT}|[/?])*)?"
_URI = rf"[A-Za-z][A-Za-z0-9+\-.]*:({_ROOTED}|({_SEGMENT}+(/{_SEGMENT}*)*)?){_TAIL}"
_FIRST_SEGMENT = rf"([{_PLAIN}@]|{_PERCENT})"
_URI_REFERENCE = rf"({_URI})|({_ROOTED}|({_FIRST_SEGMENT}+(/{_SEGMENT}*)*)?){_TAIL}"

_VARIABLE = rf"\w(\.?(\w|{_PERCENT}))*(:[1-9]\d{{0,2}}|\*)?"
_BEYOND_ASCII = r"\u{A0}-\u{D7FF}\u{F900}-\u{FDCF}\u{FDF0}-\u{FFEF}\u{10000}-\u{1FFFD}"
_TEMPLATE_TEXT = rf"[!#$&()*+,\-./0-9:;=?@A-Z\[\]_a-z~{_BEYOND_ASCII}]|{_PERCENT}"
_URI_TEMPLATE = rf"({_TEMPLATE_TEXT}|\{{[+#./;?&]?{_VARIABLE}(,{_VARIABLE})*\}})*"

_POINTER = "(/([^~/]|~[01])*)*"

_PATTERNS = {
    "date": _DATE,
    "time": _TIME,
    "date-time": rf"{_DATE}[Tt]{_TIME}",
    "duration": _DURATION,
    "ipv4": _IPV4,
    "ipv6": _IPV6,
    "uuid": "[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}",
    "uri": _URI,
    "uri-reference": _URI_REFERENCE,
    "uri-template": _URI_TEMPLATE,
    "json-pointer": _POINTER,
    "relative-json-pointer": rf"(0|[1-9]+0?)(#|{_POINTER})",
}
_BUILDERS: dict[str, Callable[[], CharDfa]] = {"hostname": hostname, "email": email}
_DATED = ("date", "date-time")

NAMES = frozenset(_PATTERNS) | frozenset(_BUILDERS)
"""Formats that are enforced."""

EXACT = frozenset({"ipv4", "ipv6", "uuid", "json-pointer"})
"""Formats whose language is all that the RFC allows, so that their complement may be used too."""


@cache
def format_language(name: str) -> CharDfa | None:
    """The texts that have a format; None for a format that is not among NAMES."""
    if name in _BUILDERS:
        return _BUILDERS[name]()
    if name not in _PATTERNS:
        return None
    language = pattern(_PATTERNS[name], search=False)
    return language - pattern("^0000") if name in _DATED else language
