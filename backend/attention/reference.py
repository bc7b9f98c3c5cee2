"""The reference back end: pages of keys and values, gathered chunk by chunk. The oracle for the others."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from backend.attention import Attend, AttentionSpec, Cache, KVSpec
from backend.attention.masks import MASKED, group_queries, scores, ungroup_queries, visible
from backend.attention.quantization import is_scaled, quantize

PAGE_TOKENS = 16
"""Positions of one page, where nobody says otherwise."""
DECODE_CHUNK, PREFILL_CHUNK = 32, 128
"""Key positions per step of the running softmax at least, for calls of one token per row and of more."""


class Pages(NamedTuple):
    """One layer's pool of pages: keys k and values v, [P, K, L, H] each, and what they are to be multiplied by.

    k_scale, v_scale: float32 [P, K, L], one per position and head where the numbers are int8; None for other types.
    """

    k: jax.Array
    v: jax.Array
    k_scale: jax.Array | None = None
    v_scale: jax.Array | None = None


@dataclass(frozen=True)
class PagedAttention:
    """An `AttentionBackend` of one pool of pages per layer.

    layers: what each layer keeps per position. dtype: in which keys and values are kept, of any `quantize` takes.
    """

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
        return tuple(Pages(*self._twice(shape, self.dtype), *self._scales(shape)) for shape in shapes)

    def cache_axes(self) -> tuple[NamedTuple, ...]:
        """The letters of each array's axes in place of the array: P, K, L, H (sharding.py)."""
        scales = ("PKL", "PKL") if is_scaled(self.dtype) else (None, None)
        return tuple(Pages("PKLH", "PKLH", *scales) for _ in self.layers)  # type: ignore[arg-type]

    def _scales(self, shape: tuple[int, ...]) -> tuple[Any, Any]:
        return self._twice(shape[:-1], jnp.dtype(jnp.float32)) if is_scaled(self.dtype) else (None, None)

    @staticmethod
    def _twice(shape: tuple[int, ...], dtype: jnp.dtype) -> tuple[jax.Array, jax.Array]:
        return jnp.zeros(shape, dtype), jnp.zeros(shape, dtype)

    def attend(self, page_table: jax.Array, together: jax.Array | None = None) -> Attend:
        """Attention over the pages of page_table int32 [B, M]. together: int32 [2, B, T]."""
        return PagedAttend(page_table, together)

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
    """`Attend` over the pages page_table[b] of row b. page_table: int32 [B, M]; together: int32 [2, B, T].

    Cost follows the longest context in use, neither the pool nor M. A key that is masked adds exactly nothing, so a
    row's result does not depend on how far its neighbours reach, nor on what its pages held before.
    """

    page_table: jax.Array
    together: jax.Array | None = None

    def __call__(
        self, cache: Pages, q: jax.Array, k: jax.Array, v: jax.Array, positions: jax.Array, spec: AttentionSpec
    ) -> tuple[jax.Array, Pages]:
        """q [B, T, N, H], k and v [B, T, K, H], positions int32 [B, T] -> out [B, T, N, H] and the layer's next pools.

        A token at position -1 is none: it writes nothing, and what comes out for it has no meaning.
        """
        cache = write(cache, k, v, self.page_table, positions)
        return _running_softmax(cache, q, self.page_table, positions, self.together, spec), cache


def write(cache: Pages, k: jax.Array, v: jax.Array, page_table: jax.Array, positions: jax.Array) -> Pages:
    """The pools with new keys and values [B, T, K, H] at `positions` int32 [B, T] of their rows, as they are kept.

    page_table: int32 [B, M]. Position -1 writes nothing.
    """
    (keys, key_scales), (values, value_scales) = quantize(k, cache.k.dtype), quantize(v, cache.v.dtype)
    news = Pages(keys, values, key_scales, value_scales)
    return jax.tree.map(lambda pool, new: _put(pool, new, page_table, positions), cache, news)


