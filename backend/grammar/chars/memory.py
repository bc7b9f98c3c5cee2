"""Remembers languages that were built before, within a bound on their size rather than their number."""

from collections.abc import Callable, Hashable
from functools import wraps
from threading import Lock
from typing import ParamSpec, Protocol, TypeVar

CAPACITY = 200_000
"""Arcs and states that one function's results may have together: about 30 MB."""


class Language(Protocol):
    """What has a size: arcs and states."""

    @property
    def size(self) -> int: ...


Parameters = ParamSpec("Parameters")
Kept = TypeVar("Kept", bound=Language)


def remembered(build: Callable[Parameters, Kept], capacity: int = CAPACITY) -> Callable[Parameters, Kept]:
    """`build`, a function of hashable arguments, that answers again what it built; the oldest results are dropped."""
    kept: dict[Hashable, Kept] = {}
    total, lock = 0, Lock()

    @wraps(build)
    def recall(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Kept:
        nonlocal total
        key = (args, tuple(sorted(kwargs.items())))
        found = kept.get(key)
        if found is not None:
            return found
        built = build(*args, **kwargs)
        with lock:
            total += built.size if key not in kept else 0
            kept[key] = built
            while total > capacity:
                total -= kept.pop(next(iter(kept))).size
        return built

    return recall
