"""An answer split into content, reasoning and calls while it arrives."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from handlers.formats.calls import CallParser
from handlers.formats.channels import ENDS, ChannelParser
from handlers.formats.plain import PlainParser
from handlers.formats.scanner import TextScanner
from handlers.formats.segments import Segment
from handlers.formats.syntax import Format
from handlers.formats.writer import SegmentWriter


class OutputParser:
    """Splits one answer. The segments together depend on its text alone, not on how that was cut; none of it is lost.

    tools: the functions that may be called, name to the JSON schema of their parameters; without any, there are no
    calls. opened: the prompt ended inside reasoning. split: reasoning is told apart, else it is content with its
    markers (in channels it is always told apart). new_id: the id of call 0, 1, ...

    What is no segment is structure. A call that is malformed, unfinished or of no tool is content, except where it was
    given before that could be known: then only what follows the fault is content.
    """

    def __init__(
        self,
        format: Format,
        tools: Mapping[str, Any],
        *,
        opened: bool = False,
        split: bool = True,
        new_id: Callable[[int], str],
    ) -> None:
        if not tools:
            format = replace(format, tools=())
        self._scanner = TextScanner()
        self._writer = SegmentWriter(self._scanner)
        calls = CallParser(self._scanner, self._writer, tools, new_id)
        channels = format.flow == "channels"
        self._answer = (ChannelParser if channels else PlainParser)(format, self._scanner, self._writer, calls)
        self._answer.split = split or channels
        closes = (ENDS if channels else (format.reasoning.close,)) if format.reasoning and opened else ()
        self._reading = self._answer.read(closes=closes)

    @property
    def reasoning_spans(self) -> list[tuple[int, int]]:
        """Offsets, in the text fed, of what stood between the markers of reasoning; one may not be closed yet."""
        return self._answer.reasoning_spans

    def feed(self, text: str) -> list[Segment]:
        """The segments that this text makes certain."""
        self._scanner.feed(text)
        next(self._reading)
        return self._writer.take()

    def finish(self) -> list[Segment]:
        """The rest, at the end of the answer; nothing may be fed after it."""
        self._scanner.ended = True
        next(self._reading, None)
        return self._writer.take()
