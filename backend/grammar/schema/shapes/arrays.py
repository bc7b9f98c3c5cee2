"""Sets of arrays: items by position, bounds on their number, and items of which some must or may not exist."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

from backend.grammar.schema.expressions import ANYTHING, NOTHING, Expression, all_of, any_of, negate, neutral
from backend.grammar.schema.shapes.alternatives import Refusal, refuse
from backend.grammar.schema.shapes.evaluated import ALL_ITEMS, NO_ITEMS, EvaluatedItems


class Contains(NamedTuple):
    """From position `start` on, `least` to `most` (None: any number of) items satisfy `item`."""

    start: int
    item: Expression
    least: int
    most: int | None


@dataclass(frozen=True, slots=True, eq=False)
class ArrayShape:
    """Arrays that satisfy everything at once.

    prefix: items by position; rest: every later item; least, most: number of items (most None: any);
    contains: what some items satisfy; unique: where in the schema it is said that no item is there twice;
    evaluated: what `unevaluatedItems` is not about.
    """

    prefix: tuple[Expression, ...] = ()
    rest: Expression = ANYTHING
    least: int = 0
    most: int | None = None
    contains: tuple[Contains, ...] = ()
    unique: tuple[str, ...] = ()
    evaluated: EvaluatedItems = NO_ITEMS

    def item(self, position: int) -> Expression:
        """What the item at `position` has to satisfy."""
        return self.prefix[position] if position < len(self.prefix) else self.rest

    def meet(self, other: "ArrayShape") -> "ArrayShape | None":
        """The arrays in both; None where that is seen to be none."""
        longer = max(len(self.prefix), len(other.prefix))
        most = min((most for most in (self.most, other.most) if most is not None), default=None)
        return ArrayShape(
            tuple(all_of(self.item(i), other.item(i)) for i in range(longer)),
            all_of(self.rest, other.rest),
            max(self.least, other.least),
            most,
            tuple(dict.fromkeys(self.contains + other.contains)),
            tuple(dict.fromkeys(self.unique + other.unique)),
            self.evaluated.join(other.evaluated),
        ).simplified()

    def simplified(self) -> "ArrayShape | None":
        """The same arrays with `most` where an item cannot exist; None where that leaves none."""
        most = self.most
        if self.rest is NOTHING:
            most = len(self.prefix) if most is None else min(most, len(self.prefix))
        for position, item in enumerate(self.prefix):
            if item is NOTHING:
                most = position if most is None else min(most, position)
                break
        if most is not None and self.least > most:
            return None
        unique = () if most is not None and most < 2 else self.unique
        prefix = self.prefix if most is None else self.prefix[:most]
        return replace(self, prefix=prefix, most=most, unique=unique)

    def complement(self) -> list["ArrayShape"]:
        """The arrays outside, as alternatives. Raises GrammarError for a restriction that cannot be enforced.

        The first item that fails tells the alternative, the items before it hold.
        """
        refuse(Refusal("arrays that repeat an item cannot be told from those that do not", at) for at in self.unique)
        outside = [ArrayShape(most=self.least - 1)] if self.least > 0 else []
        if self.most is not None:
            outside.append(ArrayShape(least=self.most + 1))
        held: tuple[Expression, ...] = ()
        for item in self.prefix:
            if item is not ANYTHING:
                outside.append(ArrayShape((*held, negate(item)), least=len(held) + 1))
            held = (*held, neutral(item))
        if self.rest is not ANYTHING:
            outside.append(ArrayShape(held, contains=(Contains(len(held), negate(self.rest), 1, None),)))
        for contains in self.contains:
            outside += _too_few_or_many(contains)
        return outside

    def inhabited(self, decide: Callable[[Expression], bool]) -> bool:
        """Whether there may be such an array. decide: whether there may be a value of an expression."""
        if not all(decide(self.item(position)) for position in range(min(self.least, len(self.prefix) + 1))):
            return False
        return all(contains.least == 0 or self._holds_one(contains, decide) for contains in self.contains)

    def overlaps(self, other: "ArrayShape", decide: Callable[[Expression], bool]) -> bool:
        """False only where no array is in both."""
        met = self.meet(other)
        return met is not None and met.inhabited(decide)

    def _holds_one(self, contains: Contains, decide: Callable[[Expression], bool]) -> bool:
        end = len(self.prefix) + 1 if self.most is None else min(self.most, max(len(self.prefix), contains.start) + 1)
        positions = {
            min(position, len(self.prefix)) for position in range(contains.start, max(end, contains.start + 1))
        }
        if self.most is not None and contains.start >= self.most:
            return False
        return any(decide(all_of(self.item(position), contains.item)) for position in positions)

    def close(self, others: Expression) -> "ArrayShape | None":
        """The arrays of which every item that is not evaluated satisfies `others`."""
        if self.evaluated.everything:
            return self
        first, rest = self.evaluated.first, any_of(others, *self.evaluated.matching)
        prefix = tuple(
            self.item(i) if i < first else all_of(self.item(i), rest) for i in range(max(first, len(self.prefix)))
        )
        return replace(self, prefix=prefix, rest=all_of(self.rest, rest), evaluated=ALL_ITEMS).simplified()

    def as_condition(self) -> "ArrayShape":
        """The same arrays, with items that are conditions."""
        contains = tuple(one._replace(item=neutral(one.item)) for one in self.contains)
        return replace(self, prefix=tuple(map(neutral, self.prefix)), rest=neutral(self.rest), contains=contains)


ANY_ARRAY = ArrayShape()


def _too_few_or_many(contains: Contains) -> list[ArrayShape]:
    outside = []
    if contains.least == 1:
        outside.append(ArrayShape((ANYTHING,) * contains.start, negate(contains.item)))
    elif contains.least > 1:
        outside.append(ArrayShape(contains=(contains._replace(least=0, most=contains.least - 1),)))
    if contains.most is not None:
        outside.append(ArrayShape(contains=(contains._replace(least=contains.most + 1, most=None),)))
    return outside
