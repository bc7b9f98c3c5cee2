"""Answers that are a sequence of messages in channels, as gpt-oss writes them."""

import re

from handlers.formats.call_writer import Call
from handlers.formats.calls import CallParser
from handlers.formats.flow import FlowParser
from handlers.formats.scanner import Malformed, Reading, TextScanner
from handlers.formats.segments import Content
from handlers.formats.syntax import Format
from handlers.formats.writer import SegmentWriter

BEGINNINGS = ("<|start|>", "<|channel|>")
ENDS = ("<|end|>", "<|call|>", "<|return|>")
_WORD = re.compile(r"\w+")


class ChannelParser(FlowParser):
    """Parses messages in channels: analysis is reasoning, final and commentary are content.

    A message to a function is a call. Text that belongs to no such message is content as it stands, except for a header
    that the end of the text cuts.
    """

    def __init__(self, format: Format, scanner: TextScanner, writer: SegmentWriter, calls: CallParser) -> None:
        self._reasons = format.reasoning is not None
        super().__init__(scanner, writer, calls, first="<", hold_space=bool(format.tools), opening=True)

    def item(self) -> Reading[bool]:
        """Reads the message that begins here; if there is none, reads nothing and gives false."""
        return (yield from self.attempt(self._message))

    def _message(self) -> Reading[None]:
        start = self._scanner.pos
        try:
            channel, call = yield from self._header()
        except Malformed:
            if not self._scanner.starved or not self._scanner.slice(start, self._scanner.size).startswith(BEGINNINGS):
                raise
            self.keep_space(start)
            self._calls.drop_rest()
            self._last = "other"
            return
        if call:
            yield from self._call(call)
            return
        self.keep_space(start)
        if channel == "analysis":
            yield from self.reasoning(ENDS)
        else:
            yield from self.marked(Content, ENDS, strip=False)
            self._last = "other"

    def _header(self) -> Reading[tuple[str, Call | None]]:
        """The channel, and the call if it is addressed to a function. Raises Malformed if there is no such one."""
        call = None
        # The prompt ended with what begins the first message.
        if (yield from self._scanner.literal("<|start|>assistant")) or self._opening:
            call = yield from self._recipient()
        yield from self._scanner.expect("<|channel|>")
        channel = yield from self._scanner.run(_WORD)
        call = (yield from self._recipient()) or call
        yield from self._scanner.space()
        yield from self._scanner.literal("<|constrain|>")
        yield from self._scanner.run(_WORD)
        yield from self._scanner.space()
        yield from self._scanner.expect("<|message|>")
        known = ("final", "commentary", "analysis") if self._reasons else ("final", "commentary")
        if not call and channel not in known:
            raise Malformed
        return channel, call

    def _recipient(self) -> Reading[Call | None]:
        yield from self._scanner.space()
        if not (yield from self._scanner.literal("to=")):
            return None
        yield from self._scanner.literal("functions.")
        return (yield from self._calls.named())

    def _call(self, call: Call) -> Reading[None]:
        yield from self._scanner.space()
        yield from self._calls.arguments_of(call)
        end, self._last = self._scanner.pos, "other"
        yield from self._scanner.space()
        if (yield from self._scanner.next()) and not (yield from self._scanner.first(ENDS)):
            self._scanner.seek(end)
            raise Malformed
        self._writer.skip(self._scanner.pos)
