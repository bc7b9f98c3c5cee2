"""An answer split into content, reasoning and calls while it arrives."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from handlers.formats.calls import CallParser
from handlers.formats.channels import ENDS, ChannelParser
from handlers.formats.plain import PlainParser
from handlers.formats.scanner import TextScanner
from handlers.formats.segments import Content, Reasoning, Segment
from handlers.formats.syntax import Format
from handlers.formats.writer import SegmentWriter


class OutputParser:
    """Splits one answer into segments of content, reasoning and tool calls while it arrives.

    The segments together depend on the text alone, not on how it was cut; none of it is lost.

    tools: the functions that may be called, name to the JSON schema of their parameters; without any, there are no
    calls. names: of those that the text calls otherwise than the segments shall, the name there. opened: the prompt
    ended inside reasoning. split: reasoning is told apart, else it is content with its markers (in channels it is
    always told apart). enforced: a grammar has calls written in the format's own syntax, from their markers on;
    only_calls: and has nothing else written, reasoning aside. written: the answer's beginning, which the prompt has
    already: of it nothing is given but calls that it begins, and offsets are counted from its end. new_id: the id of
    call 0, 1, ...

    What is no segment is structure. A call that is malformed, unfinished or of no tool is content, except where it was
    given before that could be known: then only what follows the fault is content. An enforced call that the end of the
    text cuts is no content either.
    """

    def __init__(
        self,
        format: Format,
        tools: Mapping[str, Any],
        *,
        opened: bool = False,
        split: bool = True,
        enforced: bool = False,
        only_calls: bool = False,
        names: Mapping[str, str] = MappingProxyType({}),
        written: str = "",
        new_id: Callable[[int], str],
    ) -> None:
        if not tools:
            format = replace(format, tools=())
        self._scanner = TextScanner()
        self._writer = SegmentWriter(self._scanner)
        calls = CallParser(self._scanner, self._writer, tools, names, new_id)
        calls.enforced = format.tools[0] if enforced and format.tools else None
        self._calls, channels = calls, format.flow == "channels"
        self._answer = (ChannelParser if channels else PlainParser)(format, self._scanner, self._writer, calls)
        self._answer.split, self._answer.only_calls = split or channels, only_calls
        closes = (ENDS if channels else (format.reasoning.close,)) if format.reasoning and opened else ()
        self._reading = self._answer.read(closes=closes)
        self._written, self._begun = len(written), list[Segment]()
        if written:
            self._begun = self.feed(written)

    @property
    def reasoning_spans(self) -> list[tuple[int, int]]:
        """Start and end offsets, in the text fed, of all text between reasoning markers; the last may still grow."""
        spans = self._answer.reasoning_spans
        return [(max(0, start - self._written), end - self._written) for start, end in spans if end >= self._written]

    @property
    def reasoning_until(self) -> int:
        """Offset in the text fed behind all reasoning so far and the markers that closed it, 0 for none."""
        return max(0, self._answer.reasoning_until - self._written)

    @property
    def unfinished(self) -> bool:
        """Whether the text ended inside a call, or before all that must follow one; known once it is finished."""
        return self._calls.unfinished

    def feed(self, text: str) -> list[Segment]:
        """Takes more of the answer's text; gives the segments that are certain with it."""
        self._scanner.feed(text)
        next(self._reading)
        return self._take()

    def finish(self) -> list[Segment]:
        """Ends the answer; gives the segments of what was held back. Nothing may be fed after it."""
        self._scanner.ended = True
        next(self._reading, None)
        return self._take()

    def _take(self) -> list[Segment]:
        begun, self._begun = self._begun, []
        return [*begun, *filter(None, map(self._unwritten, self._writer.take()))]

    def _unwritten(self, segment: Segment) -> Segment | None:
        """A segment without what was written before, None where nothing is left; calls are given whole."""
        start, end = segment.start - self._written, segment.end - self._written
        if isinstance(segment, Content | Reasoning):
            if end <= 0:
                return None
            text = segment.text[max(0, -start) :]
            return type(segment)(max(0, start), end, text)
        return replace(segment, start=start, end=end)
