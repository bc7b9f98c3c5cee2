"""The exact threshold that a weighted share of the values reaches: what top-k and top-p need, without sorting."""

import jax
import jax.numpy as jnp
import numpy as np

from backend.sampling import kernels
from backend.sharding import split_over
from backend.target import platform

DIGIT = 4
"""Bits of a threshold that are found with one exchange between devices."""
_SIGN = np.int32(-(2**31))


def _ordered(values: jax.Array) -> jax.Array:
    """int32 of the same shape as float32 `values`, in the same order, equal where they are equal; no NaN."""
    # Only this makes -0.0 and 0.0 the same number.
    bits = jax.lax.bitcast_convert_type(jnp.where(values == 0, 0.0, values), jnp.int32)
    return jnp.where(bits < 0, ~bits ^ _SIGN, bits)


def _value(order: jax.Array) -> jax.Array:
    """The float32 that has this place in the order; -inf for all places below it."""
    order = jnp.maximum(order, _ordered(jnp.float32(-jnp.inf)))
    return jax.lax.bitcast_convert_type(jnp.where(order < 0, ~(order ^ _SIGN), order), jnp.float32)


def least_taken(values: jax.Array, weights: jax.Array, target: jax.Array) -> jax.Array:
    """The least value of the smallest upper set whose weights sum to `target`: float32 [B].

    values, weights: float32 [B, V], weights not negative; target: float32 [B]. Values equal to the last one taken are
    all taken. Where the whole row falls short of the target, every value is taken; the largest one is taken always.
    A device that flushes subnormal numbers takes them for 0.
    Bisection over the 32 bits of the ordered values: 32 passes over the row, each one comparison and one sum. Where the
    vocabulary is split over devices, a pass exchanges the sums alone.
    """
    if platform() == "gpu":  # where the host would drive a loop
        split = split_over("V", values.shape[-1])
        return _by_digits(values, weights, target) if split else kernels.least_taken(values, weights, target)
    order = _ordered(values)

    def halve(_: int, bounds: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        low, high = bounds
        # The mean of two int32 without overflow, rounded up, so that low < middle <= high.
        middle = (low | high) - ((low ^ high) >> 1)
        enough = jnp.where(order >= middle[:, None], weights, 0).sum(-1) >= target
        return jnp.where(enough, middle, low), jnp.where(enough, high, middle - 1)

    bounds = (jnp.full(values.shape[0], _SIGN), order.max(-1))
    low, _ = jax.lax.fori_loop(0, 32, halve, bounds)
    return _value(low)


def _by_digits(values: jax.Array, weights: jax.Array, target: jax.Array) -> jax.Array:
    """`least_taken` in 8 passes without a loop, each with one sum for every value of a digit but 0."""
    order = _ordered(values)
    found = jnp.zeros(values.shape[0], jnp.uint32)  # counted from the lowest place in the order
    for shift in range(32 - DIGIT, -1, -DIGIT):
        bounds = found[:, None] + (jnp.arange(1, 1 << DIGIT, dtype=jnp.uint32) << shift)
        places = jax.lax.bitcast_convert_type(bounds, jnp.int32) ^ _SIGN
        sums = jnp.where(order[:, None] >= places[..., None], weights[:, None], 0).sum(-1)
        digit = (sums >= target[:, None]).sum(-1).astype(jnp.uint32)
        found = found + (digit << shift)
    low = jax.lax.bitcast_convert_type(found, jnp.int32) ^ _SIGN
    return _value(jnp.minimum(low, order.max(-1)))
