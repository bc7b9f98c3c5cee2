"""Array shapes -> the body of a container."""

from itertools import product

from backend.grammar.automaton.graph import Rule
from backend.grammar.errors import GrammarError
from backend.grammar.schema.expressions import NOTHING, Expression, Negation, all_of, negate
from backend.grammar.schema.shapes.arrays import ArrayShape, Contains
from backend.grammar.schema.writing.layout import separator, space
from backend.grammar.schema.writing.value_writer import ValueWriter

MAX_ITEMS = 20_000
Counts = tuple[int, ...]
"""How many items satisfied each `contains`, up to what still matters."""


def write_array(writer: ValueWriter, shape: ArrayShape, container: Rule) -> None:
    """Write the items of `shape` between the brackets of `container`.

    Raises GrammarError where the positions, times the counts of `contains`, are more than MAX_ITEMS.
    """
    body = _Body(writer, shape, container)
    while body.work:
        body.expand(*body.work.pop())


class _Body:
    """The nodes after so many items with such counts. Positions from `last` on are alike."""

    def __init__(self, writer: ValueWriter, shape: ArrayShape, container: Rule) -> None:
        self._writer, self._graph, self._shape, self._end = writer, writer.graph, shape, container.end
        starts = max((contains.start for contains in shape.contains), default=0)
        self._last = max(len(shape.prefix), shape.least, starts) if shape.most is None else shape.most
        self._last = max(self._last, 1)
        self._content, self._spaced = writer.dialect.content, writer.dialect.properties.spaced
        self._nodes: dict[tuple[int, Counts], int] = {}
        self.work: list[tuple[int, Counts]] = []
        self._graph.epsilon(container.start, self._node(0, (0,) * len(shape.contains)))

    def expand(self, position: int, counts: Counts) -> None:
        """Write what may follow `position` items."""
        shape, graph = self._shape, self._graph
        here = self._nodes[position, counts]
        first = space(graph, here, self._spaced) if position == 0 else None
        if position >= shape.least and all(map(_enough, shape.contains, counts)):
            graph.epsilon(space(graph, here, self._spaced) if first is None else first, self._end)
        if shape.most is not None and position >= shape.most:
            return
        before = separator(graph, here, b",", self._spaced) if first is None else first
        for item, after in self._items(position, counts):
            if item is not NOTHING:
                value = self._writer.value(item, self._content)
                graph.call(before, value, self._node(min(position + 1, self._last), after))

    def _node(self, position: int, counts: Counts) -> int:
        key = (position, counts)
        node = self._nodes.get(key)
        if node is None:
            if max(self._last, len(self._nodes)) > MAX_ITEMS:
                raise GrammarError(f"an array of more than {MAX_ITEMS} different positions is not supported")
            node = self._nodes[key] = self._graph.node()
            self.work.append(key)
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
