"""One call while it is read, and what is written of it."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from handlers.formats.scanner import Malformed
from handlers.formats.segments import CallArguments, CallStart, Content, Segment
from handlers.formats.writer import SegmentWriter


@dataclass
class Call:
    """What has been read of one call.

    arguments: their JSON text, "" if they were passed on as they came. name_at, arguments_at: where they stood.
    begun: it was given to the client.
    """

    name: str = ""
    name_at: tuple[int, int] = (0, 0)
    arguments: str | None = None
    arguments_at: tuple[int, int] = (0, 0)
    begun: bool = False


class CallWriter:
    """Calls as segments. tools: the names that a call may have. count: calls begun."""

    def __init__(self, writer: SegmentWriter, tools: list[str], new_id: Callable[[int], str]) -> None:
        self.count = 0
        self.tools = frozenset(tools)
        self._writer, self._new_id = writer, new_id

    def name(self, call: Call, name: str, start: int, end: int) -> None:
        """Raises Malformed where there is no such tool, or the call has a name already."""
        if call.name or name not in self.tools:
            raise Malformed
        call.name, call.name_at = name, (start, end)

    def begin(self, call: Call, start: int) -> None:
        """Gives the call, whose arguments begin at `start`; fragments of them follow."""
        call.arguments_at = (start, start)
        self._start(call)
        self._writer.skip(start)
        self._writer.become(partial(_fragment, self.count - 1))

    def fragment(self, until: int) -> None:
        """What has not been given before `until` is part of the arguments."""
        self._writer.text(until)

    def end_fragments(self) -> None:
        self._writer.become(Content)

    def finish(self, call: Call, end: int) -> None:
        """The call is complete, and ends at `end`."""
        if not call.begun:
            self._start(call)
            self._writer.add(CallArguments(*call.arguments_at, self.count - 1, call.arguments or "{}"))
        self.structure(end)

    def structure(self, until: int) -> None:
        self._writer.skip(until)

    def _start(self, call: Call) -> None:
        start, end = call.name_at
        if call.arguments_at[0] < end:  # the arguments stood before the name, and segments keep the order of the text
            start = end = call.arguments_at[0]
        self._writer.add(CallStart(start, end, self.count, self._new_id(self.count), call.name))
        self.count, call.begun = self.count + 1, True


def _fragment(index: int, start: int, end: int, text: str) -> Segment:
    return CallArguments(start, end, index, text)
