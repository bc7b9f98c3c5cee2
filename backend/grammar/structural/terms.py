"""The terms in which a composite is written: nested lists that JSON can hold, the first member naming the term.

Schemas may hold `orjson.Fragment`s, so that their numbers reach the compiler digit by digit.
"""

from collections.abc import Sequence
from typing import Any

Composite = list[Any]
Marker = Sequence[Composite]
"""`text` and `control` terms, one after the other."""


def text(text: str) -> Composite:
    """This very text."""
    return ["text", text]


def control(token: int) -> Composite:
    """A control token, by its id."""
    return ["control", token]


def pattern(regex: str) -> Composite:
    """Text that the whole of a regular expression matches."""
    return ["pattern", regex]


def value(schema: object, place: str, dialect: Sequence[object] = ("json",)) -> Composite:
    """A value that satisfies a JSON Schema. place: what to call the schema where it is refused.

    dialect: how it is written, see `dialects.dialect_of`.
    """
    return ["value", schema, place, list(dialect)]


def sequence(*parts: Composite) -> Composite:
    """One after the other."""
    return ["sequence", *parts]


def choice(*parts: Composite) -> Composite:
    """Any one of them."""
    return ["choice", *parts]


def several(part: Composite, between: Composite) -> Composite:
    """Once or more often, with `between` between."""
    return ["several", part, between]


def branch(markers: Sequence[Marker], then: Composite, again: bool) -> Composite:
    """What a scan does at any of `markers`: `then` follows; after that the scan goes on or, unless `again`, ends."""
    return [list(map(list, markers)), then, again]


def scan(
    branches: Sequence[Composite], opening: Composite | None = None, *, stops: bool, inside: bool = False
) -> Composite:
    """Any bytes, up to the first of the markers of `branches`, wherever it comes.

    opening: a branch whose markers count at the very beginning only, after white space. stops: the whole answer may
    end anywhere before a marker. inside: what is scanned is reasoning, whose length may be limited.
    """
    return ["scan", list(branches), opening, stops, inside]


EMPTY = sequence()
