"""What an answer is made of, once it is split."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Piece:
    """A piece and where in the text that was fed it comes from: characters `start` to `end`, in ascending order.

    What is part of no piece was structure: markers, the white space around them, the names of fields.
    """

    start: int
    end: int


@dataclass(frozen=True)
class Content(Piece):
    text: str


@dataclass(frozen=True)
class Reasoning(Piece):
    text: str


@dataclass(frozen=True)
class CallStart(Piece):
    """A call begins: `index` counts the calls of this answer from 0."""

    index: int
    id: str
    name: str


@dataclass(frozen=True)
class CallArguments(Piece):
    """More of the arguments' JSON text of call `index`."""

    index: int
    fragment: str
