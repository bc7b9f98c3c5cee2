"""A compiled grammar run on the host, byte by byte: what the device must agree with."""

from dataclasses import dataclass

from backend.grammar.automaton.tables import ARGUMENT, COUNT, DEAD, NEXT, POP, PUSH, RESET, SHIFT, AutomatonTables


@dataclass(frozen=True)
class Configuration:
    """Where a string has led: the state, the frames on the stack (last on top), the count of characters."""

    state: int
    stack: tuple[int, ...] = ()
    characters: int = 0


class Runner:
    """Runs strings of bytes. depth: frames that the stack may hold, None for any number."""

    def __init__(self, tables: AutomatonTables, depth: int | None = None) -> None:
        self._t, self._depth = tables, depth
        self.start = Configuration(tables.start)

    def step(self, at: Configuration, byte: int) -> Configuration | None:
        """After one byte; None where no string of the language goes on with it."""
        after = self._move(at, int(self._t.transitions[at.state, self._t.classes[byte]]))
        if (
            after is None
            or self._depth is None
            or self._t.min_closing_depth[after.state] <= self._depth - len(after.stack)
        ):
            return after
        return None

    def run(self, string: bytes, at: Configuration | None = None) -> Configuration | None:
        """After all bytes of `string`; None where no string of the language begins like this."""
        here = at or self.start
        for byte in string:
            after = self.step(here, byte)
            if after is None:
                return None
            here = after
        return here

    def complete(self, at: Configuration) -> bool:
        """Whether the string that led to `at` belongs to the language."""
        return not at.stack and bool(self._t.accepting[at.state])

    def accepts(self, string: bytes) -> bool:
        """Whether `string` belongs to the language."""
        at = self.run(string)
        return at is not None and self.complete(at)

    def _move(self, at: Configuration, code: int) -> Configuration | None:
        if code == DEAD:
            return None
        t, kind, argument = self._t, code >> SHIFT, code & ARGUMENT
        if kind == NEXT:
            return Configuration(argument, at.stack, at.characters)
        if kind == PUSH:
            if self._depth is not None and t.push_min_closing_depth[argument] > self._depth - len(at.stack):
                return None
            return Configuration(int(t.frame_start[argument]), (*at.stack, argument), at.characters)
        if kind == POP:
            after = int(t.returns[at.stack[-1], argument])
            return None if after == DEAD else Configuration(after, at.stack[:-1], at.characters)
        if kind == RESET:
            return Configuration(argument, at.stack, 0)
        assert kind == COUNT
        limit, same, reached = t.counters[argument].tolist()
        characters = at.characters + 1
        return Configuration(reached if characters == limit else same, at.stack, characters)
