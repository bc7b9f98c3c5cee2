"""Pages whose positions lie one after the other, all heads of a position together: the layout of accelerators.

A TPU keeps the last two axes of an array in tiles, and XLA chooses one layout for an array that a scatter writes and a
gather reads: with the heads of a position apart the two want different ones, and XLA keeps a second pool and copies it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax.sharding import Mesh, PartitionSpec

from backend.attention import Attend, AttentionSpec, KVSpec
from backend.attention.chunks import Chunk, Extent, running_softmax
from backend.attention.masks import Sight, sight
from backend.attention.quantization import is_scaled, quantize
from backend.attention.reference import PagedAttention, Pages
from backend.sharding import HEADS, on_each_device

CHUNK = 512
"""Key positions per step of the running softmax."""


@dataclass(frozen=True)
class FlatPagedAttention(PagedAttention):
    """A `PagedAttention` of pools [P, L, K * H], scales float32 [P, L, K]: written and attended by XLA's own code.

    mesh: devices over whose heads the layers' heads are split, None for one device. interpret: run kernels without the
    device that they are for, step by step.
    """

    mesh: Mesh | None = None
    interpret: bool = False

    def init_cache(self, pages: int) -> tuple[Pages, ...]:
        """An empty pool per layer, keys and values [P, L, K * H] for P = `pages`."""
        return tuple(self._empty(pages, layer) for layer in self.layers)

    def width(self, layer: KVSpec) -> int:
        """Numbers of a position, of keys and of values each."""
        return layer.kv_heads * layer.head_dim

    def _empty(self, pages: int, layer: KVSpec) -> Pages:
        shape = (pages, self.page_tokens)
        kept = [jnp.zeros((*shape, self.width(layer)), self.dtype) for _ in range(2)]
        scaled = is_scaled(self.dtype)
        return Pages(*kept, *(self.no_scales(pages, layer.kv_heads) if scaled else None for _ in range(2)))

    def no_scales(self, pages: int, kv_heads: int) -> jax.Array:
        """Scales of a pool whose numbers are all zero."""
        return jnp.zeros((pages, self.page_tokens, kv_heads), jnp.float32)

    def put_scales(self, pool: jax.Array, scales: jax.Array, pages: jax.Array, places: jax.Array) -> jax.Array:
        """The pool of scales with float32 [B, T, K] at the places int32 [B, T] of their pages int32 [B, T].

        What is beyond the last page is dropped.
        """
        return pool.at[pages, places].set(scales, mode="drop")

    def cache_axes(self) -> tuple[Any, ...]:
        """The letters of each array's axes in place of the array: P, L, and K for K * H as well (sharding.py)."""
        scales = ("PLK", "PLK") if is_scaled(self.dtype) else (None, None)
        return tuple(Pages("PLK", "PLK", *scales) for _ in self.layers)  # type: ignore[arg-type]

    def attend(self, page_table: jax.Array, together: jax.Array | None = None) -> Attend:
        """Attention over the pages of page_table int32 [B, M]. together: int32 [2, B, T]."""
        return FlatAttend(page_table, together, self)

    def compute(
        self, cache: Pages, q: jax.Array, page_table: jax.Array, seen: Sight, spec: AttentionSpec, kv_heads: int
    ) -> jax.Array:
        """Queries [B, T, N, H] over what the pools of one device, with K = `kv_heads`, have of their rows -> the same.

        What comes out for a token that sees nothing is zeros.
        """
        extent = Extent(kv_heads, self.page_tokens, max(1, CHUNK // self.page_tokens))
        return running_softmax(partial(read, cache, kv_heads), extent, q, page_table, seen, spec)


@partial(jax.tree_util.register_dataclass, data_fields=["page_table", "together"], meta_fields=["backend"])
@dataclass(frozen=True)
class FlatAttend:
    """`Attend` over the pages page_table[b] of row b. page_table: int32 [B, M]; together: int32 [2, B, T]."""

    page_table: jax.Array
    together: jax.Array | None
    backend: FlatPagedAttention

    def __call__(
        self, cache: Pages, q: jax.Array, k: jax.Array, v: jax.Array, positions: jax.Array, spec: AttentionSpec
    ) -> tuple[jax.Array, Pages]:
        """As `reference.PagedAttend`; what comes out for a token at position -1 is zeros."""
        cache, mesh = write(cache, k, v, self.page_table, positions, self.backend.put_scales), self.backend.mesh
        seen = sight(positions, spec.window, self.together)
        kv_heads = k.shape[2] if mesh is None else k.shape[2] // mesh.shape[HEADS]
        call = partial(self.backend.compute, spec=spec, kv_heads=kv_heads)
        return (call if mesh is None else by_heads(call))(cache, q, self.page_table, seen), cache


def by_heads(call: Callable[..., jax.Array]) -> Callable[..., jax.Array]:
    """call(cache, q, page_table, seen) -> [B, T, N, H] with each device's own heads of the pools and of q [B, T, N, H].

    XLA does not split kernels of others.
    """
    heads, whole = PartitionSpec(None, None, HEADS), PartitionSpec()
    return on_each_device(call, (heads, heads, whole, whole), heads)


def write(
    cache: Pages,
    k: jax.Array,
    v: jax.Array,
    page_table: jax.Array,
    positions: jax.Array,
    put_scales: Callable[[jax.Array, jax.Array, jax.Array, jax.Array], jax.Array],
) -> Pages:
    """The pools with new keys and values [B, T, K, H] at `positions` int32 [B, T] of their rows, as they are kept.

    page_table: int32 [B, M]. Position -1 writes nothing. put_scales: a back end's.
    """
    (keys, key_scales), (values, value_scales) = quantize(k, cache.k.dtype), quantize(v, cache.v.dtype)
    page_tokens = cache.k.shape[1]
    pages = jnp.take_along_axis(page_table, jnp.maximum(positions, 0) // page_tokens, axis=1)
    # A negative index would wrap around; one past the end is dropped.
    pages = jnp.where(positions < 0, cache.k.shape[0], pages)

    places = positions % page_tokens

    def put(pool: jax.Array, new: jax.Array) -> jax.Array:
        flat = new.reshape(*positions.shape, -1)
        flat = jnp.pad(flat, ((0, 0), (0, 0), (0, pool.shape[-1] - flat.shape[-1])))
        return pool.at[pages, places].set(flat, mode="drop")

    scales = (
        None if pool is None or new is None else put_scales(pool, new, pages, places)
        for pool, new in ((cache.k_scale, key_scales), (cache.v_scale, value_scales))
    )
    return Pages(put(cache.k, keys), put(cache.v, values), *scales)


def read(cache: Pages, kv_heads: int, pages: jax.Array) -> Chunk:
    """The positions of pages int32 [B, C], of pools with K = `kv_heads`."""

    def gather(pool: jax.Array, *heads: int) -> jax.Array:
        positions = pool[pages].reshape(pages.shape[0], pages.shape[1] * pool.shape[1], kv_heads, *heads)
        return jnp.swapaxes(positions, 1, 2)

    scales = (None if pool is None else gather(pool) for pool in cache[2:])
    return Chunk(gather(cache.k, -1), gather(cache.v, -1), *scales)
