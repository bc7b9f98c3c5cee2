"""A grammar without recursion but through containers -> graph."""

from backend.grammar import schema
from backend.grammar.alphabet import Alphabet
from backend.grammar.automaton.graph import Graph, Rule
from backend.grammar.automaton.productive import emptiness, productive
from backend.grammar.automaton.pushdown import BracketConflict, PushdownAutomaton
from backend.grammar.chars.dfa import CharDfa
from backend.grammar.context_free.definitions import FIRST_LETTER, Definition, Grammar
from backend.grammar.context_free.resolve import Avoided, Resolved, resolve
from backend.grammar.errors import GrammarError
from backend.grammar.limits import Limits
from backend.grammar.notes import Notebook


def write(
    grammar: Grammar, graph: Graph, notebook: Notebook, *, unrolled: int, open_objects: bool, limits: Limits
) -> Rule:
    """See `context_free.build`."""
    avoided: Avoided = frozenset()
    conflict: BracketConflict | None = None
    while True:
        try:
            resolved = resolve(grammar, limits, unrolled, avoided)
        except GrammarError as error:
            raise conflict or error from error
        conflict = _conflict(resolved, graph.alphabet, open_objects, limits) if resolved.undecided else None
        if conflict is None:
            return _written(resolved, graph, notebook, open_objects, limits)
        more = avoided | _in_two_ways(conflict)
        if more == avoided:
            raise conflict
        avoided = more


def _conflict(resolved: Resolved, alphabet: Alphabet, open_objects: bool, limits: Limits) -> BracketConflict | None:
    """What speaks against the brackets that were chosen."""
    graph = Graph(alphabet)
    root = _written(resolved, graph, Notebook(), open_objects, limits)
    try:
        PushdownAutomaton(graph, root, limits)
    except BracketConflict as conflict:
        return conflict
    return None


def _written(resolved: Resolved, graph: Graph, notebook: Notebook, open_objects: bool, limits: Limits) -> Rule:
    start = resolved.grammar.start
    rule = _Writer(resolved, graph, notebook, open_objects, limits).rule(start)
    if not productive(graph)[rule.start]:
        called = resolved.grammar.definitions[start].called
        raise emptiness(graph, rule, f"no finite text matches {called} of the grammar")
    return rule


def _in_two_ways(conflict: BracketConflict) -> Avoided:
    return frozenset([(conflict.byte, None) if conflict.opens else (None, conflict.byte)])


class _Writer:
    def __init__(
        self, resolved: Resolved, graph: Graph, notebook: Notebook, open_objects: bool, limits: Limits
    ) -> None:
        self.graph = graph
        self._resolved, self._notebook = resolved, notebook
        self._open_objects, self._limits = open_objects, limits
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
        place = f"{self._notebook.place}.{definition.name}"
        try:
            rule = schema.build(
                definition.schema,
                self.graph,
                self._notebook.of(place, self._notebook.strict),
                open_objects=self._open_objects,
                limits=self._limits,
            )
        except GrammarError as error:
            raise GrammarError(f"{definition.called}: {error}") from error
        if any(pointer.startswith(place) for pointer in self._notebook.notes().deferred):
            raise GrammarError(f"{definition.called}: a keyword of its schema can only be checked of a whole answer")
        return rule

    def _embed(self, rule: Rule, language: CharDfa) -> None:
        nodes = [self.graph.node() for _ in language.next]
        self.graph.epsilon(rule.start, nodes[0])
        for state, node in enumerate(nodes):
            for ranges, target in language.edges(state):
                chars = tuple(pair for pair in ranges if pair[1] < FIRST_LETTER)
                if chars:
                    self.graph.characters(node, chars, nodes[target], escape=False)
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
