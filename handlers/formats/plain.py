"""Answers that are plain text with reasoning and calls between markers."""

from functools import partial

from handlers.formats.calls import CallParser
from handlers.formats.flow import FlowParser
from handlers.formats.scanner import Reading, TextScanner
from handlers.formats.syntax import CallSyntax, Format, Part
from handlers.formats.writer import SegmentWriter


class PlainParser(FlowParser):
    """Parses answers that are text, with reasoning and tool calls between the markers of `format`."""

    def __init__(self, format: Format, scanner: TextScanner, writer: SegmentWriter, calls: CallParser) -> None:
        marked = [(syntax, begin) for syntax in format.tools for begin in _marked_entries(syntax)]
        bare = [(syntax, bool(syntax.begin)) for syntax in format.tools if syntax.bare]
        self._anywhere, self._at_opening = marked, bare + marked
        self._reasoning = format.reasoning
        first = {marker[0] for syntax, _ in marked for marker in syntax.markers}
        if format.reasoning and format.reasoning.anywhere:
            first.add(format.reasoning.open[0])
        super().__init__(
            scanner, writer, calls,
            first="".join(sorted(first)), hold_space=bool(marked), opening=bool(bare or format.reasoning),
        )  # fmt: skip

    def item(self) -> Reading[bool]:
        """Reads the reasoning or the calls that begin here; if there are none, reads nothing and gives false."""
        start, reasoning = self._scanner.pos, self._reasoning
        may_reason = reasoning and (reasoning.anywhere or (self._opening and not self._spans))
        if reasoning and may_reason and (yield from self._scanner.literal(reasoning.open)):
            self.keep_space(start)
            yield from self.reasoning((reasoning.close,))
            return True
        entries = self._at_opening if self._opening else self._anywhere
        return (yield from self.attempt(*(partial(self._read_calls, *entry) for entry in entries)))

    def _read_calls(self, syntax: CallSyntax, begin: bool) -> Reading[None]:
        yield from self._calls.calls(syntax, begin=begin)
        self._last = "other"


def _marked_entries(syntax: CallSyntax) -> list[bool]:
    """Where a marker leads into this syntax: its beginning (True), a call (False)."""
    entries = [True, False] if syntax.begin else [False]
    return [begin for begin in entries if _first(syntax, begin) in syntax.markers]


def _first(syntax: CallSyntax, begin: bool) -> Part:
    """What stands first where it is entered."""
    return (syntax.begin if begin else syntax.call)[0]
