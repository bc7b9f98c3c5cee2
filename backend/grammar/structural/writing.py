"""Composites -> graph."""

from collections.abc import Callable
from typing import Any

from backend.grammar import schema
from backend.grammar.automaton.graph import Graph, Rule
from backend.grammar.automaton.productive import productive
from backend.grammar.chars.parse import pattern
from backend.grammar.errors import GrammarError
from backend.grammar.limits import Limits
from backend.grammar.structural.control import marker_bytes, term_bytes
from backend.grammar.structural.dialects import dialect_of
from backend.grammar.structural.scan import write_scan
from backend.grammar.structural.terms import Composite


def build(composite: Composite, graph: Graph, *, open_objects: bool, limits: Limits) -> Rule:
    """Write the words of a composite into `graph`; their rule is returned. open_objects: see `schema.build`.

    Raises GrammarError, which names the place of the schema at fault, also where no value satisfies one of them.
    """
    rule = graph.rule()
    writer = _Writer(graph, rule.end, open_objects, limits)
    writer.write(composite, rule.start, rule.end)
    writer.check()
    return rule


class _Writer:
    def __init__(self, graph: Graph, end: int, open_objects: bool, limits: Limits) -> None:
        self._graph, self._end, self._open_objects, self._limits = graph, end, open_objects, limits
        self._values: list[tuple[Rule, str]] = []
        self._terms: dict[str, Callable[..., None]] = {
            "pattern": self._pattern, "value": self._value, "sequence": self._sequence, "choice": self._choice,
            "several": self._several, "scan": self._scan,
        }  # fmt: skip

    def write(self, composite: Composite, a: int, b: int) -> None:
        """A word of `composite` leads from a to b."""
        name, *parts = composite
        if name in ("text", "control"):
            self._graph.literal(a, term_bytes(composite), b)
        else:
            self._terms[name](a, b, *parts)

    def check(self) -> None:
        """Raises GrammarError for a schema that no value satisfies."""
        if not self._values:
            return
        alive = productive(self._graph)
        for rule, place in self._values:
            if not alive[rule.start]:
                raise GrammarError("no finite value satisfies the schema", place)

    def _pattern(self, a: int, b: int, regex: str) -> None:
        self._graph.embed(a, pattern(regex, search=False, limits=self._limits), b, escape=False)

    def _value(self, a: int, b: int, value: Any, place: str, dialect: list[Any]) -> None:
        try:
            rule = schema.build(
                value, self._graph, open_objects=self._open_objects, limits=self._limits, dialect=dialect_of(dialect)
            )
        except GrammarError as error:
            raise GrammarError(error.message, place + error.pointer) from error
        self._values.append((rule, place))
        self._graph.call(a, rule, b)

    def _sequence(self, a: int, b: int, *parts: Composite) -> None:
        for part in parts:
            after = self._graph.node()
            self.write(part, a, after)
            a = after
        self._graph.epsilon(a, b)

    def _choice(self, a: int, b: int, *parts: Composite) -> None:
        for part in parts:
            self.write(part, a, b)

    def _several(self, a: int, b: int, part: Composite, between: Composite) -> None:
        before, after = self._graph.node(), self._graph.node()
        self._graph.epsilon(a, before)
        self.write(part, before, after)
        self.write(between, after, before)
        self._graph.epsilon(after, b)

    def _scan(
        self, a: int, b: int, branches: list[Composite], opening: Composite | None, stops: bool, inside: bool
    ) -> None:
        again, stop = self._graph.node(), self._end if stops else None
        targets = {mark: node for one in branches for mark, node in self._branch(one, again, b).items()}
        write_scan(self._graph, again, targets, stop=stop, inside=inside)
        if opening is None:
            self._graph.epsilon(a, again)
        else:
            write_scan(self._graph, a, targets, self._branch(opening, again, b), stop, inside)

    def _branch(self, branch: Composite, again: int, b: int) -> dict[bytes, int]:
        """The node to which its markers lead."""
        markers, then, goes_on = branch
        found = self._graph.node()
        self.write(then, found, again if goes_on else b)
        return {marker_bytes(marker): found for marker in markers}
