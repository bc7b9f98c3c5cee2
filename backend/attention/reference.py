"""The reference back end: contiguous rows, attended in chunks with a running softmax. The oracle for the others."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from backend.attention import Attend, AttentionSpec
from backend.attention.masks import MASKED, group_queries, scores, ungroup_queries, visible

CHUNK = 128
"""Key positions per step of the running softmax."""


class Rows(NamedTuple):
    """One layer's cache: k and v [R, K, S, H], S a multiple of `CHUNK`."""

    k: jax.Array
    v: jax.Array


def init_rows(
    layers: int, rows: int, kv_heads: int, positions: int, head_dim: int, dtype: jnp.dtype
) -> tuple[Rows, ...]:
    """An empty cache per layer for `rows` rows of at least `positions` positions."""
    shape = (rows, kv_heads, -(-positions // CHUNK) * CHUNK, head_dim)
    return tuple(Rows(jnp.zeros(shape, dtype), jnp.zeros(shape, dtype)) for _ in range(layers))


def reference(first_row: jax.Array | int = 0) -> Attend:
    """Attention of the B rows of the call over cache rows first_row .. first_row + B - 1.

    Cost follows the longest context in use, not the cache's length; a key that is masked adds exactly nothing, so a
    row's result does not depend on how far its neighbours reach.
    """

    def attend(
        cache: Rows, q: jax.Array, k: jax.Array, v: jax.Array, positions: jax.Array, spec: AttentionSpec
    ) -> tuple[jax.Array, Rows]:
        rows = first_row + jnp.arange(q.shape[0])
        cache = Rows(_write(cache.k, k, rows, positions), _write(cache.v, v, rows, positions))
        return _running_softmax(cache, q, positions, spec, first_row), cache

    return attend


def _write(cache: jax.Array, new: jax.Array, rows: jax.Array, positions: jax.Array) -> jax.Array:
    """cache [R, K, S, H] with new [B, T, K, H] at its rows and positions; position -1 writes nothing."""
    # A negative index would wrap around; one past the end is dropped.
    slots = jnp.where(positions < 0, cache.shape[2], positions)
    return cache.at[rows[:, None], :, slots].set(new.astype(cache.dtype), mode="drop")


def _running_softmax(
    cache: Rows, q: jax.Array, positions: jax.Array, spec: AttentionSpec, first_row: jax.Array | int
) -> jax.Array:
    """softmax(q kᵀ) v over chunks of keys, keeping a running maximum and sum (Milakov and Gimelshein, 2018)."""
    kv_heads, head_dim = cache.k.shape[1], cache.k.shape[3]
    grouped = group_queries(q, kv_heads)
    sizes = (q.shape[0], kv_heads, CHUNK, head_dim)

    def step(chunk: jax.Array, carry: tuple[jax.Array, jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array, jax.Array]:
        top, total, out = carry
        start = (first_row, 0, chunk * CHUNK, 0)
        keys, values = jax.lax.dynamic_slice(cache.k, start, sizes), jax.lax.dynamic_slice(cache.v, start, sizes)
        key_positions = jnp.broadcast_to(chunk * CHUNK + jnp.arange(CHUNK), (sizes[0], CHUNK))
        seen = visible(positions, key_positions, spec.window)
        raw = scores(grouped, keys, seen, spec)
        new_top = jnp.maximum(top, raw.max(-1))
        # exp(MASKED - MASKED) is 1: a row whose keys are all masked so far must add nothing.
        weights = jnp.where(seen[:, None, None], jnp.exp(raw - new_top[..., None]), 0.0)
        kept = jnp.exp(top - new_top)
        added = jnp.einsum(
            "bkgts,bksh->bkgth", weights.astype(values.dtype), values, preferred_element_type=jnp.float32
        )
        return new_top, total * kept + weights.sum(-1), out * kept[..., None] + added

    # Padding (-1) must not pull the first chunk of a sliding layer back to 0.
    lowest = jnp.where(positions < 0, cache.k.shape[2], positions).min()
    first = 0 if spec.window is None else jnp.maximum(lowest - spec.window + 1, 0) // CHUNK
    empty = (jnp.full(grouped.shape[:-1], MASKED), jnp.zeros(grouped.shape[:-1]), jnp.zeros(grouped.shape, jnp.float32))
    _, total, out = jax.lax.fori_loop(first, positions.max() // CHUNK + 1, step, empty)
    return ungroup_queries((out / jnp.where(total > 0, total, 1.0)[..., None]).astype(q.dtype))
