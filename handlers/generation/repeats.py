"""Items of JSON arrays that are equal."""

from typing import Any


def repeats(items: list[Any]) -> bool:
    """Whether two items are equal, as JSON Schema has it: 1 and 1.0 are, 1 and true are not."""
    return len({_hashable(item) for item in items}) < len(items)


def _hashable(value: Any) -> Any:
    match value:
        case bool():
            return bool, value
        case list():
            return list, tuple(map(_hashable, value))
        case dict():
            return dict, frozenset((name, _hashable(item)) for name, item in value.items())
        case _:
            return value
