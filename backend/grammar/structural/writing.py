"""Structural terms -> graph."""

from backend.grammar import context_free, schema
from backend.grammar.automaton.graph import Graph, Rule
from backend.grammar.automaton.productive import emptiness, productive
from backend.grammar.chars.parse import pattern
from backend.grammar.errors import NOT_FAULTS, CompilerFault, GrammarError
from backend.grammar.limits import Limits
from backend.grammar.notes import Notebook
from backend.grammar.structural.control import marker_bytes, part_bytes
from backend.grammar.structural.dialects import dialect_of
from backend.grammar.structural.scan import write_scan
from backend.grammar.structural.terms import (
    AnyOf,
    AnyText,
    Branch,
    Concat,
    ConstText,
    ContextFree,
    ControlToken,
    JsonSchema,
    Regex,
    Separated,
    Term,
)


def build(term: Term, graph: Graph, notebook: Notebook, *, open_objects: bool, limits: Limits) -> Rule:
    """Write what `term` describes into `graph`; its rule is returned. notebook, open_objects: see
    `schema.build`.

    Raises GrammarError, which names the place of the schema at fault, also where no value satisfies one of them.
    """
    rule = graph.rule()
    writer = _Writer(graph, rule.end, notebook, open_objects, limits)
    writer.write(term, rule.start, rule.end)
    writer.check()
    return rule


class _Writer:
    def __init__(self, graph: Graph, end: int, notebook: Notebook, open_objects: bool, limits: Limits) -> None:
        self._graph, self._end, self._notebook = graph, end, notebook
        self._open_objects, self._limits = open_objects, limits
        self._values: list[tuple[Rule, JsonSchema]] = []

    def write(self, term: Term, a: int, b: int) -> None:
        """What `term` describes leads from a to b."""
        match term:
            case ConstText() | ControlToken():
                self._graph.literal(a, part_bytes(term), b)
            case Regex(pattern=regex):
                self._graph.embed(
                    a, pattern(regex, search=False, limits=self._limits, ascii_only=True), b, escape=False
                )
            case JsonSchema():
                self._value(a, b, term)
            case ContextFree():
                self._context_free(a, b, term)
            case Concat(parts=parts):
                self._concat(a, b, parts)
            case AnyOf(parts=parts):
                for part in parts:
                    self.write(part, a, b)
            case Separated():
                self._separated(a, b, term)
            case AnyText():
                self._any_text(a, b, term)

    def check(self) -> None:
        """Raises GrammarError for a schema that no value satisfies."""
        if not self._values:
            return
        alive = productive(self._graph)
        for rule, term in self._values:
            if not alive[rule.start]:
                error = emptiness(self._graph, rule)
                raise GrammarError(error.message, term.place + error.pointer)

    def _value(self, a: int, b: int, term: JsonSchema) -> None:
        known = next((rule for rule, other in self._values if other == term), None)
        self._graph.call(a, known or self._build(term), b)

    def _build(self, term: JsonSchema) -> Rule:
        """The rule of a schema, which is written once however often the term stands in the whole."""
        notebook, dialect = self._notebook.of(term.place, term.strict), dialect_of(term.dialect)
        try:
            rule = schema.build(
                term.schema,
                self._graph,
                notebook,
                open_objects=self._open_objects,
                limits=self._limits,
                dialect=dialect,
                texts={name: self._text(language) for name, language in term.texts},
            )
        except GrammarError as error:
            raise GrammarError(error.message, term.place + error.pointer) from error
        except CompilerFault as error:
            raise CompilerFault(term.place + error.pointer) from error
        except NOT_FAULTS:
            raise
        except Exception as error:
            raise CompilerFault(term.place) from error
        self._values.append((rule, term))
        return rule

    def _context_free(self, a: int, b: int, term: ContextFree, within: schema.Text | None = None) -> None:
        """within: the string in which its texts stand, None for none."""
        rule = context_free.build(
            term.grammar,
            term.syntax,
            self._graph,
            self._notebook.of(term.place, strict=False),
            unrolled=term.max_recursion,
            open_objects=self._open_objects,
            limits=self._limits,
            within=within,
        )
        self._graph.call(a, rule, b)

    def _text(self, language: Regex | ContextFree) -> schema.TextWriter:
        """Writes the inside of a string that is of `language`."""

        def write(a: int, text: schema.Text, b: int) -> None:
            if isinstance(language, ContextFree):
                self._context_free(a, b, language, text)
                return
            whole = pattern(language.pattern, search=False, limits=self._limits, ascii_only=True)
            self._graph.embed(a, whole & schema.writable(text), b, text.escape)

        return write

    def _concat(self, a: int, b: int, parts: tuple[Term, ...]) -> None:
        for part in parts:
            after = self._graph.node()
            self.write(part, a, after)
            a = after
        self._graph.epsilon(a, b)

    def _separated(self, a: int, b: int, term: Separated) -> None:
        before, after = self._graph.node(), self._graph.node()
        self._graph.epsilon(a, before)
        self.write(term.part, before, after)
        self.write(term.separator, after, before)
        self._graph.epsilon(after, b)

    def _any_text(self, a: int, b: int, term: AnyText) -> None:
        again, stop = self._graph.node(), self._end if term.may_stop else None
        targets = {mark: node for one in term.branches for mark, node in self._branch(one, again, b).items()}
        cut = None if term.cut is None else self._graph.node()
        if term.cut is not None and cut is not None:
            self.write(term.cut, cut, self._end)
        write_scan(self._graph, again, targets, stop=stop, in_reasoning=term.in_reasoning, cut=cut)
        if term.opening is None:
            self._graph.epsilon(a, again)
        else:
            write_scan(self._graph, a, targets, self._branch(term.opening, again, b), stop, term.in_reasoning, cut)

    def _branch(self, branch: Branch, again: int, b: int) -> dict[bytes, int]:
        """The node to which its markers lead; those that cannot be written lead nowhere."""
        found, nowhere = self._graph.node(), self._graph.node()
        self.write(branch.then, found, again if branch.resumes else b)
        markers = map(marker_bytes, branch.markers)
        return {marker: found if self._graph.can_write(nowhere, marker, found) else nowhere for marker in markers}
