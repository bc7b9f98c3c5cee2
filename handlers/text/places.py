"""Strings in the fields of a request, each with its place there."""

from collections.abc import Iterator
from typing import Any

Place = tuple[Any, str | int]
"""The place of the object or list that something is in, None at the top, and its key or index there."""


def strings_of(fields: dict[str, Any]) -> Iterator[tuple[Place, str, bool]]:
    """Every string inside, with the place of its field or, for a key, of the key's object, and whether it is a key."""
    stack: list[tuple[Place, Any]] = [((None, name), value) for name, value in fields.items()]
    while stack:
        place, value = stack.pop()
        if isinstance(value, str):
            yield place, value, False
        elif isinstance(value, dict):
            yield from ((place, key, True) for key in value)
            stack.extend(((place, key), item) for key, item in value.items())
        elif isinstance(value, list):
            stack.extend(((place, index), item) for index, item in enumerate(value))


def path_of(place: Place) -> str:
    """A place as it is written: every step behind the one before, which is put together for the one that is named."""
    steps: list[str] = []
    rest: Place | None = place
    while rest is not None:
        rest, step = rest
        steps.append(str(step))
    return ".".join(reversed(steps))
