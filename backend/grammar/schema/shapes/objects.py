"""Sets of objects: what each name's value satisfies, which names there are, and names of which some must exist."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from backend.grammar.chars.dfa import CharDfa
from backend.grammar.errors import GrammarError
from backend.grammar.schema.expressions import ANYTHING, NOTHING, Expression, all_of, negate, neutral
from backend.grammar.schema.shapes.alternatives import together
from backend.grammar.schema.shapes.evaluated import ALL_NAMES, NO_NAMES, EvaluatedNames

MAX_CELL_STATES = 5_000


@dataclass(frozen=True, slots=True, eq=False)
class Names:
    """Property names. language: those that match it, where not None; otherwise all but `excluded` and those that match
    one of `patterns` (what `additionalProperties` is about)."""

    language: CharDfa | None = None
    excluded: frozenset[str] = frozenset()
    patterns: tuple[CharDfa, ...] = ()

    def holds(self, name: str) -> bool:
        """Whether `name` is one of them."""
        if self.language is not None:
            return self.language.matches(name)
        return name not in self.excluded and not any(pattern.matches(name) for pattern in self.patterns)

    def splitters(self) -> tuple[CharDfa, ...]:
        """The languages that tell, with the excluded names, which names are meant."""
        return self.patterns if self.language is None else (self.language,)

    def covers(self, inside: frozenset[CharDfa]) -> bool:
        """Whether names that match `inside` and no other splitter, and are not excluded, are among them."""
        return self.language in inside if self.language is not None else inside.isdisjoint(self.patterns)


class Cell(NamedTuple):
    """Names, other than those of fields, about which a shape says the same. inside: the splitters that they match."""

    language: CharDfa | None
    inside: frozenset[CharDfa]
    value: Expression


class Some(NamedTuple):
    """A property whose name is one of `names` has a value that satisfies `value`."""

    names: Names
    value: Expression


@dataclass(frozen=True, slots=True, eq=False)
class ObjectShape:
    """Objects that satisfy everything at once.

    fields: by name, in order, what its value satisfies if it is there; keyed: the same for many names at once;
    required: names that are there; least, most: number of properties (most None: any); least_at: the `minProperties`
    that says so, "" where something else does; some: properties that exist;
    declared: names that belong to the object, in the order of output; closes: a schema lists the properties and says
    nothing of others; opens: a schema says what others there may be; evaluated: what `unevaluatedProperties` is not
    about. Names that one of `keyed` excludes are fields.
    """

    fields: dict[str, Expression] = field(default_factory=dict)
    keyed: tuple[tuple[Names, Expression], ...] = ()
    required: frozenset[str] = frozenset()
    least: int = 0
    most: int | None = None
    some: tuple[Some, ...] = ()
    declared: tuple[str, ...] = ()
    closes: bool = False
    opens: bool = False
    evaluated: EvaluatedNames = NO_NAMES
    least_at: str = ""

    def value(self, name: str) -> Expression:
        """What the value of `name` has to satisfy."""
        keyed = [value for names, value in self.keyed if names.holds(name)]
        return all_of(self.fields.get(name, ANYTHING), *keyed)

    def meet(self, other: "ObjectShape") -> "ObjectShape | None":
        """The objects in both; None where that is seen to be none."""
        fields = dict(self.fields)
        for name, value in other.fields.items():
            fields[name] = all_of(fields[name], value) if name in fields else value
        return ObjectShape(
            fields,
            self.keyed + other.keyed,
            self.required | other.required,
            max(self.least, other.least),
            min((most for most in (self.most, other.most) if most is not None), default=None),
            self.some + other.some,
            tuple(dict.fromkeys(self.declared + other.declared)),
            self.closes or other.closes,
            self.opens or other.opens,
            self.evaluated.join(other.evaluated),
            self.least_at if self.least >= other.least else other.least_at,
        ).simplified()

    def simplified(self) -> "ObjectShape | None":
        """This shape; None where it is seen that there are no such objects."""
        if self.most is not None and max(self.least, len(self.required)) > self.most:
            return None
        return None if any(self.value(name) is NOTHING for name in self.required) else self

    def complement(self) -> list["ObjectShape"]:
        """The objects outside, as alternatives.

        The first name that fails tells the alternative, the names before it hold: an automaton that reads the names in
        order then need not remember which of them failed.
        """
        outside = [ObjectShape(most=self.least - 1)] if self.least > 0 else []
        if self.most is not None:
            outside.append(ObjectShape(least=self.most + 1))
        held: dict[str, Expression] = {}
        present: frozenset[str] = frozenset()
        for name in dict.fromkeys([*self.fields, *sorted(self.required)]):
            value, required = self.fields.get(name, ANYTHING), name in self.required
            if required or value is not ANYTHING:  # where it must be there, it is not there or its value fails
                failing = present if required else present | {name}
                outside.append(ObjectShape({**held, name: negate(value)}, required=failing))
            held[name] = neutral(value)
            present |= {name} if required else frozenset()
        return outside + self._complement_of_names(held, present)

    def _complement_of_names(self, held: dict[str, Expression], present: frozenset[str]) -> list["ObjectShape"]:
        """The objects whose fields hold, but not what is said of many names at once."""
        outside = []
        for names, value in self.keyed:
            if value is not ANYTHING:
                outside.append(ObjectShape(dict(held), required=present, some=(Some(names, negate(value)),)))
        for some in self.some:
            outside.append(ObjectShape(dict(held), ((some.names, negate(some.value)),), present))
        return outside

    def inhabited(self, decide: Callable[[Expression], bool]) -> bool:
        """Whether there may be such an object. decide: whether there may be a value of an expression."""
        if not all(decide(self.value(name)) for name in sorted(self.required)):
            return False
        if not self.least and not self.some:
            return True
        cells = self.cells()
        if not cells and sum(decide(self.value(name)) for name in self.fields) < self.least:
            return False
        return all(self._holds_one(some, cells, decide) for some in self.some)

    def overlaps(self, other: "ObjectShape", decide: Callable[[Expression], bool]) -> bool:
        """False only where no object is in both."""
        for name in sorted(self.required & other.required):
            if not decide(all_of(self.value(name), other.value(name))):
                return False
        met = self.meet(other)
        return met is not None and met.inhabited(decide)

    def _holds_one(self, some: Some, cells: list[Cell], decide: Callable[[Expression], bool]) -> bool:
        named = (self.value(name) for name in self.fields if some.names.holds(name))
        free = (cell.value for cell in cells if some.names.covers(cell.inside))
        return any(decide(all_of(value, some.value)) for values in (named, free) for value in values)

    def cells(self) -> list[Cell]:
        """The names that are no fields, in groups about which everything here says the same; without forbidden ones.

        language None: any string.
        """
        everything = [names for names, _ in self.keyed] + [some.names for some in self.some]
        groups: list[tuple[CharDfa | None, frozenset[CharDfa]]] = [(None, frozenset())]
        for splitter in dict.fromkeys(language for names in everything for language in names.splitters()):
            with together(("patternProperties", "propertyNames")):
                groups = [part for group in groups for part in _split(group, splitter)]
            if sum(len(language) for language, _ in groups if language is not None) > MAX_CELL_STATES:
                raise GrammarError("patterns of property names overlap in too many ways; use fewer or simpler ones")
        cells = []
        for language, inside in groups:
            value = all_of(*(value for names, value in self.keyed if names.covers(inside)))
            if value is not NOTHING:
                cells.append(Cell(language, inside, value))
        return cells

    def close(self, others: Expression) -> "ObjectShape | None":
        """The objects of which every property that is not evaluated has a value that satisfies `others`."""
        if self.evaluated.everything:
            return self
        names = Names(excluded=self.evaluated.names, patterns=self.evaluated.patterns)
        keyed = self.keyed if others is ANYTHING else (*self.keyed, (names, others))
        return replace(self, keyed=keyed, opens=True, evaluated=ALL_NAMES).simplified()

    def as_condition(self) -> "ObjectShape":
        """The same objects, with values that are conditions, not saying which names belong to the object."""
        return replace(
            self,
            fields={name: neutral(value) for name, value in self.fields.items()},
            keyed=tuple((names, neutral(value)) for names, value in self.keyed),
            some=tuple(Some(names, neutral(value)) for names, value in self.some),
            declared=(),
            closes=False,
            opens=False,
            least_at="",
        )


ANY_OBJECT = ObjectShape()


def _split(
    group: tuple[CharDfa | None, frozenset[CharDfa]], splitter: CharDfa
) -> list[tuple[CharDfa | None, frozenset[CharDfa]]]:
    language, inside = group
    within = splitter if language is None else language & splitter
    without = (CharDfa.any_string() if language is None else language) - splitter
    parts = [(within, inside | {splitter}), (without, inside)]
    return [(part, inside) for part, inside in parts if not part.is_empty]
