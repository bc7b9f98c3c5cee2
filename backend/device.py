"""The accelerator or processor that everything runs on: how it is set up, and what it is."""

import jax

from backend import host
from backend.target import platform


def set_up() -> None:
    """Settings of JAX for this process; to be called before anything touches a device."""
    # An asynchronously dispatched program occupies one of the CPU client's threads, so that on few cores its matmuls
    # find no second one: a decoding step of 110 M parameters and 32 rows took 1.4 times as long on two cores.
    jax.config.update("jax_cpu_enable_async_dispatch", False)


def activation_dtype() -> str | None:
    """The type that activations have on this device whatever is asked for; None where it is that of the weights.

    XLA's code for processors computes in float32: with bfloat16 a step takes twenty times as long.
    """
    return "float32" if platform() == "cpu" else None


def asynchronous() -> bool:
    """Whether a program runs while the host goes on; see `set_up`."""
    return platform() != "cpu"


def describe() -> str:
    """Kind and platform of the device that is used, and the memory that can be had of it."""
    device = jax.local_devices()[0]
    return f"{device.device_kind} ({device.platform}), {mebibytes(memory())} available"


def memory() -> int:
    """Bytes that can be had: what the platform's allocator may take, or what the machine has to spare for us."""
    limit = (jax.local_devices()[0].memory_stats() or {}).get("bytes_limit")
    return int(limit or host.available_memory())


def memory_fraction() -> float:
    """The part of `memory` that weights, cache and what else is known beforehand may take.

    A processor's memory is shared with what else a machine does. Of an accelerator nothing else is wanted: what
    remains is for the allocator, and for what estimates leave out.
    """
    return 0.8 if platform() == "cpu" else 0.97


def default_cache() -> tuple[int, int] | None:
    """Bytes of a cache that nobody gave a size for, and how many more it may take to hold one context at least.

    None: all that memory holds. A processor's memory is shared with whatever else a laptop runs.
    """
    return (2**29, 2**30) if platform() == "cpu" else None


def mebibytes(size: int) -> str:
    """A number of bytes for people."""
    return f"{size / 2**20:,.0f} MiB" if size >= 10 * 2**20 else f"{size / 2**20:.1f} MiB"
