"""What look-arounds say, by deterministic automata that run beside the one that is made of a pattern."""

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from backend.grammar.chars.dfa import CharDfa
from backend.grammar.chars.nfa import AT_START, Nfa
from backend.grammar.chars.ranges import Ranges
from backend.grammar.chars.syntax import Alternation, Look, Node, Repeat, Sequence

Place = tuple[int, int]
"""An automaton and its state, -1 where it has refused."""
Obligations = frozenset[Place]
"""What the rest of the text must be: from every place on a text of its automaton."""


class Context(NamedTuple):
    """What is known of the text so far: whether it is empty, and where the automata of the look-behinds are."""

    at_start: bool
    trackers: tuple[Place, ...] = ()


ANYWHERE = Context(False)
Build = Callable[[Nfa, "Lookarounds", Context], CharDfa]
"""Makes an NFA deterministic, for texts that go on behind a context."""


class Lookarounds:
    """The look-arounds of the syntax tree `node`. start: the context before the first character."""

    def __init__(self, node: Node, build: Build) -> None:
        self._build = build
        self._automata: list[CharDfa] = []
        self._trackers: dict[Node, int] = {}
        self._obligations: dict[tuple[Look, Context], Obligations | None] = {}
        self._sets: dict[Place, list[Ranges]] = {}
        self.start = Context(True)
        for look in _looks(node):
            if not look.ahead and look.part not in self._trackers:
                self._track(look.part)

    def _track(self, part: Node) -> None:
        language = self._build(Nfa(part, before=True, after=False), self, self.start)
        self._trackers[part] = len(self._trackers)
        self.start = Context(True, (*self.start.trackers, (self._add(language), 0)))

    def _add(self, language: CharDfa) -> int:
        self._automata.append(language)
        return len(self._automata) - 1

    def advanced(self, context: Context, code: int) -> Context:
        """The context after one more character."""
        if not context.trackers:
            return ANYWHERE
        return Context(False, tuple((at, self._automata[at].step(state, code)) for at, state in context.trackers))

    def holds_before(self, look: Look, context: Context) -> bool:
        """Whether a look-behind holds after a text."""
        at, state = context.trackers[self._trackers[look.part]]
        return (state >= 0 and self._automata[at].accept[state]) != look.negated

    def obligation(self, look: Look, context: Context) -> Obligations | None:
        """What a look-ahead says of the rest of the text; None where it cannot hold."""
        if not _looks_back(look.part):
            context = ANYWHERE
        key = (look, context)
        if key not in self._obligations:
            language = self._build(Nfa(look.part, before=False, after=True), self, context)
            self._obligations[key] = self._owed([(self._add(~language if look.negated else language), 0)])
        return self._obligations[key]

    def after(self, obligations: Obligations, code: int) -> Obligations | None:
        """The obligations after one more character; None where it breaks one."""
        return self._owed((at, self._automata[at].step(state, code)) for at, state in obligations)

    def _owed(self, places: Iterable[Place]) -> Obligations | None:
        owed = set()
        for at, state in places:
            language = self._automata[at]
            if state < 0 or (language.is_empty and state == 0):
                return None
            if not language.is_free(state):
                owed.add((at, state))
        return frozenset(owed)

    def fulfilled(self, obligations: Obligations) -> bool:
        """Whether the text may end here."""
        return all(self._automata[at].accept[state] for at, state in obligations)

    def told_apart(self, places: Iterable[Place]) -> Iterator[Ranges]:
        """Sets of characters: two that are in the same ones lead from `places` to the same places."""
        for place in places:
            if place not in self._sets:
                at, state = place
                self._sets[place] = [ranges for ranges, _ in self._automata[at].edges(state)] if state >= 0 else []
            yield from self._sets[place]


def _parts(node: Node) -> tuple[Node, ...]:
    match node:
        case Sequence(parts) | Alternation(parts):
            return parts
        case Repeat(part) | Look(part):
            return (part,)
        case _:
            return ()


def _looks(node: Node) -> Iterator[Look]:
    """Every look-around in `node`, inner ones first."""
    for part in _parts(node):
        yield from _looks(part)
    if isinstance(node, Look):
        yield node


def _looks_back(node: Node) -> bool:
    """Whether the text before makes a difference to `node`."""
    if node == AT_START or (isinstance(node, Look) and not node.ahead):
        return True
    return any(map(_looks_back, _parts(node)))
