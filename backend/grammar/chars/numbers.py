r"""Sets of numbers as languages of plain decimals, `-?(0|[1-9]\d*)(\.\d+)?`, closed under value: 1, 1.0 and 1.00 are
all in or all out, so that a complement within PLAIN is the complement of the numbers. Bounds and divisors are exact
decimals, never binary floats.
"""

from collections.abc import Iterator
from decimal import Decimal
from typing import Literal

from backend.grammar.chars.dfa import CharDfa
from backend.grammar.chars.divisibility import Remainders
from backend.grammar.chars.explore import explore
from backend.grammar.chars.memory import remembered
from backend.grammar.chars.minimise import minimise
from backend.grammar.chars.parse import pattern
from backend.grammar.errors import GrammarError
from backend.grammar.limits import DEFAULT_LIMITS

PLAIN = pattern(r"-?(0|[1-9]\d*)(\.\d+)?", search=False)
"""Every plain decimal."""

UNSIGNED = pattern(r"(0|[1-9]\d*)(\.\d+)?", search=False)
"""Plain decimals without a sign."""

INTEGER_SPELLING = pattern(r"0|-?[1-9]\d*", search=False)
"""Whole numbers without a fraction, and no -0."""

INTEGER_VALUE = pattern(r"-?(0|[1-9]\d*)(\.0+)?", search=False)
"""Plain decimals whose value is whole."""

ANY_NUMBER = pattern(r"-?(0|[1-9]\d*)(\.\d+)?([eE](\+?([01]?\d?\d|2[0-8]\d)|-\d{1,3}))?", search=False)
"""JSON numbers. Exponents end at 289 (and at -999), so that with 19 digits they do not overflow a reader of doubles."""

_POINT, _MINUS, _ZERO = map(ord, ".-0")
_MAX_DIGITS = 1_000
_LIMIT = DEFAULT_LIMITS.product_states


def integers(low: int | None, high: int | None) -> CharDfa:
    """Plain decimals of whole value from `low` to `high`, both included; None: no bound."""
    bounds = [None if bound is None else Decimal(bound) for bound in (low, high)]
    return decimals(bounds[0], False, bounds[1], False) & INTEGER_VALUE


@remembered
def decimals(low: Decimal | None, low_exclusive: bool, high: Decimal | None, high_exclusive: bool) -> CharDfa:
    """Plain decimals from `low` to `high`, each included unless exclusive; None: no bound.

    Raises GrammarError for a bound of more than 1,000 digits.
    """
    positive = negative = CharDfa.empty()
    if high is None or high >= 0:
        beyond = low is not None and low >= 0
        positive = _unsigned(low if beyond else None, beyond and low_exclusive, high, high_exclusive)
    if low is None or low <= 0:
        beyond = high is not None and high <= 0
        negative = _unsigned(
            _negated(high) if beyond else None, beyond and high_exclusive, _negated(low), low_exclusive
        )
    return _signed(positive, negative)


@remembered
def multiples_of(divisor: Decimal) -> CharDfa:
    """Plain decimals that are a whole multiple of a divisor > 0, exactly.

    Raises GrammarError where that takes too many states, which depends on the divisor's factors other than 2 and 5.
    """
    remainders = Remainders(divisor)
    subject = f"multipleOf {divisor}"
    unsigned = CharDfa(*minimise(*explore(remainders.start, remainders.moves, remainders.accepts, _LIMIT, subject)))
    return _signed(unsigned, unsigned)


def _negated(bound: Decimal | None) -> Decimal | None:
    """Exact: a unary minus would round to the context's precision."""
    return None if bound is None else bound.copy_negate()


def _unsigned(low: Decimal | None, low_exclusive: bool, high: Decimal | None, high_exclusive: bool) -> CharDfa:
    """Unsigned plain decimals between bounds that are not negative."""
    above = UNSIGNED if low is None else _compared(low, frozenset((1,) if low_exclusive else (0, 1)))
    below = UNSIGNED if high is None else _compared(high, frozenset((-1,) if high_exclusive else (-1, 0)))
    return above & below


def _signed(positive: CharDfa, negative: CharDfa) -> CharDfa:
    """The strings of `positive`, and those of `negative` after a minus sign, which neither has."""
    shift = len(positive)
    transitions = [list(arcs) for arcs in positive.next]
    transitions += [[(low, high, target + shift) for low, high, target in arcs] for arcs in negative.next]
    transitions[0].insert(0, (_MINUS, _MINUS, shift))
    return CharDfa(*minimise(transitions, [*positive.accept, *negative.accept]))


@remembered
def _compared(bound: Decimal, outcomes: frozenset[int]) -> CharDfa:
    """Unsigned plain decimals whose comparison with a bound >= 0 (-1 less, 0 equal, 1 more) is among `outcomes`."""
    comparison = _Comparison(bound)
    transitions, results = explore(_START, comparison.moves, comparison.outcome, _LIMIT, "a bound of a number")
    return CharDfa(*minimise(transitions, [result in outcomes for result in results]))


Progress = tuple[Literal["start", "zero", "whole", "point", "fraction"], int, int]
"""The part just read, how many digits of it (where that still matters), and how they compare with the bound's.

"zero" is a leading 0, which no digit may follow; "point" has no digit after it yet.
"""
_START: Progress = ("start", 0, 0)


class _Comparison:
    """Reads an unsigned plain decimal from the left and compares it with a bound."""

    def __init__(self, bound: Decimal) -> None:
        if bound and max(bound.adjusted(), -int(bound.as_tuple().exponent)) > _MAX_DIGITS:
            raise GrammarError(f"a bound of more than {_MAX_DIGITS} digits is not supported")
        whole, _, fraction = format(bound or Decimal(0), "f").partition(".")
        self.whole, self.fraction = whole, fraction.rstrip("0")

    def outcome(self, state: Progress) -> int | None:
        """How the number that ends here compares with the bound; None where no number ends."""
        part, read, order = state
        if part in ("start", "point"):
            return None
        if part == "fraction":
            return order or (-1 if read < len(self.fraction) else 0)
        return self.whole_order(read, order) or (-1 if self.fraction else 0)

    def moves(self, state: Progress) -> Iterator[tuple[int, int, Progress]]:
        part, read, order = state
        if part in ("zero", "whole"):
            yield _POINT, _POINT, ("point", 0, self.whole_order(read, order))
        if part == "zero":
            return
        for digit in range(10):
            yield _ZERO + digit, _ZERO + digit, self.after(state, digit)

    def after(self, state: Progress, digit: int) -> Progress:
        part, read, order = state
        if part in ("point", "fraction"):
            expected = int(self.fraction[read]) if read < len(self.fraction) else 0
            order = order or _sign(digit - expected)
            return "fraction", 0 if order else min(read + 1, len(self.fraction)), order
        if read >= len(self.whole):
            return "whole", len(self.whole) + 1, 1
        order = order or _sign(digit - int(self.whole[read]))
        return "zero" if part == "start" and digit == 0 else "whole", read + 1, order

    def whole_order(self, read: int, order: int) -> int:
        """How a whole part of `read` digits compares with the bound's, `order` being that of the digits alone."""
        return _sign(read - len(self.whole)) or order


def _sign(difference: int) -> int:
    return (difference > 0) - (difference < 0)
