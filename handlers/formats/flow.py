"""The parsing of one answer: what all flows have in common."""

import re
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Literal

from handlers.formats.calls import CallParser
from handlers.formats.scanner import Malformed, Reading, TextScanner
from handlers.formats.segments import Content, Reasoning
from handlers.formats.writer import SegmentFactory, SegmentWriter


class FlowParser(ABC):
    """Parses one answer: reads text from a scanner, and gives content, reasoning and calls to a writer.

    A subclass knows what there may be in it besides content: its items.

    first: the characters with which an item may begin anywhere. hold_space: white space before one is structure.
    opening: other items, or white space that is structure, may open the answer. split: reasoning is told apart, else it
    is content with its markers. only_calls: outside reasoning the answer is calls and nothing else, so that what is
    none is one that was cut.
    """

    split = True
    only_calls = False

    def __init__(
        self,
        scanner: TextScanner,
        writer: SegmentWriter,
        calls: CallParser,
        *,
        first: str,
        hold_space: bool,
        opening: bool,
    ) -> None:
        self._scanner, self._writer, self._calls = scanner, writer, calls
        self._plain = _run_without(first, space=hold_space)
        self._opening = opening  # still: nothing but white space and reasoning so far
        self._last: Literal["content", "reasoning", "other"] = "content"
        self._spans: list[tuple[int, int]] = []
        self._reasoning_from: int | None = None
        self._reasoning_until = 0

    @property
    def reasoning_until(self) -> int:
        """Offset behind all reasoning so far and the markers that closed it, 0 for none."""
        return self._reasoning_until if self._reasoning_from is None else self._scanner.size

    @property
    def reasoning_spans(self) -> list[tuple[int, int]]:
        """Start and end offsets of the reasoning read so far; the last may not be closed yet."""
        now = [] if self._reasoning_from is None else [(self._reasoning_from, self._scanner.size)]
        return [*self._spans, *now]

    @abstractmethod
    def item(self) -> Reading[bool]:
        """Reads the reasoning or the calls that begin here; if there are none, reads nothing and gives false."""

    def read(self, *, closes: tuple[str, ...]) -> Reading[None]:
        """Reads the answer to its end.

        closes: the markers that end the reasoning in which the answer begins, () if it does not begin in reasoning.
        """
        if closes:
            yield from self.reasoning(closes)
        while (yield from self._scanner.next()):
            if self._last == "content" and not self._opening and self._scanner.skim(self._plain):
                self._settle(self._scanner.pos)
                continue
            yield from self._scanner.space()
            if (yield from self._scanner.next()) and not (yield from self.item()):
                self._content(self._scanner.pos + 1)
        if self._last == "content":
            self._settle(self._scanner.size)

    def reasoning(self, closes: tuple[str, ...]) -> Reading[None]:
        """Reads reasoning, from behind its opening marker to behind the first of the markers `closes`."""
        self._reasoning_from = start = self._scanner.pos
        if self.split:
            end = yield from self.marked(Reasoning, closes, strip=True)
        else:
            end = yield from self.marked(Content, closes, strip=False, keep=True)
        self._spans.append((start, end))
        self._reasoning_from, self._last = None, "reasoning" if self.split else "content"
        self._reasoning_until = self._scanner.pos

    def marked(self, make: SegmentFactory, closes: tuple[str, ...], *, strip: bool, keep: bool = False) -> Reading[int]:
        """Reads text up to and with the first of the markers `closes`, or to the end; gives the offset where it ended.

        make: the kind of segment that the text is. What was read before is structure, and so are the markers, unless
        `keep`. strip: white space next to the markers is structure too.
        """
        settle = self._writer.text if keep else self._writer.skip
        plain = _run_without("".join(close[0] for close in closes), space=strip)
        self._writer.become(make)
        if strip:
            yield from self._scanner.space()
        settle(self._scanner.pos)
        end = self._scanner.pos
        while (yield from self._scanner.next()):
            if not self._scanner.skim(plain):
                if strip:
                    yield from self._scanner.space()
                end = self._scanner.pos
                if (yield from self._scanner.first(closes)):
                    break
                self._scanner.skip(min(1, self._scanner.size - end))
            end = self._scanner.pos
            self._writer.text(end)
        self._writer.become(Content)
        settle(self._scanner.pos)
        return end

    def attempt(self, *readings: Callable[[], Reading[None]]) -> Reading[bool]:
        """Runs `readings` from here until one does not raise Malformed. If all do, the text that they read is content.

        False: nothing was read.
        """
        start = fault = self._scanner.pos
        for reading in readings:
            count = self._calls.count
            try:
                yield from reading()
            except Malformed:
                if self._calls.count == count:
                    fault = max(fault, self._scanner.pos)
                    self._scanner.retry(start)
                    continue
                self._drop_rest_of_call()
            self._opening = False
            return True
        read = self._scanner.slice(start, fault).rstrip()  # the space is before whatever comes now
        if read:
            self._content(start + len(read))
        return read != ""

    def keep_space(self, until: int) -> None:
        """White space before offset `until` stays content if it follows content, though no content comes now."""
        if self._last == "content" and not self._opening:
            self._settle(until)

    def _drop_rest_of_call(self) -> None:
        """Of a call that was given and is broken: what could be read of it, all if the text ended inside it."""
        if self._scanner.starved:
            self._calls.drop_rest()
        self._writer.skip(self._scanner.pos)
        self._last = "other"

    def _settle(self, until: int) -> None:
        """What is not settled before offset `until` is content, or a part of a call that was cut."""
        if self.only_calls:
            self._calls.unfinished |= self._scanner.slice(self._writer.settled, until).strip() != ""
            self._writer.skip(until)
        else:
            self._writer.text(until)

    def _content(self, until: int) -> None:
        if self._last == "reasoning":
            self._writer.skip(self._scanner.pos)
        self._scanner.seek(until)
        self._settle(until)
        self._opening, self._last = False, "content"


def _run_without(characters: str, *, space: bool) -> re.Pattern[str]:
    excluded = re.escape(characters) + (r"\s" if space else "")
    return re.compile(f"[^{excluded}]+" if excluded else ".+", re.DOTALL)
