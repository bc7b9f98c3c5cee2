"""Normal forms -> graph: one plain rule per expression, one container per array or object shape."""

from collections.abc import Iterable, Mapping
from typing import Any

from backend.grammar.automaton.graph import Graph, Rule
from backend.grammar.chars.dfa import CharDfa
from backend.grammar.schema.expressions import Expression, pointer_of
from backend.grammar.schema.normal import Normaliser
from backend.grammar.schema.shapes.alternatives import located, refuse
from backend.grammar.schema.shapes.arrays import ArrayShape
from backend.grammar.schema.shapes.form import Form
from backend.grammar.schema.shapes.objects import ObjectShape
from backend.grammar.schema.shapes.strings import StringShape
from backend.grammar.schema.writing.arrays import write_array
from backend.grammar.schema.writing.dialects import Content, Dialect, Properties
from backend.grammar.schema.writing.digits import Digits, write_number
from backend.grammar.schema.writing.objects import write_object, written_names
from backend.grammar.schema.writing.texts import Texts, TextWriter


class Emitter:
    """Writes the values of expressions into `graph`. open_objects: no object is closed unless its schema says so.

    digits: of numbers at most, unless the schema has more. given: by name of a property, what writes its strings.
    """

    def __init__(
        self,
        graph: Graph,
        normaliser: Normaliser,
        open_objects: bool,
        dialect: Dialect,
        digits: Digits,
        given: Mapping[str, TextWriter],
    ) -> None:
        self._digits, self._given = digits, given
        self.graph, self.open_objects, self.dialect = graph, open_objects, dialect
        self._normaliser, self.notebook = normaliser, normaliser.notebook
        self._texts = Texts(graph)
        self._bracketed: frozenset[str] = frozenset()
        self._rules: dict[tuple[Expression, Content], Rule] = {}
        self._containers: dict[ArrayShape | ObjectShape, Rule] = {}
        self._numbers: dict[tuple[CharDfa, Digits], Rule] = {}
        self._pending: list[tuple[ArrayShape | ObjectShape, Rule, str]] = []

    def emit(self, expression: Expression) -> Rule:
        """The finished rule of an expression and of everything inside. Raises GrammarError for what is refused."""
        whole = self.dialect.any_value
        rule = self.value(expression, self.dialect.content) if whole else self._arguments(expression)
        while self._pending:
            shape, container, pointer = self._pending.pop()
            with located(pointer):
                self._write_container(shape, container)
        return rule

    def value(self, expression: Expression, content: Content) -> Rule:
        """The rule of an expression, as far as `content` admits its values; the containers in it are written later, so
        that recursion closes."""
        rule = self._rules.get((expression, content))
        if rule is None:
            pointer = pointer_of(expression)
            rule = self._rules[expression, content] = self.graph.rule(pointer)
            with located(pointer):
                self._write(rule, self._normaliser.form(expression), content, pointer)
        return rule

    def listed(self, expression: Expression, most: int) -> list[Any] | None:
        """Every value of an expression, None where they are more than `most` or are not seen to be fewer."""
        return self._normaliser.form(expression).listed(most)

    def property_value(self, name: str | None, expression: Expression, content: Content) -> Rule:
        """`value` for a property. name: None for one that the schema does not declare."""
        writer = self._given.get(name) if name is not None else None
        if name is not None and writer is not None:
            return self._given_text(name, writer, content)
        if content.mixed and name in self._bracketed:
            content = content.without_brackets()
        return self.value(expression, content)

    def _given_text(self, name: str, writer: TextWriter, content: Content) -> Rule:
        rule = self.graph.rule(f"#/properties/{name}")
        if content.strings:
            self._texts.write_given(rule.start, name, writer, content.text, rule.end)
        return rule

    def _arguments(self, expression: Expression) -> Rule:
        """The rule of the objects among the values."""
        bare, pointer = self.dialect.bare, pointer_of(expression)
        rule = self.graph.rule(pointer)
        with located(pointer):
            shapes = self._normaliser.form(expression).objects
            if bare is None:
                self._enter(rule, shapes, b"{}", pointer)
            else:
                self._write_bare(rule, shapes, bare)
        return rule

    def _write_bare(self, rule: Rule, shapes: tuple[ObjectShape, ...], properties: Properties) -> None:
        if any(content.mixed for _, content in properties.values):
            self._bracketed = frozenset(name for shape in shapes for name in self._names_of_containers(shape))
        for shape in shapes:
            write_object(self, shape, rule, properties)

    def _names_of_containers(self, shape: ObjectShape) -> list[str]:
        """Names whose values may be arrays or objects. What one shape says of a name binds all: which of them is being
        read may still be open, and a bracket cannot be both structure and text."""
        forms = {name: self._normaliser.form(shape.value(name)) for name in written_names(shape, self.open_objects)}
        return [name for name, form in forms.items() if form.arrays or form.objects]

    def _write(self, rule: Rule, form: Form, content: Content, pointer: str) -> None:
        if content.others:
            self._write_scalars(rule, form, content.mixed)
        if content.strings:
            for string in form.strings:
                self._string(rule.start, string, content, rule.end)
        if content.others:
            self._enter(rule, form.arrays, b"[]", pointer)
            self._enter(rule, form.objects, b"{}", pointer)

    def _write_scalars(self, rule: Rule, form: Form, counted_text: bool) -> None:
        """counted_text: the same text may be a string, whose characters are counted; the digits then are not."""
        graph, names = self.graph, self.dialect.literal_names
        if form.null:
            graph.literal(rule.start, names.null, rule.end)
        for value in sorted(form.booleans):
            graph.literal(rule.start, names.true if value else names.false, rule.end)
        for number in form.numbers:
            most = Digits() if counted_text else self._digits.at_least(Digits(*number.digits()))
            graph.call(rule.start, self._number(number.written(), most), rule.end)

    def _enter(self, rule: Rule, shapes: Iterable[ArrayShape | ObjectShape], brackets: bytes, pointer: str) -> None:
        for shape in shapes:
            self.graph.enter(rule.start, self._container(shape, brackets, pointer), rule.end)

    def _write_container(self, shape: ArrayShape | ObjectShape, container: Rule) -> None:
        if isinstance(shape, ArrayShape):
            write_array(self, shape, container)
        else:
            write_object(self, shape, container, self.dialect.properties)

    def _number(self, written: CharDfa, most: Digits) -> Rule:
        rule = self._numbers.get((written, most))
        if rule is None:
            rule = self._numbers[written, most] = self.graph.rule()
            write_number(self.graph, rule.start, written, rule.end, most)
        return rule

    def _string(self, a: int, shape: StringShape, content: Content, b: int) -> None:
        refuse(shape.refusals)
        if not content.text.escape or content.text.forbidden is not None:
            self._texts.write(a, shape, content.text, content.bracketless, b)
        elif shape.values is not None:
            self.graph.string(a, shape.contents(), b)
        else:
            self.graph.string(a, shape.language, b, *shape.idle_left_out())

    def _container(self, shape: ArrayShape | ObjectShape, brackets: bytes, pointer: str) -> Rule:
        container = self._containers.get(shape)
        if container is None:
            spaced = self.dialect.properties.spaced
            container = self._containers[shape] = self.graph.container(brackets, pointer, laid_out=spaced)
            self._pending.append((shape, container, pointer))
        return container
