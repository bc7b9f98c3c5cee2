"""Nondeterministic automata of syntax trees, with silent moves that assertions may guard."""

from backend.grammar.chars.ranges import SCALARS, Ranges
from backend.grammar.chars.syntax import Alternation, Anchor, Chars, Look, Node, Repeat, Sequence

Guard = Anchor | Look | None
AT_START, AT_END = Anchor(True), Anchor(False)


class Nfa:
    """The strings of a syntax tree lead from `start` to `final`; any text may come before if `before`, and after them
    if `after`.

    reads: by state (set of characters, target). silent: by state (target, what must hold there). rest: a state that
    reads any text.
    """

    def __init__(self, node: Node, before: bool, after: bool) -> None:
        self.reads: list[list[tuple[Ranges, int]]] = []
        self.silent: list[list[tuple[int, Guard]]] = []
        self.after = after
        self.start, entry, self.final, self.rest = self.state(), self.state(), self.state(), self.state()
        self.silent[self.start].append((entry, None))
        self.reads[self.rest].append((SCALARS, self.rest))
        if before:
            self.reads[self.start].append((SCALARS, self.start))
        self.add(node, entry, self.final)

    def state(self) -> int:
        self.reads.append([])
        self.silent.append([])
        return len(self.reads) - 1

    def add(self, node: Node, a: int, b: int) -> None:
        """Makes every string of `node` lead from a to b; no move into a, and none out of b, is added."""
        match node:
            case Chars(ranges):
                if ranges:
                    self.reads[a].append((ranges, b))
            case Anchor() | Look():
                self.silent[a].append((b, node))
            case Alternation(parts):
                for part in parts:
                    self.add(part, a, b)
            case Sequence(parts):
                self.chain(parts, a, b)
            case Repeat(part, low, None):
                loop = self.state()
                self.chain((part,) * low, a, loop)
                self.add(part, loop, loop)
                self.silent[loop].append((b, None))
            case Repeat(part, low, int(high)):
                self.optional(part, high - low, self.chain((part,) * low, a), b)

    def chain(self, parts: tuple[Node, ...], a: int, b: int | None = None) -> int:
        """The parts one after another from a; the last one leads to b where it is given, else to the state returned."""
        for part in parts:
            after = self.state()
            self.add(part, a, after)
            a = after
        if b is None:
            return a
        self.silent[a].append((b, None))
        return b

    def optional(self, part: Node, times: int, a: int, b: int) -> None:
        """Up to `times` strings of `part` from a to b."""
        for _ in range(times):
            self.silent[a].append((b, None))
            after = self.state()
            self.add(part, a, after)
            a = after
        self.silent[a].append((b, None))

    def useful(self) -> set[int]:
        """States that read a character after which the end can still be reached."""
        sources: list[list[int]] = [[] for _ in self.reads]
        for state, (reads, silent) in enumerate(zip(self.reads, self.silent, strict=True)):
            for _, target in reads:
                sources[target].append(state)
            for target, guard in silent:
                if guard != AT_START:
                    sources[target].append(state)
        reaching, pending = {self.final}, [self.final]
        while pending:
            for source in sources[pending.pop()]:
                if source not in reaching:
                    reaching.add(source)
                    pending.append(source)
        return {state for state, reads in enumerate(self.reads) if any(target in reaching for _, target in reads)}
