"""What has to be remembered of the properties already written, where their number matters or one of them must exist."""

from collections.abc import Iterator
from itertools import product
from typing import NamedTuple

from backend.grammar.chars.dfa import CharDfa
from backend.grammar.schema.expressions import Expression, all_of
from backend.grammar.schema.shapes.objects import ObjectShape, Some
from backend.grammar.schema.writing.kinds import ENDLESS, Kind

OPEN, GUARDED, MET = range(3)
"""A property that must exist: not seen yet; seen under a free name, which a repetition must not undo; seen for good."""
Option = tuple[Expression | None, int]
"""What a value has to satisfy besides, and the state after it."""


class Layer(NamedTuple):
    """written: properties so far; distinct: those known to differ in name; kinds: of the free names among them;
    some: by property that must exist. Each only as far as it still matters."""

    written: int
    distinct: int
    kinds: frozenset[Kind]
    some: tuple[int, ...]


class PropertyTracker:
    """Follows the properties of a shape as far as it asks for it.

    A JSON reader keeps the last of several properties of one name. So a free name (one that is no field) counts towards
    `least` only where its kind is new or ENDLESS, and a property that must exist also binds every later free name that
    may be its.
    """

    def __init__(self, shape: ObjectShape) -> None:
        self._shape = shape
        self.start = Layer(0, 0, frozenset(), (OPEN,) * len(shape.some))

    def complete(self, layer: Layer) -> bool:
        """Whether the object may end."""
        return layer.distinct >= self._shape.least and OPEN not in layer.some

    def after_field(self, layer: Layer, name: str, value: Expression) -> Iterator[tuple[Expression, Layer]]:
        """What the value of a field may be, and the layer after it; nothing where no more properties may follow."""
        yield from self._after(
            self._one_more(layer, None), value, [some.names.holds(name) for some in self._shape.some], MET
        )

    def after_free(
        self, layer: Layer, kind: Kind, inside: frozenset[CharDfa], value: Expression
    ) -> Iterator[tuple[Expression, Layer]]:
        """The same for a free name of a cell. inside: the languages that the cell's names match."""
        bound = [some.names.covers(inside) for some in self._shape.some]
        yield from self._after(self._one_more(layer, kind), value, bound, GUARDED)

    def _one_more(self, layer: Layer, kind: Kind | None) -> Layer | None:
        shape = self._shape
        if shape.most is not None and layer.written >= shape.most:
            return None
        written = 0 if shape.most is None else layer.written + 1
        if layer.distinct >= shape.least or kind in layer.kinds:
            return layer._replace(written=written)
        kinds = layer.kinds if kind is None or kind[1] == ENDLESS else layer.kinds | {kind}
        distinct = layer.distinct + 1
        return layer._replace(
            written=written, distinct=distinct, kinds=kinds if distinct < shape.least else frozenset()
        )

    def _after(
        self, counted: Layer | None, value: Expression, bound: list[bool], seen: int
    ) -> Iterator[tuple[Expression, Layer]]:
        if counted is None:
            return
        options = [
            _options(some, state, seen) if binds else [(None, state)]
            for some, state, binds in zip(self._shape.some, counted.some, bound, strict=True)
        ]
        for choice in product(*options):
            extra = [part for part, _ in choice if part is not None]
            yield all_of(value, *extra), counted._replace(some=tuple(state for _, state in choice))


def _options(some: Some, state: int, seen: int) -> list[Option]:
    """A value that may be the one that must exist."""
    if state == MET or (state == GUARDED and seen == MET):
        return [(None, state)]
    if state == GUARDED:
        return [(some.value, GUARDED)]
    return [(None, OPEN), (some.value, seen)]
