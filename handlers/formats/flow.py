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
    """Parses answers of one flow, see `Format`: gives a scanner's text to a writer.

    A subclass knows what there may be in it besides content: its items.

    first: the characters with which an item may begin anywhere. hold_space: white space before one is structure.
    opening: other items, or white space that is structure, may open the answer. split: reasoning is told apart, else it
    is content with its markers.
    """

    split = True

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

    @property
    def reasoning_spans(self) -> list[tuple[int, int]]:
        now = [] if self._reasoning_from is None else [(self._reasoning_from, self._scanner.size)]
        return [*self._spans, *now]

    @abstractmethod
    def item(self) -> Reading[bool]:
        """Reads the item that begins here; if there is none, reads nothing and gives false."""

    def read(self, *, closes: tuple[str, ...]) -> Reading[None]:
        """Reads the answer to its end. closes: what ends the reasoning in which it begins, nothing if it does not."""
        if closes:
            yield from self.reasoning(closes)
        while (yield from self._scanner.next()):
            if self._last == "content" and not self._opening and self._scanner.skim(self._plain):
                self._writer.text(self._scanner.pos)
                continue
            yield from self._scanner.space()
            if (yield from self._scanner.next()) and not (yield from self.item()):
                self._content(self._scanner.pos + 1)
        if self._last == "content":
            self._writer.text(self._scanner.size)

    def reasoning(self, closes: tuple[str, ...]) -> Reading[None]:
        """Reads reasoning, from behind what opens it to behind what closes it."""
        self._reasoning_from = start = self._scanner.pos
        if self.split:
            end = yield from self.marked(Reasoning, closes, strip=True)
        else:
            end = yield from self.marked(Content, closes, strip=False, keep=True)
        self._spans.append((start, end))
        self._reasoning_from, self._last = None, "reasoning" if self.split else "content"

    def marked(self, make: SegmentFactory, closes: tuple[str, ...], *, strip: bool, keep: bool = False) -> Reading[int]:
        """Reads text of one kind, to behind what closes it or to the end of all; gives where the text ended.

        What was read before is structure, and so are the markers, unless `keep`. strip: so is white space next to them.
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
        """Does the first of these that is not malformed. If all are, the text that they read is content."""
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
        """White space before `until` stays content if content came before it, though an item comes now."""
        if self._last == "content" and not self._opening:
            self._writer.text(until)

    def _drop_rest_of_call(self) -> None:
        """Of a call that was given and is broken: what could be read of it, all if the text ended inside it."""
        self._scanner.seek(self._scanner.size if self._scanner.starved else self._scanner.pos)
        self._writer.skip(self._scanner.pos)
        self._last = "other"

    def _content(self, until: int) -> None:
        if self._last == "reasoning":
            self._writer.skip(self._scanner.pos)
        self._scanner.seek(until)
        self._writer.text(until)
        self._opening, self._last = False, "content"


def _run_without(characters: str, *, space: bool) -> re.Pattern[str]:
    excluded = re.escape(characters) + (r"\s" if space else "")
    return re.compile(f"[^{excluded}]+" if excluded else ".+", re.DOTALL)
