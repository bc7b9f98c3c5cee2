"""Strings -> graph where a marker may not occur in them: raw ones, which it ends, and JSON strings among such."""

from collections.abc import Callable

from backend.grammar.automaton.graph import Graph, Rule
from backend.grammar.chars.dfa import CharDfa
from backend.grammar.chars.explore import explore
from backend.grammar.chars.memory import remembered
from backend.grammar.chars.minimise import Arc, minimise
from backend.grammar.chars.parse import pattern
from backend.grammar.chars.ranges import complement, union
from backend.grammar.limits import DEFAULT_LIMITS
from backend.grammar.schema.shapes.strings import StringShape
from backend.grammar.schema.writing.dialects import Text

TextWriter = Callable[[int, Text, int], None]
"""Makes the inside of a string, as `Text` has it, lead from a node to another: those of a language that are there."""
BRACKETLESS = ~pattern(r"^[\[{]")
"""Texts that do not begin with an opening bracket."""


class Texts:
    """Writes strings into `graph`, equal sets of them once."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._rules: dict[tuple[Text, CharDfa, int, int | None], Rule] = {}
        self._given: dict[tuple[str, Text], Rule] = {}

    def write(self, a: int, shape: StringShape, text: Text, bracketless: bool, b: int) -> None:
        """A string of `shape` leads from a to b. Raises GrammarError where it needs too many states."""
        language, least, most = writable(text, bracketless), 0, None
        if shape.values is not None:
            language = language & CharDfa.literals(shape.values)
        else:
            language = language if shape.language is None else language & shape.language
            least, most = shape.idle_left_out()
        self._graph.call(a, self._rule(text, language, least, most), b)

    def write_given(self, a: int, name: str, writer: TextWriter, text: Text, b: int) -> None:
        """A string of what `writer` writes, for the property `name`, leads from a to b. Raises what that raises."""
        rule = self._given.get((name, text))
        if rule is None:
            rule = self._given[name, text] = self._graph.rule()
            first, last = self._graph.literal(rule.start, text.quote), self._graph.node()
            writer(first, text, last)
            self._graph.literal(last, text.quote, rule.end)
        self._graph.call(a, rule, b)

    def _rule(self, text: Text, language: CharDfa, least: int, most: int | None) -> Rule:
        key = (text, language, least, most)
        rule = self._rules.get(key)
        if rule is None:
            rule = self._rules[key] = self._graph.rule()
            first, last = self._graph.literal(rule.start, text.quote), self._graph.node()
            self._graph.embed(first, language, last, text.escape, least, most)
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
