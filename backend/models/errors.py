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


@contextmanager
def reading(place: str) -> Iterator[None]:
    """As `naming`; and where values of other kinds than are expected make Python raise, that is a `CheckpointError`."""
    try:
        with naming(place):
            yield
    except CheckpointError:
        raise
    except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
        raise CheckpointError(f"{place} cannot be read: {type(error).__name__}: {error}; download it again") from error
