"""A small value that a schema refuses for the reason for which it refuses a large one."""

from collections.abc import Callable
from itertools import islice
from typing import Any

LONGEST_TEXT = 256
MOST_KEYS = 64
MOST_CHECKS = 500


class TooManyChecks(Exception):
    """A value is so large and so deep that its fault cannot be found in reasonable time."""


class Shrinker:
    """Makes invalid JSON values small, so that saying what is wrong with them takes little time and memory.

    A validator that explains why no alternative fits collects every fault of each; for a list of a million wrong items
    this takes minutes and gigabytes. Whether a value is valid is known at once.

    is_valid: the schema's verdict on a whole value. known: the names of properties in the schema, which are kept.
    """

    def __init__(self, is_valid: Callable[[Any], bool], known: frozenset[str]) -> None:
        self._is_valid, self._known = is_valid, known
        self._checks = 0

    def shrink(self, value: Any) -> Any:
        """A part of `value`, which is invalid and is left as it is: invalid too, with a fault at the same path.

        Lists are cut behind their first faulty item, long texts at LONGEST_TEXT characters, and of objects with more
        than MOST_KEYS keys those that the schema does not name behind the first faulty one. Raises TooManyChecks.
        """
        whole, self._checks = [value], 0
        self._part(whole, 0, whole)
        return whole[0]

    def _part(self, parent: Any, key: Any, whole: list[Any]) -> None:
        """Shrinks `parent[key]`. `parent` is ours to change, and a part of `whole[0]`, which stays invalid."""
        match parent[key]:
            case str() as text if len(text) > LONGEST_TEXT:
                parent[key] = text[:LONGEST_TEXT]
                if not self._fails(whole):
                    parent[key] = text
            case list() as items if items:
                self._cut(parent, key, len(items), lambda n: items[:n], whole)
                self._part(parent[key], len(parent[key]) - 1, whole)
            case dict() as fields:
                self._fields(parent, key, fields, whole)

    def _fields(self, parent: Any, key: Any, fields: dict[str, Any], whole: list[Any]) -> None:
        free = [name for name in fields if name not in self._known]
        if len(fields) > MOST_KEYS and free:
            named = {name: fields[name] for name in fields if name in self._known}
            self._cut(parent, key, len(free), lambda n: {**named, **{f: fields[f] for f in islice(free, n)}}, whole)
        else:
            parent[key] = dict(fields)
        for name in list(parent[key]):
            self._part(parent[key], name, whole)

    def _cut(self, parent: Any, key: Any, size: int, first: Callable[[int], Any], whole: list[Any]) -> None:
        """Puts the smallest `first(n)` in the place of `parent[key]`, n from 1 to `size`, with which it still fails."""
        low, high = 1, size
        while low < high:
            middle = (low + high) // 2
            parent[key] = first(middle)
            if self._fails(whole):
                high = middle
            else:
                low = middle + 1
        parent[key] = first(high)

    def _fails(self, whole: list[Any]) -> bool:
        self._checks += 1
        if self._checks > MOST_CHECKS:
            raise TooManyChecks
        return not self._is_valid(whole[0])
