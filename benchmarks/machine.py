"""What the figures were measured on, and how fast its memory is."""

import os
import platform
import time
from importlib.metadata import version
from pathlib import Path

import jax
import jax.numpy as jnp

PACKAGES = ("jax", "flax", "transformers", "torch", "numpy")


def cores() -> int:
    """Processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def describe() -> dict[str, str | int | float]:
    """Processor, cores, versions, and how busy the machine was in the last minute."""
    packages = {name: version(name) for name in PACKAGES}
    return {"processor": _processor(), "cores": cores(), "load": busy(), "python": platform.python_version()} | packages


def busy() -> float:
    """Processes that ran or waited for a core, averaged over the last minute."""
    return round(os.getloadavg()[0], 2)


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.is_file() else []
    models = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(models, platform.processor() or platform.machine())


class Bandwidth:
    """Reads one large float32 array with every core: `limit` is the most bytes per second that any reading reached."""

    def __init__(self, size: int, parts: int = 64) -> None:
        self._array = jnp.ones((parts, size // (4 * parts)), jnp.float32)
        # Sums of separate parts: a single sum is not divided among the cores as evenly.
        self._read = jax.jit(lambda x: x.sum(-1))
        self._read(self._array).block_until_ready()
        self.limit = 0.0

    def measure(self, times: int = 5) -> None:
        """Read the array `times` times."""
        for _ in range(times):
            began = time.perf_counter()
            self._read(self._array).block_until_ready()
            self.limit = max(self.limit, self._array.nbytes / (time.perf_counter() - began))
