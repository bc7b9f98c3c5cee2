"""What is evaluated of a value by the subschemas that it satisfies; `unevaluatedProperties` and `unevaluatedItems` are
about the rest."""

from typing import NamedTuple

from backend.grammar.chars.dfa import CharDfa
from backend.grammar.schema.expressions import Expression


class EvaluatedNames(NamedTuple):
    """Properties called one of `names`, or as one of `patterns` says; all if `everything`."""

    names: frozenset[str] = frozenset()
    patterns: tuple[CharDfa, ...] = ()
    everything: bool = False

    def join(self, other: "EvaluatedNames") -> "EvaluatedNames":
        """What either evaluates."""
        if self.everything or other.everything:
            return ALL_NAMES
        return EvaluatedNames(self.names | other.names, tuple(dict.fromkeys(self.patterns + other.patterns)))


class EvaluatedItems(NamedTuple):
    """The `first` items, and those that satisfy one of `matching`; all if `everything`."""

    first: int = 0
    matching: tuple[Expression, ...] = ()
    everything: bool = False

    def join(self, other: "EvaluatedItems") -> "EvaluatedItems":
        """What either evaluates."""
        if self.everything or other.everything:
            return ALL_ITEMS
        return EvaluatedItems(max(self.first, other.first), tuple(dict.fromkeys(self.matching + other.matching)))


NO_NAMES, NO_ITEMS = EvaluatedNames(), EvaluatedItems()
ALL_NAMES, ALL_ITEMS = EvaluatedNames(everything=True), EvaluatedItems(everything=True)
