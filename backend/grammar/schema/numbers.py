"""Sets of numbers, by value: what number keywords say, their conjunctions, complements and spellings."""

import math
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Self

from backend.grammar.chars import numbers as spellings
from backend.grammar.chars.dfa import CharDfa

Bound = tuple[Decimal, bool]
"""A limit and whether it is excluded."""


@dataclass(frozen=True, slots=True, eq=False)
class NumberShape:
    """Numbers that satisfy everything at once.

    integer: whole numbers only; low, high: bounds; multiples: divisors; values: the only candidates, None for all;
    language: plain decimals (by value) that they must be among, None for all.
    """

    integer: bool = False
    low: Bound | None = None
    high: Bound | None = None
    multiples: frozenset[Decimal] = frozenset()
    values: frozenset[Decimal] | None = None
    language: CharDfa | None = None

    def meet(self, other: Self) -> Self | None:
        """The numbers in both; None where that is seen to be none."""
        low = _tighter(self.low, other.low, highest=True)
        high = _tighter(self.high, other.high, highest=False)
        met = replace(
            self,
            integer=self.integer or other.integer,
            low=low,
            high=high,
            multiples=self.multiples | other.multiples,
            values=_both(self.values, other.values),
            language=_within(self.language, other.language),
        )
        if met.values is not None:
            met = replace(ANY_NUMBER, values=frozenset(value for value in met.values if met._admits(value)))
        return None if met.values == frozenset() or _crossed(low, high) else met

    def complement(self) -> list[Self]:
        """The numbers outside, as alternatives."""
        outside = spellings.PLAIN - self.plain()
        return [] if outside.is_empty else [replace(ANY_NUMBER, language=outside)]

    def inhabited(self) -> bool:
        """Whether there is such a number."""
        if self.values is not None:
            return bool(self.values)
        simple = self.language is None and not self.multiples and not self.integer
        return simple or not self.plain().is_empty

    def plain(self) -> CharDfa:
        """Every plain decimal (no exponent) whose value is in the set."""
        if self.values is not None:
            return _plain_values(self.values)
        language = spellings.PLAIN if self.language is None else self.language
        if self.low or self.high:
            language = language & spellings.decimals(*(self.low or (None, False)), *(self.high or (None, False)))
        for divisor in self.multiples:
            language = language & spellings.multiples_of(divisor)
        return language & spellings.INTEGER_VALUE if self.integer else language

    def written(self) -> CharDfa:
        """How the numbers are written in an output: whole ones without a fraction, candidates as short as they are."""
        if self.values is not None:
            return CharDfa.literals(text for value in self.values for text in _texts(value))
        if self._free():
            return spellings.INTEGER_SPELLING if self.integer else spellings.ANY_NUMBER
        if self.integer and self.language is None:
            return self._integers()
        language = self.plain()
        whole = language & spellings.INTEGER_SPELLING
        return whole if self.integer or (language - spellings.INTEGER_VALUE).is_empty else language

    def _free(self) -> bool:
        return not (self.low or self.high or self.multiples) and self.language is None

    def _integers(self) -> CharDfa:
        low = None if self.low is None else math.floor(self.low[0]) + 1 if self.low[1] else math.ceil(self.low[0])
        high = None if self.high is None else math.ceil(self.high[0]) - 1 if self.high[1] else math.floor(self.high[0])
        language = spellings.integers(low, high) & spellings.INTEGER_SPELLING
        for divisor in self.multiples:
            language = language & spellings.multiples_of(divisor)
        return language

    def _admits(self, value: Decimal) -> bool:
        """Whether a number satisfies everything but `values`."""
        return (
            (not self.integer or value == value.to_integral_value())
            and (self.low is None or value > self.low[0] or (value == self.low[0] and not self.low[1]))
            and (self.high is None or value < self.high[0] or (value == self.high[0] and not self.high[1]))
            and all(_divides(divisor, value) for divisor in self.multiples)
            and (self.language is None or self.language.matches(format(value, "f")))
        )


ANY_NUMBER = NumberShape()


def _tighter(a: Bound | None, b: Bound | None, *, highest: bool) -> Bound | None:
    if a is None or b is None:
        return a or b
    if a[0] == b[0]:
        return a if a[1] else b
    return a if (a[0] > b[0]) == highest else b


def _crossed(low: Bound | None, high: Bound | None) -> bool:
    return low is not None and high is not None and (low[0] > high[0] or (low[0] == high[0] and (low[1] or high[1])))


def _both(a: frozenset[Decimal] | None, b: frozenset[Decimal] | None) -> frozenset[Decimal] | None:
    if a is None or b is None:
        return b if a is None else a
    return a & b


def _within(a: CharDfa | None, b: CharDfa | None) -> CharDfa | None:
    if a is None or b is None:
        return b if a is None else a
    return a & b


def _divides(divisor: Decimal, value: Decimal) -> bool:
    """Exact, whatever the precision of the decimal context."""
    over, under = divisor.as_integer_ratio()
    top, bottom = value.as_integer_ratio()
    return (top * under) % (bottom * over) == 0


def _texts(value: Decimal) -> set[str]:
    """Plain without needless zeros, and as Python's and JavaScript's writers would put it where that is an exponent."""
    plain = format(value, "f")
    plain = plain.rstrip("0").rstrip(".") if "." in plain else plain
    plain = "0" if plain in ("-0", "") else plain
    texts = {plain}
    shortest = repr(float(value))
    if Decimal(shortest) == value:
        texts.add(shortest if shortest != "-0.0" else "0.0")
    return texts


def _plain_values(values: frozenset[Decimal]) -> CharDfa:
    language = CharDfa.empty()
    for value in values:
        language = language | spellings.decimals(value, False, value, False)
    return language
