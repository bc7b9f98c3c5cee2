"""The reference back end: pages of keys and values, gathered chunk by chunk. The oracle for the others."""

from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from backend.attention import Attend, AttentionSpec, Cache, KVSpec
from backend.attention.chunks import Chunk, Extent, running_softmax
from backend.attention.masks import sight
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
        kv_heads, page_tokens = cache.k.shape[1:3]
        chunk_pages = max(1, (DECODE_CHUNK if q.shape[1] == 1 else PREFILL_CHUNK) // page_tokens)
        extent = Extent(kv_heads, page_tokens, chunk_pages)
        seen = sight(positions, spec.window, self.together)
        return running_softmax(partial(_read, cache), extent, q, self.page_table, seen, spec), cache


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


def _read(cache: Pages, pages: jax.Array) -> Chunk:
    """The positions of pages int32 [B, C]."""

    def gather(pool: jax.Array) -> jax.Array:
        b, kv_heads, page_tokens = pages.shape[0], *pool.shape[1:3]
        chunk_tokens = pages.shape[1] * page_tokens
        return jnp.swapaxes(pool[pages], 1, 2).reshape(b, kv_heads, chunk_tokens, *pool.shape[3:])

    scales = (None if pool is None else gather(pool) for pool in cache[2:])
    return Chunk(gather(cache.k), gather(cache.v), *scales)
