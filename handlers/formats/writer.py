"""The segments of an answer as they become certain, in the order of its text."""

from collections.abc import Callable

from handlers.formats.scanner import TextScanner
from handlers.formats.segments import Content, Segment

SegmentFactory = Callable[[int, int, str], Segment]
"""Makes a segment from its start and end offsets and its text."""


class SegmentWriter:
    """Collects the segments of an answer. Offsets are those of the scanner.

    Every character is settled once: as text of the present kind, as part of a segment, or as structure.

    What was read but is not settled is held. The kind is content until `become` changes it.
    """

    def __init__(self, scanner: TextScanner) -> None:
        self._scanner = scanner
        self._segments: list[Segment] = []
        self._make: SegmentFactory = Content
        self._given = self._certain = 0  # the text between is of the present kind, and in no segment yet

    @property
    def settled(self) -> int:
        """Offset of the first character that is not settled."""
        return max(self._given, self._certain)

    def become(self, make: SegmentFactory) -> None:
        """Text that is settled from now on becomes segments that `make` makes."""
        self._flush()
        self._make = make

    def text(self, until: int) -> None:
        """Settles what is not settled before offset `until` as text of the present kind."""
        self._certain = until

    def skip(self, until: int) -> None:
        """Settles what is not settled before offset `until` as structure, part of no segment."""
        self._flush()
        self._given = self._certain = until

    def add(self, segment: Segment) -> None:
        """Adds a segment; what is not settled before its end is its own, or structure."""
        self.skip(segment.end)
        self._segments.append(segment)

    def take(self) -> list[Segment]:
        """The segments since the last call, all text that is settled included."""
        self._flush()
        self._scanner.forget(self._given)
        segments, self._segments = self._segments, []
        return segments

    def _flush(self) -> None:
        if self._given < self._certain:
            text = self._scanner.slice(self._given, self._certain)
            self._segments.append(self._make(self._given, self._certain, text))
            self._given = self._certain
