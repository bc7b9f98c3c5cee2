"""What is wrong with a checkpoint, said once and completely."""

from collections.abc import Iterator
from contextlib import contextmanager


class CheckpointError(ValueError):
    """A model's files, configuration or weights cannot be served; the message names every fault and what to do."""


@contextmanager
def naming(place: str) -> Iterator[None]:
    """A `CheckpointError` raised within says first where the fault is."""
    try:
        yield
    except CheckpointError as error:
        raise CheckpointError(f"{place}: {error}") from error.__cause__
