"""The reference back end: pages of keys and values, gathered chunk by chunk. The oracle for the others."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from backend.attention import Attend, AttentionSpec
from backend.attention.masks import MASKED, group_queries, scores, ungroup_queries, visible

DECODE_CHUNK, PREFILL_CHUNK = 32, 128
"""Key positions per step of the running softmax at least, for calls of one token per row and of more."""


class Pages(NamedTuple):
    """One layer's pool: k and v [P, K, page, H]."""

    k: jax.Array
    v: jax.Array


def init_pages(
    layers: int, pages: int, page_tokens: int, kv_heads: int, head_dim: int, dtype: jnp.dtype
) -> tuple[Pages, ...]:
    """An empty pool per layer."""
    shape = (pages, kv_heads, page_tokens, head_dim)
    return tuple(Pages(jnp.zeros(shape, dtype), jnp.zeros(shape, dtype)) for _ in range(layers))


def even_tables(pages: int, rows: int) -> jax.Array:
    """int32 [rows, pages // rows], tables that share a pool out evenly."""
    return jnp.arange(rows * (pages // rows), dtype=jnp.int32).reshape(rows, -1)


def paged(tables: jax.Array) -> Attend:
    """Attention of the B rows of the call, row b over the pages tables[b] in the order of their positions.

    tables: int32 [B, W]; what stands behind a row's last page is never seen, but must be a page. Cost follows the
    longest context in use, neither the pool nor W. A key that is masked adds exactly nothing, so a row's result does
    not depend on how far its neighbours reach, nor on what its pages held before.
    """

    def attend(
        cache: Pages, q: jax.Array, k: jax.Array, v: jax.Array, positions: jax.Array, spec: AttentionSpec
    ) -> tuple[jax.Array, Pages]:
        cache = Pages(_write(cache.k, k, tables, positions), _write(cache.v, v, tables, positions))
        return _running_softmax(cache, q, tables, positions, spec), cache

    return attend


def _write(pool: jax.Array, new: jax.Array, tables: jax.Array, positions: jax.Array) -> jax.Array:
    """pool [P, K, page, H] with new [B, T, K, H] at its rows' positions; position -1 writes nothing."""
    page_tokens = pool.shape[2]
    pages = jnp.take_along_axis(tables, jnp.maximum(positions, 0) // page_tokens, axis=1)
    # A negative index would wrap around; one past the end is dropped.
    pages = jnp.where(positions < 0, pool.shape[0], pages)
    return pool.at[pages, :, positions % page_tokens].set(new.astype(pool.dtype), mode="drop")


def _running_softmax(
    cache: Pages, q: jax.Array, tables: jax.Array, positions: jax.Array, spec: AttentionSpec
) -> jax.Array:
    """softmax(q kᵀ) v over chunks of pages, keeping a running maximum and sum (Milakov and Gimelshein, 2018)."""
    _, kv_heads, page_tokens, head_dim = cache.k.shape
    grouped = group_queries(q, kv_heads)
    b = q.shape[0]
    width = max(1, (DECODE_CHUNK if q.shape[1] == 1 else PREFILL_CHUNK) // page_tokens)
    chunk_tokens = width * page_tokens
    tables = jnp.pad(tables, ((0, 0), (0, -tables.shape[1] % width)))
    last = positions.max(axis=1)

    def gather(pool: jax.Array, pages: jax.Array) -> jax.Array:
        return pool[pages].transpose(0, 2, 1, 3, 4).reshape(b, kv_heads, chunk_tokens, head_dim)

    def step(chunk: jax.Array, carry: tuple[jax.Array, jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array, jax.Array]:
        top, total, out = carry
        pages = jax.lax.dynamic_slice(tables, (0, chunk * width), (b, width))
        key_positions = chunk * chunk_tokens + jnp.arange(chunk_tokens)[None]
        seen = visible(positions, key_positions, spec.window)
        raw = scores(grouped, gather(cache.k, pages), seen, spec)
        new_top = jnp.maximum(top, raw.max(-1))
        # exp(MASKED - MASKED) is 1: a row whose keys are all masked so far must add nothing.
        weights = jnp.where(seen[:, None, None], jnp.exp(raw - new_top[..., None]), 0.0)
        kept = jnp.exp(top - new_top)
        # What an earlier owner left in a page may be NaN, and 0 * NaN is NaN.
        values = jnp.where((key_positions <= last[:, None])[:, None, :, None], gather(cache.v, pages), 0)
        added = jnp.einsum(
            "bkgts,bksh->bkgth", weights.astype(values.dtype), values, preferred_element_type=jnp.float32
        )
        return new_top, total * kept + weights.sum(-1), out * kept[..., None] + added

    # Padding (-1) must not pull the first chunk of a sliding layer back to 0.
    lowest = jnp.where(positions < 0, tables.shape[1] * page_tokens, positions).min()
    first = 0 if spec.window is None else jnp.maximum(lowest - spec.window + 1, 0) // chunk_tokens
    empty = (jnp.full(grouped.shape[:-1], MASKED), jnp.zeros(grouped.shape[:-1]), jnp.zeros(grouped.shape, jnp.float32))
    _, total, out = jax.lax.fori_loop(first, last.max() // chunk_tokens + 1, step, empty)
    return ungroup_queries((out / jnp.where(total > 0, total, 1.0)[..., None]).astype(q.dtype))
