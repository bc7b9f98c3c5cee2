"""Text that arrives piece by piece, scanned as if it were all there: a read that needs more suspends its parser."""

import re
from collections.abc import Callable, Generator
from typing import TypeVar

_T = TypeVar("_T")
Reading = Generator[None, None, _T]
"""A parser as a generator: suspended while it waits for text; its value is what it read."""

_SPACE = re.compile(r"\s*")


class Malformed(Exception):
    """Text that is not what the syntax asks for. The scanner stands at the fault."""


class TextScanner:
    """A position in text of which more may come. Positions are offsets in all the text that was fed.

    pos: what is read next. size: how much was fed. ended: nothing more will arrive. starved: a read wanted more then,
    since the last `retry`.
    What is decided here depends on the characters alone, never on how they were cut into pieces, and takes time in
    proportion to what is read. Only `seek` and `slice` copy what came with earlier pieces.
    """

    def __init__(self) -> None:
        self.size, self.ended, self.starved = 0, False, False
        self._window, self._offset, self._at = "", 0, 0  # what came last, where it begins, what is next in it
        self._earlier: list[str] = []
        self._earlier_offset = self._needed = 0

    @property
    def pos(self) -> int:
        """Offset of the next character to be read, in all the text that was fed."""
        return self._offset + self._at

    def feed(self, text: str) -> None:
        """Adds text behind what was fed before."""
        drop = 0
        if self._needed >= self._offset:
            drop = self._needed - self._offset
            self._earlier_offset = self._needed
        if drop < self._at:
            self._earlier.append(self._window[drop : self._at])
        self._offset += self._at
        self._window, self._at = self._window[self._at :] + text, 0
        self.size += len(text)

    def forget(self, until: int) -> None:
        """Frees the text before offset `until`, which has been read and is neither sought nor sliced again."""
        self._needed = until
        if until >= self._offset:
            self._earlier.clear()

    def seek(self, pos: int) -> None:
        """Continues at offset `pos`: back within what is not forgotten, or on within what has arrived."""
        if pos < self._offset:
            self._join()
        self._at = pos - self._offset

    def retry(self, pos: int) -> None:
        """Goes back to offset `pos`, to read in another way what was malformed in one; resets `starved`."""
        self.seek(pos)
        self.starved = False

    def skip(self, count: int = 1) -> None:
        """Reads `count` characters, which must have arrived."""
        self._at += count

    def slice(self, start: int, end: int) -> str:
        """The text between two offsets, which has arrived and is not forgotten; nothing is read."""
        if start < self._offset:
            self._join()
        return self._window[start - self._offset : end - self._offset]

    def more(self) -> Reading[bool]:
        """Waits until more text has arrived; false where the text has ended."""
        size = self.size
        while self.size == size and not self.ended:
            yield
        self.starved = self.size == size
        return not self.starved

    def next(self) -> Reading[str]:
        """The next character, which stays unread; "" where the text has ended."""
        while self._at == len(self._window):
            if not (yield from self.more()):
                return ""
        return self._window[self._at]

    def literal(self, literal: str) -> Reading[bool]:
        """Reads `literal` and gives true, or reads nothing and gives false if other text comes."""
        while len(self._window) - self._at < len(literal):
            if not literal.startswith(self._window[self._at :]) or not (yield from self.more()):
                return False
        if not self._window.startswith(literal, self._at):
            return False
        self._at += len(literal)
        return True

    def expect(self, literal: str) -> Reading[None]:
        """Reads `literal`. Raises Malformed if other text comes."""
        if not (yield from self.literal(literal)):
            raise Malformed

    def first(self, literals: tuple[str, ...]) -> Reading[str | None]:
        """Reads the first of `literals` that comes next and gives it; reads nothing and gives None if none does."""
        for literal in literals:
            if (yield from self.literal(literal)):
                return literal
        return None

    def skim(self, pattern: re.Pattern[str]) -> bool:
        """Reads what matches `pattern` in the text that has arrived, without waiting; false if nothing does."""
        match = pattern.match(self._window, self._at)
        self._at = match.end() if match else self._at
        return match is not None

    def run(self, pattern: re.Pattern[str]) -> Reading[str]:
        """Reads and gives the longest text that `pattern`, one repeated character class, matches; waits for its end."""
        parts = []
        while True:
            match = pattern.match(self._window, self._at)
            if match:
                parts.append(match[0])
                self._at = match.end()
            if self._at < len(self._window) or not (yield from self.more()):
                return "".join(parts)

    def space(self) -> Reading[str]:
        """Reads and gives white space, as much as comes."""
        return (yield from self.run(_SPACE))

    def until(self, marker: str) -> Reading[str]:
        """Reads up to and with `marker`, and gives the text before it. Raises Malformed where it never comes."""
        parts = []
        while (found := self._window.find(marker, self._at)) < 0:
            found = max(self._at, len(self._window) - len(marker) + 1)
            parts.append(self._window[self._at : found])
            self._at = found
            if not (yield from self.more()):
                self._at = len(self._window)
                raise Malformed
        parts.append(self._window[self._at : found])
        self._at = found + len(marker)
        return "".join(parts)

    def through(self, take: Callable[[str, int], int]) -> str:
        """Reads and gives text that has arrived, up to the index that `take(text, index of what is next)` returns."""
        start, self._at = self._at, take(self._window, self._at)
        return self._window[start : self._at]

    def _join(self) -> None:
        self._window = "".join([*self._earlier, self._window])
        self._at += self._offset - self._earlier_offset
        self._offset = self._earlier_offset
        self._earlier.clear()
