"""Times on a device, and the limits that it sets itself: bytes and products a second, in the same process."""

from collections.abc import Callable
from statistics import median
from time import perf_counter
from typing import Any

import jax
import jax.numpy as jnp


def seconds(call: Callable[[], Any], times: int = 10) -> float:
    """Median of so many calls, after one that is not counted, each until what it gives is there."""
    jax.block_until_ready(call())
    taken = []
    for _ in range(times):
        began = perf_counter()
        jax.block_until_ready(call())
        taken.append(perf_counter() - began)
    return median(taken)


def bandwidth(size: int) -> float:
    """Bytes a second at which an array of `size` bytes is read."""
    array = jnp.ones((1024, size // 2048), jnp.bfloat16)
    read = jax.jit(lambda x: x.max(1))
    return array.nbytes / seconds(lambda: read(array))


def flops(size: int) -> float:
    """Operations a second of a product of two matrices bfloat16 [size, size]."""
    matrix = jnp.ones((size, size), jnp.bfloat16)
    multiply = jax.jit(lambda a, b: a @ b)
    return 2 * size**3 / seconds(lambda: multiply(matrix, matrix))


def describe() -> dict[str, Any]:
    """The device that is measured, and JAX's version."""
    device = jax.local_devices()[0]
    limit = (device.memory_stats() or {}).get("bytes_limit")
    return {"device": device.device_kind, "platform": device.platform, "memory": limit, "jax": jax.__version__}
