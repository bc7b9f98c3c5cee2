"""What an answer is made of, once it is split."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Segment:
    """A segment and where in the text that was fed it comes from: characters `start` to `end`, in ascending order.

    What is part of no segment was structure: markers, the white space around them, the names of fields.
    """

    start: int
    end: int


@dataclass(frozen=True)
class Content(Segment):
    text: str


@dataclass(frozen=True)
class Reasoning(Segment):
    text: str


@dataclass(frozen=True)
class CallStart(Segment):
    """A call begins: `index` counts the calls of this answer from 0."""

    index: int
    id: str
    name: str


@dataclass(frozen=True)
class CallArguments(Segment):
    """More of the arguments' JSON text of call `index`."""

    index: int
    fragment: str
