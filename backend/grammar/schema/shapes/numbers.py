"""Sets of numbers, by value: what number keywords say, their conjunctions, complements and spellings."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from decimal import Decimal

from backend.grammar.chars import numbers as spellings
from backend.grammar.chars.dfa import CharDfa
from backend.grammar.chars.parse import pattern
from backend.grammar.schema.shapes.alternatives import together

Bound = tuple[Decimal, bool]
"""A limit and whether it is excluded."""

NEAREST_ZERO = Decimal("1e-15")
"""The number closest to 0 that is written where 0 is excluded."""

LARGEST_SINGLE = Decimal(2**128 - 2**104)
"""The largest number of single precision (IEEE 754)."""

EXACT = pattern(r"-?[0-9.]{1,16}", search=False)
"""Decimals so short that different ones are different doubles."""


@dataclass(frozen=True, slots=True, eq=False)
class NumberShape:
    """Numbers that satisfy everything at once.

    integer: whole numbers only; low, high: bounds; multiples: divisors; values: the only candidates, None for all, each
    with the digits in which it is written; language: plain decimals (by value) that they must be among, None for all.
    asserted: what a format says, for who asserts formats: it holds for what is written, and the complement is that of
    everything else.
    """

    integer: bool = False
    low: Bound | None = None
    high: Bound | None = None
    multiples: frozenset[Decimal] = frozenset()
    values: frozenset[Decimal] | None = None
    language: CharDfa | None = None
    asserted: "NumberShape | None" = None

    def meet(self, other: "NumberShape") -> "NumberShape | None":
        """The numbers in both; None where that is seen to be none."""
        met, asserted = self._meet_stated(other), self.asserted or other.asserted
        if self.asserted is not None and other.asserted is not None:
            asserted = self.asserted.meet(other.asserted)
            met = met if asserted is not None else None
        return met if met is None or asserted is None else replace(met, asserted=asserted)

    def _meet_stated(self, other: "NumberShape") -> "NumberShape | None":
        """`meet`, but for what formats say."""
        language = other.language if self.language is None else self.language
        if self.language is not None and other.language is not None:
            with together([*self._stated(), *other._stated()]):
                language = self.language & other.language
        met = NumberShape(
            self.integer or other.integer,
            _tighter(self.low, other.low, highest=True),
            _tighter(self.high, other.high, highest=False),
            self.multiples | other.multiples,
            _common(self.values, other.values),
            language,
        )
        if met.values is None:
            return None if _crossed(met.low, met.high) else met
        values = frozenset(value for value in met.values if met._admits(value))
        if met._whole():
            values = frozenset(Decimal(int(value)) for value in values)
        return NumberShape(values=values) if values else None

    def complement(self) -> list["NumberShape"]:
        """The numbers outside, as alternatives."""
        if self.values is not None:
            return [NumberShape(language=spellings.PLAIN - self.plain())]
        outside = [] if self.low is None else [NumberShape(high=(self.low[0], not self.low[1]))]
        if self.high is not None:
            outside.append(NumberShape(low=(self.high[0], not self.high[1])))
        languages = [spellings.multiples_of(divisor) for divisor in self.multiples]
        languages += [spellings.INTEGER_VALUE] if self.integer else []
        languages += [] if self.language is None else [self.language]
        return outside + [NumberShape(language=spellings.PLAIN - language) for language in languages]

    def inhabited(self) -> bool:
        """Whether there is such a number."""
        if self.asserted is not None:
            met = replace(self, asserted=None).meet(self.asserted)
            return met is not None and met.inhabited()
        if self.values is not None:
            return True
        if self.language is None and not self.multiples and not self.integer:
            return not _crossed(self.low, self.high)
        return not self.plain().is_empty

    def plain(self) -> CharDfa:
        """Every plain decimal (no exponent) whose value is in the set."""
        if self.values is not None:
            return _plain_values(self.values)
        language = spellings.PLAIN if self.language is None else self.language
        with together(self._stated()):
            if self.low or self.high:
                language = language & spellings.decimals(*(self.low or (None, False)), *(self.high or (None, False)))
            for divisor in self.multiples:
                language = language & spellings.multiples_of(divisor)
            return language & spellings.INTEGER_VALUE if self.integer else language

    def _stated(self) -> list[str]:
        """What the set is made of, as an error says it."""
        bounds = [f"minimum {self.low[0]}"] if self.low else []
        bounds += [f"maximum {self.high[0]}"] if self.high else []
        multiples = [f"multipleOf {divisor}" for divisor in sorted(self.multiples)]
        return bounds + multiples + (["the numbers that a negation leaves"] if self.language is not None else [])

    def digits(self) -> tuple[int, int]:
        """The most digits before and behind the point of a bound or divisor."""
        bounds = [bound[0] for bound in (self.low, self.high) if bound is not None]
        spelled = [format(value.copy_abs(), "f").partition(".") for value in (*bounds, *self.multiples)]
        return max((len(part[0]) for part in spelled), default=0), max((len(part[2]) for part in spelled), default=0)

    def listed(self, most: int) -> frozenset[Decimal] | None:
        """Every number of the set; None where they are more than `most`, or are not seen to be fewer."""
        if self.values is not None:
            return self.values if len(self.values) <= most else None
        if not self.low or not self.high or not self._whole():
            return None
        low, high = math.ceil(self.low[0]), math.floor(self.high[0])
        found = map(Decimal, range(low, high + 1)) if high - low <= 2 * most else ()
        values = frozenset(filter(self._admits, found))
        return values if high - low <= 2 * most and len(values) <= most else None

    def written(self) -> CharDfa:
        """How the numbers are written in an output: whole ones without a fraction, candidates in the schema's digits or
        fewer.

        A reader turns fractions into doubles. So that none becomes a number outside, an excluded bound is replaced by
        the double next to it, and only EXACT decimals are written where the set is more than bounds and divisors.
        """
        if self.asserted is not None:
            met = replace(self, asserted=None).meet(self.asserted)
            return CharDfa.empty() if met is None else met.written()
        if self.values is not None:
            return CharDfa.literals(text for value in self.values for text in _texts(value))
        if not (self.low or self.high or self.multiples) and self.language is None:
            return spellings.INTEGER_SPELLING if self.integer else spellings.ANY_NUMBER
        if self._whole():
            return self.plain() & spellings.INTEGER_SPELLING
        language = replace(self, low=_readable(self.low, math.inf), high=_readable(self.high, -math.inf)).plain()
        if self.language is not None:
            language = language & EXACT
        whole_only = (language - spellings.INTEGER_VALUE).is_empty
        return language & spellings.INTEGER_SPELLING if whole_only else language

    def _whole(self) -> bool:
        """Whether it is said that all are whole, also by a divisor or by what a negation leaves."""
        if self.integer or any(_divides(Decimal(1), divisor) for divisor in self.multiples):
            return True
        return self.language is not None and (self.language - spellings.INTEGER_VALUE).is_empty

    def _admits(self, value: Decimal) -> bool:
        """Whether a number satisfies everything but `values`."""
        return (
            (not self.integer or _divides(Decimal(1), value))
            and (self.low is None or value > self.low[0] or (value == self.low[0] and not self.low[1]))
            and (self.high is None or value < self.high[0] or (value == self.high[0] and not self.high[1]))
            and all(_divides(divisor, value) for divisor in self.multiples)
            and (self.language is None or self.language.matches(format(value, "f")))
        )


ANY_NUMBER = NumberShape()


def with_values_together(shapes: Iterable[NumberShape]) -> tuple[NumberShape, ...]:
    """The same union, with one shape for all candidates."""
    others: list[NumberShape] = []
    values: list[Decimal] = []
    for shape in shapes:
        if shape.values is None or shape.asserted is not None:
            others.append(shape)
        else:
            values += shape.values
    return (*others, NumberShape(values=_shortest(values))) if values else tuple(others)


def _tighter(a: Bound | None, b: Bound | None, *, highest: bool) -> Bound | None:
    if a is None or b is None:
        return a or b
    if a[0] == b[0]:
        return a if a[1] else b
    return a if (a[0] > b[0]) == highest else b


def _crossed(low: Bound | None, high: Bound | None) -> bool:
    return low is not None and high is not None and (low[0] > high[0] or (low[0] == high[0] and (low[1] or high[1])))


def _common(a: frozenset[Decimal] | None, b: frozenset[Decimal] | None) -> frozenset[Decimal] | None:
    if a is None or b is None:
        return b if a is None else a
    return _shortest(value for value in (*a, *b) if value in a and value in b)


def _shortest(values: Iterable[Decimal]) -> frozenset[Decimal]:
    """Each number once, with the fewest digits behind the point of all that are equal to it."""
    return frozenset({value: value for value in sorted(values, key=lambda value: value.as_tuple().exponent)}.values())


def _readable(bound: Bound | None, inwards: float) -> Bound | None:
    """An excluded bound as the next double towards `inwards`, included."""
    if bound is None or not bound[1] or abs(bound[0]) >= 1 << 53:
        return bound
    if not bound[0]:
        return NEAREST_ZERO.copy_sign(Decimal(inwards)), False
    return Decimal(repr(math.nextafter(float(bound[0]), inwards))), False


def _divides(divisor: Decimal, value: Decimal) -> bool:
    """Exact, whatever the precision of the decimal context."""
    over, under = divisor.as_integer_ratio()
    top, bottom = value.as_integer_ratio()
    return (top * under) % (bottom * over) == 0


def _texts(value: Decimal) -> set[str]:
    """Its own digits, and without needless zeros behind the point; also as Python writes the double where that has an
    exponent, unless it is whole and has none itself."""
    plain = format(value, "f")
    short = plain.rstrip("0").rstrip(".") if "." in plain else plain
    texts = {plain, short} if short != "-0" else {plain.removeprefix("-"), "0"}
    shortest = repr(float(value))
    spelled_plainly = int(value.as_tuple().exponent) <= 0 and _divides(Decimal(1), value)
    if "e" in shortest and not spelled_plainly and Decimal(shortest) == value:
        texts.add(shortest)
    return texts


def _plain_values(values: frozenset[Decimal]) -> CharDfa:
    language = CharDfa.empty()
    for value in values:
        language = language | spellings.decimals(value, False, value, False)
    return language
