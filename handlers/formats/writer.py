"""The pieces of an answer as they become certain, in the order of its text."""

from collections.abc import Callable

from handlers.formats.pieces import Content, Piece
from handlers.formats.source import Source

Make = Callable[[int, int, str], Piece]
"""A piece of `start`, `end` and text."""


class PieceWriter:
    """Every character is settled once: as text of the present kind, as part of a piece, or as structure.

    What was read but is not settled is held. The kind is content until `become` changes it.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self._pieces: list[Piece] = []
        self._make: Make = Content
        self._given = self._certain = 0  # the text between is of the present kind, and in no piece yet

    def become(self, make: Make) -> None:
        """What is settled as text from now on is of another kind."""
        self._flush()
        self._make = make

    def text(self, until: int) -> None:
        """What is not settled before `until` is text."""
        self._certain = until

    def skip(self, until: int) -> None:
        """What is not settled before `until` is structure."""
        self._flush()
        self._given = self._certain = until

    def add(self, piece: Piece) -> None:
        """What is not settled before the piece is structure."""
        self.skip(piece.end)
        self._pieces.append(piece)

    def take(self) -> list[Piece]:
        """The pieces since the last time, with all text that is certain."""
        self._flush()
        self._source.forget(self._given)
        pieces, self._pieces = self._pieces, []
        return pieces

    def _flush(self) -> None:
        if self._given < self._certain:
            text = self._source.slice(self._given, self._certain)
            self._pieces.append(self._make(self._given, self._certain, text))
            self._given = self._certain
