"""Normal forms -> graph: one plain rule per expression, one container per array or object shape."""

from backend.grammar.chars.dfa import CharDfa
from backend.grammar.graph import Graph, Rule
from backend.grammar.schema.expressions import Expression, pointer_of
from backend.grammar.schema.normal import Normaliser
from backend.grammar.schema.shapes.alternatives import located, refuse
from backend.grammar.schema.shapes.arrays import ArrayShape
from backend.grammar.schema.shapes.form import Form
from backend.grammar.schema.shapes.objects import ObjectShape
from backend.grammar.schema.shapes.strings import StringShape
from backend.grammar.schema.writing.arrays import fill_array
from backend.grammar.schema.writing.objects import fill_object


class Emitter:
    """Writes the values of expressions into `graph`. open_objects: no object is closed unless its schema says so."""

    def __init__(self, graph: Graph, normaliser: Normaliser, open_objects: bool) -> None:
        self.graph, self.open_objects = graph, open_objects
        self._normaliser = normaliser
        self._rules: dict[Expression, Rule] = {}
        self._containers: dict[ArrayShape | ObjectShape, Rule] = {}
        self._numbers: dict[CharDfa, Rule] = {}
        self._pending: list[tuple[ArrayShape | ObjectShape, Rule, str]] = []

    def emit(self, expression: Expression) -> Rule:
        """The finished rule of an expression and of everything inside. Raises GrammarError for what is refused."""
        rule = self.value(expression)
        while self._pending:
            shape, container, pointer = self._pending.pop()
            with located(pointer):
                self._fill_container(shape, container)
        return rule

    def value(self, expression: Expression) -> Rule:
        """The rule of an expression; the containers in it are filled later, so that recursion closes."""
        rule = self._rules.get(expression)
        if rule is None:
            rule = self._rules[expression] = self.graph.rule()
            pointer = pointer_of(expression)
            with located(pointer):
                self._fill(rule, self._normaliser.form(expression), pointer)
        return rule

    def _fill(self, rule: Rule, form: Form, pointer: str) -> None:
        graph, start, end = self.graph, rule.start, rule.end
        if form.null:
            graph.literal(start, b"null", end)
        for value in sorted(form.booleans):
            graph.literal(start, b"true" if value else b"false", end)
        for number in form.numbers:
            graph.call(start, self._number(number.written()), end)
        for string in form.strings:
            self._string(start, string, end)
        for array in form.arrays:
            graph.enter(start, self._container(array, b"[]", pointer), end)
        for shape in form.objects:
            graph.enter(start, self._container(shape, b"{}", pointer), end)

    def _fill_container(self, shape: ArrayShape | ObjectShape, container: Rule) -> None:
        refuse(shape.refusals)
        if isinstance(shape, ArrayShape):
            fill_array(self, shape, container)
        else:
            fill_object(self, shape, container)

    def _number(self, written: CharDfa) -> Rule:
        rule = self._numbers.get(written)
        if rule is None:
            rule = self._numbers[written] = self.graph.rule()
            self.graph.embed(rule.start, written, rule.end, escape=False)
        return rule

    def _string(self, a: int, shape: StringShape, b: int) -> None:
        refuse(shape.refusals)
        if shape.language is None and (shape.least or shape.most is not None):
            self.graph.counted_string(a, shape.least, shape.most, b)
        else:
            self.graph.string(a, shape.contents(), b)

    def _container(self, shape: ArrayShape | ObjectShape, brackets: bytes, pointer: str) -> Rule:
        container = self._containers.get(shape)
        if container is None:
            container = self._containers[shape] = self.graph.container(brackets)
            self._pending.append((shape, container, pointer))
        return container
