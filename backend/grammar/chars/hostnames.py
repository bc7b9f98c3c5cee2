"""Host names and mail addresses, whose lengths are bounded part by part and as a whole (RFC 1123, RFC 5321).

The whole, 253 characters, is bounded in units of 32: a label of up to 31 characters and its dot cost one unit, a longer
one (63 at most) two, and seven units are allowed. To count characters instead would take some 30,000 states.
"""

from collections.abc import Iterator
from functools import cache

from backend.grammar.chars.dfa import CharDfa
from backend.grammar.chars.explore import explore
from backend.grammar.chars.minimise import minimise
from backend.grammar.chars.parse import pattern

_UNITS, _UNIT, _LONGEST_LABEL, _LONGEST_LOCAL = 7, 32, 63, 64
_ALPHANUMERIC = ((ord("0"), ord("9")), (ord("A"), ord("Z")), (ord("a"), ord("z")))
_LONGEST_U_LABEL = 11
_IDN_LETTERS = r"\u00df-\u00f6\u00f8-\u00ff\u03ac-\u03ce\u0430-\u044f\u3041-\u3096\u4e00-\u9fa5\uac00-\ud7a3"
"""Latin, Greek, Cyrillic, Hiragana, Han and Hangul, in lower case where there is one."""
_HYPHEN, _POINT, _AT = map(ord, "-.@")

Progress = tuple[int, int, bool]
"""Units left before this label, its length so far, and whether it ends in a hyphen now."""


@cache
def hostname() -> CharDfa:
    """Labels of letters, digits and inner hyphens; none with hyphens in the third and fourth place (RFC 5891)."""
    return CharDfa(*minimise(*explore((_UNITS, 0, False), _moves, _ends, 2 * _UNITS * _UNIT * _UNIT, "a host name")))


@cache
def idn_hostname() -> CharDfa:
    """Also labels of letters that IDNA 2008 admits anywhere, so few that their A-labels are no longer than 63."""
    label = f"[a-z0-9{_IDN_LETTERS}]{{1,{_LONGEST_U_LABEL}}}"
    return hostname() | pattern(rf"{label}(\.{label}){{0,3}}", search=False)


@cache
def email() -> CharDfa:
    """A dot-atom of at most 64 characters, "@", a host name."""
    return _around_at(_dot_atom("", _LONGEST_LOCAL), hostname())


@cache
def idn_email() -> CharDfa:
    """Also letters beyond ASCII before the "@", in dot-atoms of at most 64 bytes (RFC 6531), and in the host name."""
    return email() | _around_at(_dot_atom(_IDN_LETTERS, _LONGEST_LOCAL // 3), idn_hostname())


def _dot_atom(letters: str, longest: int) -> CharDfa:
    atom = rf"[\w!#$%&'*+/=?^`{{|}}~{letters}-]+"
    return pattern(rf"{atom}(\.{atom})*", search=False) & CharDfa.lengths(1, longest)


def _around_at(local: CharDfa, domain: CharDfa) -> CharDfa:
    """Strings of `local`, which has no "@" in it, then "@" and strings of `domain`."""
    shift = len(local)
    transitions = [list(arcs) for arcs in local.next]
    for arcs, accepting in zip(transitions, local.accept, strict=True):
        if accepting:
            arcs.append((_AT, _AT, shift))
            arcs.sort()
    transitions += [[(low, high, target + shift) for low, high, target in arcs] for arcs in domain.next]
    return CharDfa(*minimise(transitions, [False] * shift + list(domain.accept)))


def _moves(state: Progress) -> Iterator[tuple[int, int, Progress]]:
    left, length, hyphen = state
    allowed = _LONGEST_LABEL if left >= 2 else _UNIT - 1
    third = length == 3 and hyphen
    if 0 < length < allowed and not third:
        yield _HYPHEN, _HYPHEN, (left, length + 1, True)
    cost = 1 if length < _UNIT else 2
    if _ends(state) and left > cost:
        yield _POINT, _POINT, (left - cost, 0, False)
    if length < allowed:
        for low, high in _ALPHANUMERIC:
            yield low, high, (left, length + 1, False)


def _ends(state: Progress) -> bool:
    _, length, hyphen = state
    return length > 0 and not hyphen