def _put(pool: jax.Array, new: jax.Array, page_table: jax.Array, positions: jax.Array) -> jax.Array:
    """pool [P, K, L, ...] with new [B, T, K, ...] at its rows' positions; position -1 writes nothing."""
    page_tokens = pool.shape[2]
    pages = jnp.take_along_axis(page_table, jnp.maximum(positions, 0) // page_tokens, axis=1)
    # A negative index would wrap around; one past the end is dropped.
    pages = jnp.where(positions < 0, pool.shape[0], pages)
    return pool.at[pages, :, positions % page_tokens].set(new, mode="drop")


def _running_softmax(
    cache: Pages,
    q: jax.Array,
    page_table: jax.Array,
    positions: jax.Array,
    together: jax.Array | None,
    spec: AttentionSpec,
) -> jax.Array:
    """softmax(q kᵀ) v over chunks of pages, keeping a running maximum and sum (Milakov and Gimelshein, 2018)."""
    _, kv_heads, page_tokens, _ = cache.k.shape
    grouped = group_queries(q, kv_heads)
    b = q.shape[0]
    chunk_pages = max(1, (DECODE_CHUNK if q.shape[1] == 1 else PREFILL_CHUNK) // page_tokens)
    chunk_tokens = chunk_pages * page_tokens
    page_table = jnp.pad(page_table, ((0, 0), (0, -page_table.shape[1] % chunk_pages)))
    first, last = (positions, positions) if together is None else together
    last = last.max(axis=1)

    def gather(pool: jax.Array, pages: jax.Array) -> jax.Array:
        return jnp.swapaxes(pool[pages], 1, 2).reshape(b, kv_heads, chunk_tokens, *pool.shape[3:])

    def step(chunk: jax.Array, carry: tuple[jax.Array, jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array, jax.Array]:
        top, total, out = carry
        pages = jax.lax.dynamic_slice(page_table, (0, chunk * chunk_pages), (b, chunk_pages))
        key_positions = chunk * chunk_tokens + jnp.arange(chunk_tokens)[None]
        seen = visible(positions, key_positions, spec.window, together)
        scale = None if cache.k_scale is None else gather(cache.k_scale, pages)
        raw = scores(grouped, gather(cache.k, pages).astype(q.dtype), seen, spec, scale)
        new_top = jnp.maximum(top, raw.max(-1))
        # exp(MASKED - MASKED) is 1: a row whose keys are all masked so far must add nothing.
        weights = jnp.where(seen[:, None, None], jnp.exp(raw - new_top[..., None]), 0.0)
        kept = jnp.exp(top - new_top)
        # What an earlier owner left in a page may be NaN, and 0 * NaN is NaN.
        owned = (key_positions <= last[:, None])[:, None, :]
        values = jnp.where(owned[..., None], gather(cache.v, pages).astype(q.dtype), 0)
        factors = weights
        if cache.v_scale is not None:
            factors *= jnp.where(owned, gather(cache.v_scale, pages), 0)[:, :, None, None]
        added = jnp.einsum("bkgts,bksh->bkgth", factors.astype(q.dtype), values, preferred_element_type=jnp.float32)
        return new_top, total * kept + weights.sum(-1), out * kept[..., None] + added

    # Padding (-1) must not pull the first chunk of a sliding layer back to 0.
    end = page_table.shape[1] * page_tokens
    lowest, alike = (jnp.where(positions < 0, end, array).min() for array in (positions, first))
    start: int | jax.Array = 0
    if spec.window is not None:
        start = jnp.maximum(jnp.minimum(lowest - spec.window + 1, alike), 0) // chunk_tokens
    empty = (jnp.full(grouped.shape[:-1], MASKED), jnp.zeros(grouped.shape[:-1]), jnp.zeros(grouped.shape, jnp.float32))
    _, total, out = jax.lax.fori_loop(start, last.max() // chunk_tokens + 1, step, empty)
    return ungroup_queries((out / jnp.where(total > 0, total, 1.0)[..., None]).astype(q.dtype))
