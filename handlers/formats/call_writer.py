"""One call while it is read, and what is written of it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from handlers.formats.scanner import Malformed
from handlers.formats.segments import CallArguments, CallStart, Content, Segment
from handlers.formats.writer import SegmentWriter


@dataclass
class Call:
    """What has been read of one tool call.

    name: of the function, "" until it is known. arguments: their JSON text, "" if they were passed on as they came,
    None until they are known. name_at, arguments_at: start and end offsets of both in the text. begun: its CallStart
    was given.
    """

    name: str = ""
    name_at: tuple[int, int] = (0, 0)
    arguments: str | None = None
    arguments_at: tuple[int, int] = (0, 0)
    begun: bool = False


class CallWriter:
    """Writes tool calls as segments.

    tools: the names that a call may have in the text, each with the name that it is given under. new_id: the id of call
    0, 1, ... count: how many calls were begun.
    """

    def __init__(self, writer: SegmentWriter, tools: Mapping[str, str], new_id: Callable[[int], str]) -> None:
        self.count = 0
        self.tools = tools
        self._writer, self._new_id = writer, new_id

    def name(self, call: Call, name: str, start: int, end: int) -> None:
        """Gives the call its name, read at offsets `start` to `end`.

        Raises Malformed where there is no such tool, or the call has a name already.
        """
        if call.name or name not in self.tools:
            raise Malformed
        call.name, call.name_at = name, (start, end)

    def begin(self, call: Call, start: int) -> None:
        """Gives the CallStart of a call whose arguments begin at offset `start`; fragments of them follow."""
        call.arguments_at = (start, start)
        self._start(call)
        self._writer.skip(start)
        self._writer.become(partial(_fragment, self.count - 1))

    def fragment(self, until: int) -> None:
        """Text up to offset `until` that was not settled is part of the arguments of the call that was begun last."""
        self._writer.text(until)

    def end_fragments(self) -> None:
        """The arguments that were begun are complete, or broken; text that follows is content again."""
        self._writer.become(Content)

    def finish(self, call: Call, end: int) -> None:
        """The call is complete and ends at offset `end`; gives its start and arguments if these were not passed on."""
        if not call.begun:
            self._start(call)
            self._writer.add(CallArguments(*call.arguments_at, self.count - 1, call.arguments or "{}"))
        self.structure(end)

    def structure(self, until: int) -> None:
        """Text up to offset `until` that was not settled is structure, part of no segment."""
        self._writer.skip(until)

    def _start(self, call: Call) -> None:
        start, end = call.name_at
        if call.arguments_at[0] < end:  # the arguments stood before the name, and segments keep the order of the text
            start = end = call.arguments_at[0]
        self._writer.add(CallStart(start, end, self.count, self._new_id(self.count), self.tools[call.name]))
        self.count, call.begun = self.count + 1, True


def _fragment(index: int, start: int, end: int, text: str) -> Segment:
    return CallArguments(start, end, index, text)
