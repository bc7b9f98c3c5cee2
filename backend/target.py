"""The platform that programs are made for: that of the devices at hand, or one that is not there."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal, cast

import jax

Platform = Literal["cpu", "gpu", "tpu"]

_elsewhere: list[Platform] = []


def platform() -> Platform:
    """What programs are traced for: it decides back ends, kernels and types wherever these differ."""
    return _elsewhere[-1] if _elsewhere else cast(Platform, jax.default_backend())


def is_here() -> bool:
    """Whether what is traced can also be run: not where it is made for devices that are not there."""
    return not _elsewhere


@contextmanager
def compiling_for(platform: Platform) -> Iterator[None]:
    """Within the block programs are traced for `platform`, whatever devices there are; they cannot be run here."""
    _elsewhere.append(platform)
    try:
        yield
    finally:
        _elsewhere.pop()
