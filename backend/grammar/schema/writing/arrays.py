"""Array shapes -> the body of a container."""

from enum import IntEnum
from itertools import product
from typing import NamedTuple

from backend.grammar.automaton.graph import Rule
from backend.grammar.errors import GrammarError
from backend.grammar.schema.expressions import NOTHING, Expression, Negation, all_of, negate
from backend.grammar.schema.shapes.arrays import ArrayShape, Contains
from backend.grammar.schema.writing.layout import closing, end_empty, opening, separator
from backend.grammar.schema.writing.unique_items import Universe, Used, universe
from backend.grammar.schema.writing.value_writer import ValueWriter

MAX_PLACES = 20_000
MOST_COUNTED = 1 << 26
"""Items that the register counts; more than any output has."""
Counts = tuple[int, ...]
"""How many items satisfied each `contains`, up to what still matters."""


def write_array(writer: ValueWriter, shape: ArrayShape, container: Rule) -> None:
    """Write the items of `shape` between the brackets of `container`.

    Raises GrammarError where the positions, times the counts of `contains`, are more than MAX_PLACES.
    """
    body = _Body(writer, shape, container)
    while body.work:
        body.expand(body.work.pop())


class Phase(IntEnum):
    """How the number of items, which the register counts, compares with the bounds: too few, enough, full."""

    SHORT, ENOUGH, FULL = range(3)


class Place(NamedTuple):
    """Where one is behind `position` items, if told apart so far; counts: of `contains`; used: which values."""

    position: int
    phase: Phase
    counts: Counts
    used: Used = 0


class _Body:
    """The nodes after some items. Positions from `last` on are alike: how many there are is a matter of phases."""

    def __init__(self, writer: ValueWriter, shape: ArrayShape, container: Rule) -> None:
        self._writer, self._graph, self._shape, self._container = writer, writer.graph, shape, container
        self._most = None if shape.most is None or shape.most > MOST_COUNTED else shape.most
        if shape.least > MOST_COUNTED:
            raise GrammarError(f"minItems of more than {MOST_COUNTED} is not supported")
        self._universe = self._told_apart()
        starts = max((contains.start for contains in shape.contains), default=0)
        self._last = max(1, len(shape.prefix), starts, self._universe.size if self._universe else 0, self._bound())
        self._content, self._spaced = writer.dialect.content, writer.dialect.properties.spaced
        self._closing = closing(self._graph, container, self._spaced)
        self._nodes: dict[Place, int] = {}
        self.work: list[Place] = []
        first = opening(self._graph, container, self._spaced)
        counts = (0,) * len(shape.contains)
        if shape.least == 0 and all(map(_enough, shape.contains, counts)):
            end_empty(self._graph, container)
        if self._most != 0:
            self._write_items(first, Place(0, Phase.SHORT, counts), self._phase(1))

    def _told_apart(self) -> Universe | None:
        """The values that may be items, if none may be there twice and they are few."""
        found = universe(self._writer, self._shape) if self._shape.unique else None
        for pointer in () if found else self._shape.unique:
            why = "'uniqueItems' is enforced only where the items are a few values: null, Booleans, and those of enum, "
            self._writer.notebook.defer(pointer, f"{why}const and small ranges of integers")
        return found

    def _bound(self) -> int:
        """The bound on the items close to which what has been counted decides whether the array can be finished.

        Where one item is all that `contains` may lack, the last one is it, which the register tells.
        """
        contains = self._shape.contains
        if self._most is not None and sum(one.least for one in contains) > 1:
            return self._most
        return self._shape.least if any(one.most is not None for one in contains) else 0

    def expand(self, place: Place) -> None:
        """Write what may follow the items of a place."""
        graph, here = self._graph, self._nodes[place]
        if place.phase != Phase.SHORT and all(map(_enough, self._shape.contains, place.counts)):
            graph.epsilon(here, self._closing)
        if place.phase == Phase.FULL:
            return
        if place.position < self._last:
            before = separator(graph, here, b",", self._spaced)
            self._write_items(before, place, self._phase(place.position + 1))
            return
        limit = self._shape.least - 1 if place.phase == Phase.SHORT else (self._most or 1) - 1
        at_limit = graph.node() if limit else None
        before = separator(graph, here, b",", self._spaced, limit=limit, reached=at_limit)
        self._write_items(before, place, place.phase)
        if at_limit is not None:
            self._write_items(at_limit, place, self._phase(limit + 1))

    def _phase(self, items: int) -> Phase:
        if self._most is not None and items >= self._most:
            return Phase.FULL
        return Phase.ENOUGH if items >= self._shape.least else Phase.SHORT

    def _write_items(self, before: int, place: Place, phase: Phase) -> None:
        """The item behind those of `place`, after which it is `phase`."""
        position = min(place.position + 1, self._last)
        for item, counts in self._items(place.position, place.counts):
            alone = [(item, 0)]
            if self._universe:
                alone = self._universe.items(place.position, item, place.used)
            for value, used in alone:
                if value is not NOTHING:
                    rule = self._writer.value(value, self._content)
                    self._graph.call(before, rule, self._node(Place(position, phase, counts, used)))

    def _node(self, place: Place) -> int:
        node = self._nodes.get(place)
        if node is None:
            counted = sum(one.least for one in self._shape.contains)  # each of them is a position of its own
            if max(self._last, counted, len(self._nodes)) > MAX_PLACES:
                raise GrammarError(f"an array of more than {MAX_PLACES} different positions is not supported")
            node = self._nodes[place] = self._graph.node()
            self.work.append(place)
        return node

    def _items(self, position: int, counts: Counts) -> list[tuple[Expression, Counts]]:
        """What the next item may be, and the counts after it: for every `contains` it is one that counts or not."""
        options = [
            _options(contains, count) if position >= contains.start else [(None, count)]
            for contains, count in zip(self._shape.contains, counts, strict=True)
        ]
        item = self._shape.item(position)
        return [
            (all_of(item, *(part for part, _ in choice if part is not None)), tuple(count for _, count in choice))
            for choice in product(*options)
        ]


def _options(contains: Contains, count: int) -> list[tuple[Expression | None, int]]:
    """An item that counts raises the count. One that does not must fail the schema where the count is bounded, and does
    where that is easily said, to leave the automaton less to remember."""
    if contains.most is None and count >= contains.least:
        return [(None, count)]
    if contains.most is None:
        uncounted = negate(contains.item) if isinstance(contains.item, Negation) else None
        return [(uncounted, count), (contains.item, count + 1)]
    options: list[tuple[Expression | None, int]] = [(negate(contains.item), count)]
    return [*options, (contains.item, count + 1)] if count < contains.most else options


def _enough(contains: Contains, count: int) -> bool:
    return count >= contains.least
