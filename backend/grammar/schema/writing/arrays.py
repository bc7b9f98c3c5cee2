"""Array shapes -> the body of a container."""

from enum import IntEnum
from itertools import product

from backend.grammar.automaton.graph import Rule
from backend.grammar.errors import GrammarError
from backend.grammar.schema.expressions import NOTHING, Expression, Negation, all_of, negate
from backend.grammar.schema.shapes.arrays import ArrayShape, Contains
from backend.grammar.schema.writing.layout import closing, end_empty, opening, separator
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
        body.expand(*body.work.pop())


class Phase(IntEnum):
    """How the number of items, which the register counts, compares with the bounds: too few, enough, full."""

    SHORT, ENOUGH, FULL = range(3)


Place = tuple[int, Phase, Counts]
"""Items written so far, as far as they are told apart; the phase that is behind them; what `contains` counts."""


class _Body:
    """The nodes after some items. Positions from `last` on are alike: how many there are is a matter of phases."""

    def __init__(self, writer: ValueWriter, shape: ArrayShape, container: Rule) -> None:
        self._writer, self._graph, self._shape, self._container = writer, writer.graph, shape, container
        self._most = None if shape.most is None or shape.most > MOST_COUNTED else shape.most
        if shape.least > MOST_COUNTED:
            raise GrammarError(f"minItems of more than {MOST_COUNTED} is not supported")
        starts = max((contains.start for contains in shape.contains), default=0)
        self._last = max(1, len(shape.prefix), starts)
        self._content, self._spaced = writer.dialect.content, writer.dialect.properties.spaced
        self._closing = closing(self._graph, container, self._spaced)
        self._nodes: dict[Place, int] = {}
        self.work: list[Place] = []
        first = opening(self._graph, container, self._spaced)
        self._start(first, (0,) * len(shape.contains))

    def _start(self, first: int, counts: Counts) -> None:
        if self._shape.least == 0 and all(map(_enough, self._shape.contains, counts)):
            end_empty(self._graph, self._container)
        if self._most != 0:
            self._write_items(first, 0, counts, self._phase(1))

    def expand(self, position: int, phase: Phase, counts: Counts) -> None:
        """Write what may follow the items of a place."""
        graph, here = self._graph, self._nodes[position, phase, counts]
        if phase != Phase.SHORT and all(map(_enough, self._shape.contains, counts)):
            graph.epsilon(here, self._closing)
        if phase == Phase.FULL:
            return
        if position < self._last:
            before = separator(graph, here, b",", self._spaced)
            self._write_items(before, position, counts, self._phase(position + 1))
            return
        limit = self._shape.least - 1 if phase == Phase.SHORT else (self._most or 1) - 1
        at_limit = graph.node() if limit else None
        before = separator(graph, here, b",", self._spaced, limit=limit, reached=at_limit)
        self._write_items(before, position, counts, phase)
        if at_limit is not None:
            self._write_items(at_limit, position, counts, self._phase(limit + 1))

    def _phase(self, items: int) -> Phase:
        if self._most is not None and items >= self._most:
            return Phase.FULL
        return Phase.ENOUGH if items >= self._shape.least else Phase.SHORT

    def _write_items(self, before: int, position: int, counts: Counts, phase: Phase) -> None:
        """The item behind `position` items, after which it is `phase`."""
        for item, after in self._items(position, counts):
            if item is not NOTHING:
                value = self._writer.value(item, self._content)
                self._graph.call(before, value, self._node(min(position + 1, self._last), phase, after))

    def _node(self, position: int, phase: Phase, counts: Counts) -> int:
        place = (position, phase, counts)
        node = self._nodes.get(place)
        if node is None:
            if max(self._last, len(self._nodes)) > MAX_PLACES:
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
