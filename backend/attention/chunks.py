"""Attention over pages that are read chunk by chunk, in plain JAX, whatever their layout."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from backend.attention import AttentionSpec
from backend.attention.masks import MASKED, Sight, group_queries, scores, ungroup_queries


class Chunk(NamedTuple):
    """S positions of B rows: keys, values [B, K, S, H], and what they are multiples of, float32 [B, K, S] or None."""

    k: jax.Array
    v: jax.Array
    k_scale: jax.Array | None
    v_scale: jax.Array | None


class Extent(NamedTuple):
    """K kv heads, L positions of a page, and pages of a chunk."""

    kv_heads: int
    page_tokens: int
    chunk_pages: int


def running_softmax(
    read: Callable[[jax.Array], Chunk],
    extent: Extent,
    q: jax.Array,
    page_table: jax.Array,
    sight: Sight,
    spec: AttentionSpec,
) -> jax.Array:
    """softmax(q kᵀ) v over chunks of pages, keeping a running maximum and sum (Milakov and Gimelshein, 2018).

    read: pages int32 [B, C] -> their positions. q: [B, T, N, H]. page_table: int32 [B, M]. sight: of each query.
    """
    kv_heads, page_tokens, chunk_pages = extent
    grouped = group_queries(q, kv_heads)
    b = q.shape[0]
    chunk_tokens = chunk_pages * page_tokens
    page_table = jnp.pad(page_table, ((0, 0), (0, -page_table.shape[1] % chunk_pages)))
    last = sight.last.max(axis=1)

    def step(chunk: jax.Array, carry: tuple[jax.Array, jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array, jax.Array]:
        top, total, out = carry
        k, v, k_scale, v_scale = read(jax.lax.dynamic_slice(page_table, (0, chunk * chunk_pages), (b, chunk_pages)))
        key_positions = chunk * chunk_tokens + jnp.arange(chunk_tokens)[None]
        seen = (key_positions[:, None] >= sight.first[..., None]) & (key_positions[:, None] <= sight.last[..., None])
        raw = scores(grouped, k.astype(q.dtype), seen, spec, k_scale)
        new_top = jnp.maximum(top, raw.max(-1))
        # exp(MASKED - MASKED) is 1: a row whose keys are all masked so far must add nothing.
        weights = jnp.where(seen[:, None, None], jnp.exp(raw - new_top[..., None]), 0.0)
        kept = jnp.exp(top - new_top)
        # What an earlier owner left in a page may be NaN, and 0 * NaN is NaN.
        owned = (key_positions <= last[:, None])[:, None, :]
        values = jnp.where(owned[..., None], v.astype(q.dtype), 0)
        factors = weights
        if v_scale is not None:
            factors *= jnp.where(owned, v_scale, 0)[:, :, None, None]
        added = jnp.einsum("bkgts,bksh->bkgth", factors.astype(q.dtype), values, preferred_element_type=jnp.float32)
        return new_top, total * kept + weights.sum(-1), out * kept[..., None] + added

    # Padding (-1) must not pull the first chunk of a sliding layer back to 0.
    lowest = jnp.where(sight.last < 0, page_table.shape[1] * page_tokens, sight.first).min()
    first = 0 if spec.window is None else lowest // chunk_tokens
    empty = (jnp.full(grouped.shape[:-1], MASKED), jnp.zeros(grouped.shape[:-1]), jnp.zeros(grouped.shape, jnp.float32))
    _, total, out = jax.lax.fori_loop(first, last.max() // chunk_tokens + 1, step, empty)
    return ungroup_queries((out / jnp.where(total > 0, total, 1.0)[..., None]).astype(q.dtype))
