"""What an answer is made of, once it is split."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Segment:
    """A part of an answer, from the characters `start` to `end` of its text; segments come in ascending order.

    Text that is in no segment was structure: markers, the white space around them, the names of fields.
    """

    start: int
    end: int


@dataclass(frozen=True)
class Content(Segment):
    """Text of the answer itself."""

    text: str


@dataclass(frozen=True)
class Reasoning(Segment):
    """Text of the reasoning, without its markers."""

    text: str


@dataclass(frozen=True)
class CallStart(Segment):
    """A tool call begins: its id and the function's name. index: counts the calls of this answer from 0."""

    index: int
    id: str
    name: str


@dataclass(frozen=True)
class CallArguments(Segment):
    """More of the JSON text of a tool call's arguments. index: of the call, as in its CallStart."""

    index: int
    fragment: str
