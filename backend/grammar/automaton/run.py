"""A compiled grammar run on the host, byte by byte: what the device must agree with."""

from dataclasses import dataclass, replace
from typing import Any

from backend.grammar.automaton.tables import (
    ARGUMENT,
    CLOSING,
    COMPACT,
    COUNT,
    DEAD,
    FLAT,
    FLAT_POP,
    INDENT,
    INDENTED,
    LOOSEN,
    NEXT,
    OPEN,
    POP,
    PUSH,
    RESET,
    RESETS,
    SEPARATE,
    SHIFT,
    WIDEST,
    AutomatonTables,
)


@dataclass(frozen=True)
class Configuration:
    """Where a string has led: the state, the frames on the stack (last on top), the registers.

    counts: for each frame the items that were counted before it. items: 0 where nothing that follows depends on them.
    """

    state: int
    stack: tuple[int, ...] = ()
    characters: int = 0
    layout: int = OPEN
    items: int = 0
    counts: tuple[int, ...] = ()


class Runner:
    """Runs strings of bytes. depth: frames that the stack may hold, None for any number."""

    def __init__(self, tables: AutomatonTables, depth: int | None = None) -> None:
        self._t, self._depth = tables, depth
        self.start = Configuration(tables.start, layout=tables.layout)

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
            return self._to(at, argument)
        if kind == PUSH:
            return self._push(at, argument)
        if kind == POP or (kind == FLAT_POP and at.layout < INDENTED):
            after = replace(at, stack=at.stack[:-1], items=at.counts[-1], counts=at.counts[:-1])
            return self._to(after, int(t.returns[at.stack[-1], argument]))
        if kind == RESET:
            return self._to(at, argument, characters=0)
        if kind == COUNT:
            limit, same, reached = t.counters[argument].tolist()
            characters = at.characters + 1
            return self._to(at, reached if characters == limit else same, characters=characters)
        if kind == SEPARATE:
            return self._separate(at, t.separators[argument].tolist())
        if kind == INDENT and at.layout >= INDENTED:
            return self._indent(at, t.indentations[argument].tolist())
        if kind == LOOSEN and at.layout < WIDEST:
            return self._to(at, argument, layout=at.layout + 1)
        return None

    def _push(self, at: Configuration, frame: int) -> Configuration | None:
        t = self._t
        if self._depth is not None and t.push_min_closing_depth[frame] > self._depth - len(at.stack):
            return None
        inside = replace(at, stack=(*at.stack, frame), counts=(*at.counts, at.items), items=0)
        start = t.frame_start[frame, (at.layout > OPEN) + (at.layout >= INDENTED)]
        return self._to(inside, int(start), layout=FLAT if at.layout == OPEN else at.layout)

    def _separate(self, at: Configuration, separator: list[int]) -> Configuration | None:
        limit, *states = separator
        items = at.items + (limit >= 0)
        state = states[max(0, min(at.layout, INDENTED) - COMPACT) + 4 * (items == limit)]
        return self._to(at, state, items=items, layout=COMPACT if at.layout == FLAT else at.layout)

    def _indent(self, at: Configuration, indentation: list[int]) -> Configuration | None:
        flags, same, reached = indentation
        characters = 0 if flags & RESETS else at.characters + 1
        width = (at.layout - INDENTED) * (len(at.stack) - bool(flags & CLOSING))
        return self._to(at, reached if characters == width else same, characters=characters)

    def _to(self, at: Configuration, state: int, **registers: Any) -> Configuration | None:
        if state == DEAD:
            return None
        after = replace(at, state=state, **registers)
        return after if self._t.watches[state] or not after.items else replace(after, items=0)
