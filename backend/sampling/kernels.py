"""What sampling has of loops, as kernels of a GPU (Pallas, compiled by Triton): XLA drives those from the host there.

On other platforms they are interpreted, for tests.
"""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import pallas as pl
from jax.experimental.pallas import triton as plgpu

from backend.target import platform

CHUNK = 4096
"""Values that a program looks at at a time."""
LANES = 1024
"""Tokens that a program looks at side by side."""
_SIGN = np.int32(-(2**31))
_INFINITY = np.int32(0x7F800000)


def least_taken(values: jax.Array, weights: jax.Array, target: jax.Array) -> jax.Array:
    """As `threshold.least_taken`: a program for each row, two bits of the ordered values at a time."""
    rows, vocab = values.shape
    out: jax.Array = pl.pallas_call(
        partial(_kernel, vocab=vocab, chunk=min(CHUNK, pl.next_power_of_2(vocab))),
        grid=(rows,),
        in_specs=[pl.BlockSpec(memory_space=pl.ANY)] * 3,
        out_specs=pl.BlockSpec(memory_space=pl.ANY),
        out_shape=jax.ShapeDtypeStruct((rows,), jnp.float32),
        compiler_params=plgpu.CompilerParams(num_warps=16),
        interpret=platform() != "gpu",
        name="least_taken",
    )(values, weights, target)
    return out


def _kernel(values_ref: Any, weights_ref: Any, target_ref: Any, out_ref: Any, *, vocab: int, chunk: int) -> None:
    row = pl.program_id(0)
    target = plgpu.load(target_ref.at[row])

    def ordered(begin: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Values in their order as int32, the lowest of all where there is none; weights."""
        at = begin * chunk + jnp.arange(chunk)
        there = at < vocab
        value = plgpu.load(values_ref.at[row, at], mask=there, other=-jnp.inf)
        weight = plgpu.load(weights_ref.at[row, at], mask=there, other=0.0)
        # Only this makes -0.0 and 0.0 the same number.
        bits = jax.lax.bitcast_convert_type(jnp.where(value == 0, 0.0, value), jnp.int32)
        return jnp.where(bits < 0, ~bits ^ _SIGN, bits), weight

    def over_row(step: Any, start: Any) -> Any:
        return jax.lax.fori_loop(0, pl.cdiv(vocab, chunk), step, start)

    largest = over_row(lambda i, most: jnp.maximum(most, ordered(i)[0].max()), jnp.int32(_SIGN))

    def two_bits(digit: jax.Array, found: jax.Array) -> jax.Array:
        """found: the highest bits of the threshold, counted from the lowest of all, as far as they are known."""
        shift = 30 - 2 * digit
        bounds = [found + jnp.left_shift(jnp.int32(digit_), shift) for digit_ in (1, 2, 3)]

        def add(i: jax.Array, sums: tuple[jax.Array, ...]) -> tuple[jax.Array, ...]:
            order, weight = ordered(i)
            return tuple(
                total + jnp.where(order >= bound ^ _SIGN, weight, 0.0).sum()
                for total, bound in zip(sums, bounds, strict=True)
            )

        sums = over_row(add, (jnp.float32(0),) * 3)
        digits = sum((total >= target).astype(jnp.int32) for total in sums)
        return found + jnp.left_shift(digits, shift)

    found = jax.lax.fori_loop(0, 16, two_bits, jnp.int32(0)) ^ _SIGN
    lowest = ~(_INFINITY | _SIGN) ^ _SIGN
    found = jnp.maximum(jnp.minimum(found, largest), lowest)
    value = jax.lax.bitcast_convert_type(jnp.where(found < 0, ~(found ^ _SIGN), found), jnp.float32)
    plgpu.store(out_ref.at[row], value)


def ngram_ends(tokens: jax.Array, length: jax.Array, n: jax.Array) -> jax.Array:
    """bool [B, S]: where a token stands behind the last n - 1 tokens of its row, as `sequences.repeated_ngrams` has it.

    tokens: int32 [B, S]. length, n: int32 [B].
    """
    rows, size = tokens.shape
    chunk = min(LANES, pl.next_power_of_2(size))
    out = pl.pallas_call(
        partial(_ngram_kernel, size=size, chunk=chunk),
        grid=(rows, pl.cdiv(size, chunk)),
        in_specs=[pl.BlockSpec(memory_space=pl.ANY)] * 3,
        out_specs=pl.BlockSpec(memory_space=pl.ANY),
        out_shape=jax.ShapeDtypeStruct((rows, size), jnp.int32),
        compiler_params=plgpu.CompilerParams(num_warps=4),
        interpret=platform() != "gpu",
        name="ngram_ends",
    )(tokens, length, n)
    return out > 0


def _ngram_kernel(tokens_ref: Any, length_ref: Any, n_ref: Any, out_ref: Any, *, size: int, chunk: int) -> None:
    row = pl.program_id(0)
    at = pl.program_id(1) * chunk + jnp.arange(chunk)
    length, n = plgpu.load(length_ref.at[row]), plgpu.load(n_ref.at[row])
    ends = (at >= n - 1) & (at < length) & (n > 0)

    def same(back: jax.Array, ends: jax.Array) -> jax.Array:
        last = plgpu.load(tokens_ref.at[row, jnp.maximum(length - back, 0)])
        token = plgpu.load(tokens_ref.at[row, at - back], mask=(ends > 0) & (at >= back), other=-1)
        return ends & (token == last).astype(jnp.int32)

    ends = jax.lax.fori_loop(1, jnp.maximum(n, 1), same, ends.astype(jnp.int32))
    plgpu.store(out_ref.at[row, at], ends, mask=at < size)
