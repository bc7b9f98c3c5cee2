"""Object shapes -> what stands between the braces: fields in order, then properties of any other name."""

from dataclasses import replace

from backend.grammar.automaton.graph import Rule
from backend.grammar.chars.dfa import CharDfa
from backend.grammar.errors import GrammarError
from backend.grammar.schema.expressions import NOTHING, Expression
from backend.grammar.schema.shapes.objects import Cell, ObjectShape
from backend.grammar.schema.writing.dialects import Properties, Text
from backend.grammar.schema.writing.key_tries import KeyTrie
from backend.grammar.schema.writing.kinds import ENDLESS, FreeNames, Kind, free_names
from backend.grammar.schema.writing.layout import closing, end_empty, introduction, opening, separator
from backend.grammar.schema.writing.property_tracker import Layer, PropertyTracker
from backend.grammar.schema.writing.texts import writable
from backend.grammar.schema.writing.value_writer import ValueWriter

MAX_PLACES = 20_000
Options = tuple[tuple[Expression, Layer], ...]
"""What a value may be, each with the layer after it."""


def write_object(writer: ValueWriter, shape: ObjectShape, rule: Rule, properties: Properties) -> None:
    """Write the properties of `shape` into `rule`, beside what it has already; nothing where there is no such object.

    Raises GrammarError where fields, times what has to be remembered of them, are more than MAX_PLACES, and for a name
    that cannot be written.
    """
    closed = _is_closed(shape, writer.open_objects)
    if closed and not shape.required <= set(shape.declared):
        return
    order = written_names(shape, writer.open_objects)
    values = {name: shape.value(name) for name in order}
    fields = {name: value for name, value in values.items() if value is not NOTHING}
    free = []
    if properties.free is not None and not closed:
        free = _free_names(shape, frozenset([*order, *shape.fields]), properties.free)
    shape = _without_idle_bounds(shape, len(fields), bool(free))
    if shape.least and any(names.only == ENDLESS for _, names in free):
        _leave_to_a_check(writer, shape)
    _Body(writer, shape, properties, fields, free).write(rule)


def _leave_to_a_check(writer: ValueWriter, shape: ObjectShape) -> None:
    """Names are counted as if they differed: whether they do, no automaton can know."""
    why = "how many properties there are is known only when their names are"
    if not shape.least_at:
        raise GrammarError(f"'not' or 'if' asks for more than {shape.least - 1} properties of any names: {why}")
    writer.notebook.defer(shape.least_at, why)


def written_names(shape: ObjectShape, open_objects: bool) -> tuple[str, ...]:
    """The names that the schema declares, or mentions where its objects are open, in the order of output."""
    if _is_closed(shape, open_objects):
        return shape.declared
    return tuple(dict.fromkeys([*shape.declared, *shape.fields, *sorted(shape.required)]))


def _is_closed(shape: ObjectShape, open_objects: bool) -> bool:
    return shape.closes and not shape.opens and not open_objects


def _without_idle_bounds(shape: ObjectShape, fields: int, free: bool) -> ObjectShape:
    """The same objects, without bounds on the number of properties that hold anyway."""
    least = 0 if shape.least <= len(shape.required) else shape.least
    most = None if shape.most is not None and fields <= shape.most and not free else shape.most
    return replace(shape, least=least, most=most)


def _free_names(shape: ObjectShape, fields: frozenset[str], text: Text) -> list[tuple[Cell, FreeNames]]:
    """The names that are no fields, by cell and kind. text: how they are written."""
    free = []
    for number, cell in enumerate(shape.cells()):
        taken = [name for name in fields if cell.language is None or cell.language.matches(name)]
        language = cell.language
        if taken:
            excluded = CharDfa.literals(taken)
            language = ~excluded if language is None else language - excluded
        if text.forbidden is not None:
            language = writable(text) if language is None else language & writable(text)
        if language is None or not language.is_empty:
            free.append((cell, free_names(number, language, shape.least - len(shape.required))))
    return free


