"""Strings -> graph where a marker may not occur in them: raw ones, which it ends, and JSON strings among such."""

from backend.grammar.automaton.encoding import encode_ranges
from backend.grammar.automaton.graph import RESET, Graph, Rule
from backend.grammar.chars.dfa import CharDfa
from backend.grammar.chars.explore import explore
from backend.grammar.chars.memory import remembered
from backend.grammar.chars.minimise import Arc, minimise
from backend.grammar.chars.parse import pattern
from backend.grammar.chars.ranges import complement, union
from backend.grammar.limits import DEFAULT_LIMITS
from backend.grammar.schema.shapes.strings import StringShape
from backend.grammar.schema.writing.dialects import Text

BRACKETLESS = ~pattern(r"^[\[{]")
"""Texts that do not begin with an opening bracket."""


class Texts:
    """Writes strings into `graph`, equal sets of them once."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._rules: dict[tuple[Text, CharDfa, int, int | None], Rule] = {}

    def write(self, a: int, shape: StringShape, text: Text, bracketless: bool, b: int) -> None:
        """A string of `shape` leads from a to b. Raises GrammarError where it needs too many states."""
        free = writable(text, bracketless)
        if shape.language is None and shape.values is None and self._is_endless(free, text.escape):
            rule = self._rule(text, free, shape.least, shape.most)
        else:
            contents = shape.contents()
            rule = self._rule(text, free if contents is None else free & contents, 0, None)
        self._graph.call(a, rule, b)

    def _is_endless(self, language: CharDfa, escape: bool) -> bool:
        """Whether every beginning of a text is a text, and goes on with a character that can be written: a count of
        characters then leads to no dead end."""
        alphabet = self._graph.alphabet
        return all(language.accept) and all(
            any(encode_ranges(ranges, escape, alphabet).branches for ranges, _ in language.edges(state))
            for state in range(len(language))
        )

    def _rule(self, text: Text, language: CharDfa, least: int, most: int | None) -> Rule:
        key = (text, language, least, most)
        rule = self._rules.get(key)
        if rule is None:
            rule = self._rules[key] = self._graph.rule()
            first, last = self._graph.literal(rule.start, text.quote), self._graph.node()
            if least == 0 and most is None:
                self._graph.embed(first, language, last, text.escape)
            else:
                _Counted(self._graph, language, text.escape).write(first, least, most, last)
            self._graph.literal(last, text.quote, rule.end)
        return rule


def writable(text: Text, bracketless: bool = False) -> CharDfa:
    """Every string that can be written so. bracketless: and does not look like an array or object as it begins."""
    language = CharDfa.any_string()
    if text.forbidden is not None:
        language = without(text.forbidden, text.overlap)
    if bracketless:
        language = language & BRACKETLESS
        if text.ending[:1] in (b"[", b"{"):  # Then the empty string looks like one, too.
            language = language - CharDfa.literals([""])
    return language


@remembered
def without(marker: str, ending: str) -> CharDfa:
    """Texts without `marker`, also where `ending` follows but for the end of that (Knuth, Morris and Pratt 1977)."""
    letters = sorted(set(marker))
    others = complement(union((ord(char), ord(char)) for char in letters))

    def after(progress: int, char: str) -> int:
        """Length of the longest beginning of the marker in which the text ends."""
        read = marker[:progress] + char
        return next(size for size in range(len(read), -1, -1) if read.endswith(marker[:size]))

    def moves(progress: int) -> list[Arc]:
        known = [(ord(char), ord(char), after(progress, char)) for char in letters]
        arcs = known + [(low, high, 0) for low, high in others]
        return sorted(arc for arc in arcs if arc[2] < len(marker))

    def accepts(progress: int) -> bool:
        for char in ending[:-1]:
            progress = after(progress, char)
            if progress == len(marker):
                return False
        return True

    return CharDfa(*minimise(*explore(0, moves, accepts, DEFAULT_LIMITS.product_states, "a closing marker")))


class _Counted:
    """Writes the texts of an endless language that have certain lengths. The states do not grow with these.

    The first character is not counted, it resets the count.
    """

    def __init__(self, graph: Graph, language: CharDfa, escape: bool) -> None:
        self._graph, self._language, self._escape = graph, language, escape

    def write(self, a: int, least: int, most: int | None, b: int) -> None:
        """`least` to `most` characters lead from a to b."""
        if least == 0:
            self._graph.epsilon(a, b)
        if most == 0:
            return
        least, most = max(least - 1, 0), None if most is None else most - 1
        after = [b] * len(self._language) if most is not None else self._stage(0, None, b)
        if most is not None and most > least:
            after = self._stage(most, after, b)
        if least > 0:
            after = self._stage(least, after, None)
        self._characters(a, 0, after, RESET, None)

    def _stage(self, limit: int, reached: list[int] | None, end: int | None) -> list[int]:
        """By state of the language, a node that reads on; `limit` characters lead to those of `reached` instead.

        end: where the text may end here.
        """
        nodes = [self._graph.node(limit) for _ in self._language.next]
        for state, node in enumerate(nodes):
            self._characters(node, state, nodes, limit, reached)
            if end is not None:
                self._graph.epsilon(node, end)
        return nodes

    def _characters(self, a: int, state: int, nodes: list[int], limit: int, reached: list[int] | None) -> None:
        for ranges, target in self._language.edges(state):
            full = None if reached is None else reached[target]
            self._graph.characters(a, ranges, nodes[target], self._escape, limit, full)
