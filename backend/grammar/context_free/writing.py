"""A grammar without recursion but through containers -> graph."""

from dataclasses import dataclass, replace

from backend.grammar import schema
from backend.grammar.automaton.graph import Graph, Rule
from backend.grammar.automaton.productive import emptiness, productive
from backend.grammar.automaton.pushdown import BracketConflict, PushdownAutomaton
from backend.grammar.chars.dfa import CharDfa
from backend.grammar.context_free.definitions import FIRST_LETTER, Definition, Grammar
from backend.grammar.context_free.flat import flattened
from backend.grammar.context_free.resolve import Avoided, Resolved, resolve
from backend.grammar.errors import GrammarError
from backend.grammar.limits import Limits
from backend.grammar.notes import Notebook

ESCAPED = frozenset([*range(0x20), ord('"'), ord("\\")])
"""What JSON strings have in other bytes than its own."""


@dataclass(frozen=True)
class Writing:
    """Where a grammar is written. See `context_free.build`."""

    graph: Graph
    notebook: Notebook
    open_objects: bool
    limits: Limits
    within: schema.Text | None

    @property
    def escapes(self) -> bool:
        """Whether characters have the escapes of JSON strings."""
        return self.within is not None and self.within.escape


def write(grammar: Grammar, writing: Writing, unrolled: int) -> Rule:
    """See `context_free.build`."""
    avoided: Avoided = _both_ways(ESCAPED) if writing.escapes else frozenset()
    conflict: BracketConflict | None = None
    while True:
        try:
            resolved = resolve(grammar, writing.limits, unrolled, avoided)
        except GrammarError as error:
            raise conflict or error from error
        conflict = _conflict(resolved, writing) if resolved.undecided else None
        if conflict is None:
            return _written(resolved, writing)
        more = avoided | _in_two_ways(conflict)
        if more == avoided:
            raise conflict
        avoided = more


def _conflict(resolved: Resolved, writing: Writing) -> BracketConflict | None:
    """What speaks against the brackets that were chosen."""
    graph = Graph(writing.graph.alphabet)
    root = _written(resolved, replace(writing, graph=graph, notebook=Notebook()))
    try:
        PushdownAutomaton(graph, root, writing.limits)
    except BracketConflict as conflict:
        return conflict
    return None


def _written(resolved: Resolved, writing: Writing) -> Rule:
    graph, start = writing.graph, resolved.grammar.start
    if writing.within is not None and writing.within.forbidden is not None:
        return _written_flat(resolved, writing, writing.within)
    rule = _Writer(resolved, writing).rule(start)
    if not productive(graph)[rule.start]:
        called = resolved.grammar.definitions[start].called
        raise emptiness(graph, rule, f"no finite text matches {called} of the grammar")
    return rule


def _written_flat(resolved: Resolved, writing: Writing, within: schema.Text) -> Rule:
    """The texts that do not end the string in which they stand; only one language of characters says which."""
    language = flattened(resolved, writing.limits) & schema.writable(within)
    if language.is_empty:
        raise GrammarError(f"every text of the grammar has {within.forbidden!r}, which ends a string in this form")
    rule = writing.graph.rule()
    writing.graph.embed(rule.start, language, rule.end, within.escape)
    return rule


def _in_two_ways(conflict: BracketConflict) -> Avoided:
    return frozenset([(conflict.byte, None) if conflict.opens else (None, conflict.byte)])


def _both_ways(codes: frozenset[int]) -> Avoided:
    return frozenset(pair for code in codes for pair in ((code, None), (None, code)))


class _Writer:
    def __init__(self, resolved: Resolved, writing: Writing) -> None:
        self.graph = writing.graph
        self._resolved, self._writing = resolved, writing
        self._rules: dict[int, Rule] = {}
        self._pending: list[int] = []

    def rule(self, number: int) -> Rule:
        """The rule of a definition, with all to which it refers."""
        rule = self._of(number)
        while self._pending:
            at = self._pending.pop()
            self._embed(self._rules[at], self._resolved.languages[at])
        return rule

    def _of(self, number: int) -> Rule:
        rule = self._rules.get(number)
        if rule is None:
            definition = self._resolved.grammar.definitions[number]
            rule = self._rules[number] = self._made(definition)
            if not definition.is_schema:
                self._pending.append(number)
        return rule

    def _made(self, definition: Definition) -> Rule:
        if definition.is_schema:
            return self._schema(definition)
        if definition.brackets is None:
            return self.graph.rule()
        return self.graph.container(bytes(definition.brackets), name=definition.called)

    def _schema(self, definition: Definition) -> Rule:
        if self._writing.within is not None:
            raise GrammarError(f"{definition.called}: a JSON schema cannot stand in a string")
        notebook = self._writing.notebook
        place = f"{notebook.place}.{definition.name}"
        try:
            rule = schema.build(
                definition.schema,
                self.graph,
                notebook.of(place, notebook.strict),
                open_objects=self._writing.open_objects,
                limits=self._writing.limits,
            )
        except GrammarError as error:
            raise GrammarError(f"{definition.called}: {error}") from error
        if any(pointer.startswith(place) for pointer in notebook.notes().deferred):
            raise GrammarError(f"{definition.called}: a keyword of its schema can only be checked of a whole answer")
        return rule

    def _embed(self, rule: Rule, language: CharDfa) -> None:
        nodes = [self.graph.node() for _ in language.next]
        self.graph.epsilon(rule.start, nodes[0])
        for state, node in enumerate(nodes):
            for ranges, target in language.edges(state):
                chars = tuple(pair for pair in ranges if pair[1] < FIRST_LETTER)
                if chars:
                    self.graph.characters(node, chars, nodes[target], self._writing.escapes)
                for low, high in ranges[len(chars) :]:
                    for code in range(low, high + 1):
                        self._refer(node, code - FIRST_LETTER, nodes[target])
            if language.accept[state]:
                self.graph.epsilon(node, rule.end)

    def _refer(self, a: int, number: int, b: int) -> None:
        rule = self._of(number)
        if rule.open is None:
            self.graph.call(a, rule, b)
        else:
            self.graph.enter(a, rule, b)
