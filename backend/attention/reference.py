"""The reference back end: pages of keys and values, gathered chunk by chunk. The oracle for the others."""

from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp

from backend.attention import Attend, AttentionSpec, Cache, KVSpec
from backend.attention.masks import MASKED, group_queries, scores, ungroup_queries, visible

PAGE_TOKENS = 16
"""Positions of one page, where nobody says otherwise."""
DECODE_CHUNK, PREFILL_CHUNK = 32, 128
"""Key positions per step of the running softmax at least, for calls of one token per row and of more."""


class Pages(NamedTuple):
    """One layer's pool of pages: keys k and values v, [P, K, L, H] each."""

    k: jax.Array
    v: jax.Array


@dataclass(frozen=True)
class PagedAttention:
    """An `AttentionBackend` of one pool of pages per layer. layers: what each layer keeps per position."""

    layers: tuple[KVSpec, ...]
    dtype: jnp.dtype
    page_tokens: int = PAGE_TOKENS

    @property
    def page_bytes(self) -> int:
        """Bytes that one page takes in all layers."""
        arrays = jax.tree.leaves(jax.eval_shape(lambda: self.init_cache(1)))
        return sum(array.size * array.dtype.itemsize for array in arrays)

    def init_cache(self, pages: int) -> tuple[Pages, ...]:
        """An empty pool per layer, keys and values [P, K, L, H] for P = `pages`."""
        shapes = [(pages, layer.kv_heads, self.page_tokens, layer.head_dim) for layer in self.layers]
        return tuple(Pages(jnp.zeros(shape, self.dtype), jnp.zeros(shape, self.dtype)) for shape in shapes)

    def cache_axes(self) -> tuple[NamedTuple, ...]:
        """The letters of each pool's axes in place of the pool: P, K, L, H (sharding.py)."""
        return tuple(Pages("PKLH", "PKLH") for _ in self.layers)  # type: ignore[arg-type]

    def attend(self, page_table: jax.Array) -> Attend:
        """Attention over the pages of page_table int32 [B, M]."""
        return PagedAttend(page_table)

    def copy_page(self, cache: Cache, source: jax.Array, target: jax.Array) -> Cache:
        """Page `target` of every pool made equal to page `source`."""
        return jax.tree.map(
            lambda pool: jax.lax.dynamic_update_index_in_dim(
                pool, jax.lax.dynamic_index_in_dim(pool, source, keepdims=False), target, axis=0
            ),
            cache,
        )


def even_page_table(pages: int, rows: int) -> jax.Array:
    """int32 [B, M], a page table that shares a pool out evenly: B = `rows`, M = `pages` // `rows`."""
    return jnp.arange(rows * (pages // rows), dtype=jnp.int32).reshape(rows, -1)


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class PagedAttend:
    """`Attend` over the pages page_table[b] of row b. page_table: int32 [B, M].

    Cost follows the longest context in use, neither the pool nor M. A key that is masked adds exactly nothing, so a
    row's result does not depend on how far its neighbours reach, nor on what its pages held before.
    """

    page_table: jax.Array

    def __call__(
        self, cache: Pages, q: jax.Array, k: jax.Array, v: jax.Array, positions: jax.Array, spec: AttentionSpec
    ) -> tuple[jax.Array, Pages]:
        """q [B, T, N, H], k and v [B, T, K, H], positions int32 [B, T] -> out [B, T, N, H] and the layer's next pools.

        A token at position -1 is none: it writes nothing, and what comes out for it has no meaning.
        """
        pages = self.page_table
        cache = Pages(write(cache.k, k, pages, positions), write(cache.v, v, pages, positions))
        return _running_softmax(cache, q, pages, positions, spec), cache


def write(pool: jax.Array, new: jax.Array, page_table: jax.Array, positions: jax.Array) -> jax.Array:
    """pool [P, K, L, H] with new [B, T, K, H] at its rows' positions; position -1 writes nothing."""
    page_tokens = pool.shape[2]
    pages = jnp.take_along_axis(page_table, jnp.maximum(positions, 0) // page_tokens, axis=1)
    # A negative index would wrap around; one past the end is dropped.
    pages = jnp.where(positions < 0, pool.shape[0], pages)
    return pool.at[pages, :, positions % page_tokens].set(new.astype(pool.dtype), mode="drop")


def _running_softmax(
    cache: Pages, q: jax.Array, page_table: jax.Array, positions: jax.Array, spec: AttentionSpec
) -> jax.Array:
    """softmax(q kᵀ) v over chunks of pages, keeping a running maximum and sum (Milakov and Gimelshein, 2018)."""
    _, kv_heads, page_tokens, head_dim = cache.k.shape
    grouped = group_queries(q, kv_heads)
    b = q.shape[0]
    chunk_pages = max(1, (DECODE_CHUNK if q.shape[1] == 1 else PREFILL_CHUNK) // page_tokens)
    chunk_tokens = chunk_pages * page_tokens
    page_table = jnp.pad(page_table, ((0, 0), (0, -page_table.shape[1] % chunk_pages)))
    last = positions.max(axis=1)

    def gather(pool: jax.Array, pages: jax.Array) -> jax.Array:
        return pool[pages].transpose(0, 2, 1, 3, 4).reshape(b, kv_heads, chunk_tokens, head_dim)

    def step(chunk: jax.Array, carry: tuple[jax.Array, jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array, jax.Array]:
        top, total, out = carry
        pages = jax.lax.dynamic_slice(page_table, (0, chunk * chunk_pages), (b, chunk_pages))
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
    lowest = jnp.where(positions < 0, page_table.shape[1] * page_tokens, positions).min()
    first = 0 if spec.window is None else jnp.maximum(lowest - spec.window + 1, 0) // chunk_tokens
    empty = (jnp.full(grouped.shape[:-1], MASKED), jnp.zeros(grouped.shape[:-1]), jnp.zeros(grouped.shape, jnp.float32))
    _, total, out = jax.lax.fori_loop(first, last.max() // chunk_tokens + 1, step, empty)
    return ungroup_queries((out / jnp.where(total > 0, total, 1.0)[..., None]).astype(q.dtype))