class _Body:
    """The nodes of one object, by how many fields are passed and by layer."""

    def __init__(
        self,
        writer: ValueWriter,
        shape: ObjectShape,
        properties: Properties,
        fields: dict[str, Expression],
        free: list[tuple[Cell, FreeNames]],
    ) -> None:
        self._writer, self._graph, self._properties, self._free = writer, writer.graph, properties, free
        self._names, self._values = list(fields), list(fields.values())
        self._required = [name in shape.required for name in self._names]
        self._last_required = max((i for i, required in enumerate(self._required) if required), default=-1)
        self._tracker = PropertyTracker(shape)
        self._after: dict[tuple[int, Layer], int] = {}
        self._free_keys: dict[Layer, int] = {}
        self._pending_free: list[Layer] = []
        self._places = 0

    def write(self, rule: Rule) -> None:
        """Write everything."""
        self._spaced, self._bracketed = self._properties.spaced, rule.open is not None
        self._closing = closing(self._graph, rule, self._spaced)
        count = len(self._names)
        layers = self._reachable()
        tries: dict[Layer, KeyTrie | None] = dict.fromkeys(layers[count])
        for position in range(count, -1, -1):
            if position < count:
                tries = {layer: self._trie(position, layer, tries.get(layer)) for layer in layers[position]}
            for layer in layers[position]:
                self._write_after(position, layer, tries[layer])
        first = opening(self._graph, rule, self._spaced)
        self._expect_key(first, 0, self._tracker.start, tries[self._tracker.start])
        if self._closable(0, self._tracker.start):
            end_empty(self._graph, rule)
        self._write_free()

    def _reachable(self) -> list[dict[Layer, None]]:
        """By number of fields passed, the layers that can be there."""
        layers: list[dict[Layer, None]] = [{self._tracker.start: None}]
        for name, value, required in zip(self._names, self._values, self._required, strict=True):
            after = {} if required else dict(layers[-1])
            for layer in layers[-1]:
                after.update((reached, None) for _, reached in self._tracker.after_field(layer, name, value))
            self._count_places(len(after))
            layers.append(after)
        return layers

    def _count_places(self, more: int) -> None:
        self._places += more
        if self._places > MAX_PLACES:
            raise GrammarError(f"an object of more than {MAX_PLACES} different places for properties is not supported")

    def _trie(self, position: int, layer: Layer, later: KeyTrie | None) -> KeyTrie | None:
        """The names that may come next once `position` fields are passed. later: those after this one."""
        trie = None if self._required[position] else later
        name = self._names[position]
        options = tuple(self._tracker.after_field(layer, name, self._values[position]))
        if not options:
            return trie
        after_key = self._graph.node()
        self._write_value(after_key, name, options, position + 1)
        return (trie or KeyTrie(self._graph)).with_key(self._properties.key(name, self._graph.alphabet), after_key)

    def _write_value(self, after_key: int, name: str | None, options: Options, position: int) -> None:
        for text, content in self._properties.values:
            before_value = introduction(self._graph, after_key, text, self._spaced)
            for value, layer in options:
                if value is not NOTHING:
                    rule = self._writer.property_value(name, value, content)
                    self._graph.call(before_value, rule, self._after_value(position, layer))

    def _after_value(self, position: int, layer: Layer) -> int:
        """The node at which a value ends, with `position` fields passed."""
        node = self._after.get((position, layer))
        if node is None:
            node = self._after[position, layer] = self._graph.node()
        return node

    def _write_after(self, position: int, layer: Layer, trie: KeyTrie | None) -> None:
        graph, properties = self._graph, self._properties
        node = graph.literal(self._after_value(position, layer), properties.close)
        if self._closable(position, layer):
            graph.epsilon(node, self._closing)
        if trie is not None or (position > self._last_required and self._free):
            before = separator(graph, node, properties.between, self._spaced, self._bracketed)
            self._expect_key(before, position, layer, trie)

    def _expect_key(self, node: int, position: int, layer: Layer, trie: KeyTrie | None) -> None:
        if trie is not None:
            self._graph.epsilon(node, trie.node)
        if position > self._last_required and self._free:
            self._graph.epsilon(node, self._free_key(layer))

    def _closable(self, position: int, layer: Layer) -> bool:
        return position > self._last_required and self._tracker.complete(layer)

    def _free_key(self, layer: Layer) -> int:
        """The node before a name that is no field."""
        node = self._free_keys.get(layer)
        if node is None:
            self._count_places(1)
            node = self._free_keys[layer] = self._graph.node()
            self._pending_free.append(layer)
        return node

    def _write_free(self) -> None:
        count = len(self._names)
        written = {layer for position, layer in self._after if position == count}
        while self._pending_free:
            layer = self._pending_free.pop()
            for cell, names in self._free:
                self._write_free_property(layer, cell, names, written)

    def _write_free_property(self, layer: Layer, cell: Cell, names: FreeNames, written: set[Layer]) -> None:
        after_key: dict[Options, int] = {}
        ends: dict[Kind, int] = {}
        for kind in names.all_kinds():
            options = tuple(self._tracker.after_free(layer, kind, cell.inside, cell.value))
            if options and options not in after_key:
                after_key[options] = self._graph.node()
                self._write_value(after_key[options], None, options, len(self._names))
                self._write_reached(options, written)
            if options:
                ends[kind] = after_key[options]
        names.write(self._graph, self._free_keys[layer], ends)

    def _write_reached(self, options: Options, written: set[Layer]) -> None:
        for _, reached in options:
            if reached not in written:
                written.add(reached)
                self._write_after(len(self._names), reached, None)
