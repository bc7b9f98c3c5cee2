"""Attention back ends behind one narrow seam: write the new keys and values, attend over what is in use.

A back end owns how keys and values lie in memory. The engine knows of pages only that a row's page table lists them,
that one can be copied and what one costs; the decoder only that `Attend` writes and attends.
"""

from dataclasses import dataclass
from typing import Any, Protocol

import jax

LayerCache = Any
"""One layer's keys and values as its back end lays them out; None where nothing is cached (training, parity)."""
Cache = tuple[LayerCache, ...]
"""One entry per layer, a pytree of arrays."""


@dataclass(frozen=True)
class AttentionSpec:
    """What one layer's attention needs to know besides its arrays.

    scale: factor on the query-key products. window: a query at position p sees keys p - window + 1 .. p, None for all.
    softcap: scores become softcap * tanh(scores / softcap), None for off.
    """

    scale: float
    window: int | None = None
    softcap: float | None = None


@dataclass(frozen=True)
class KVSpec:
    """What one layer keeps per position: K heads of H numbers for its keys and as many for its values."""

    kv_heads: int
    head_dim: int


class Attend(Protocol):
    """Writes the new keys and values of one forward call and attends over what is cached.

    A pytree, called once per layer inside a trace.
    """

    def __call__(
        self,
        cache: LayerCache,
        q: jax.Array,
        k: jax.Array,
        v: jax.Array,
        positions: jax.Array,
        spec: AttentionSpec,
    ) -> tuple[jax.Array, LayerCache]:
        """q [B, T, N, H], k and v [B, T, K, H], positions int32 [B, T] -> out [B, T, N, H] and the layer's next cache.

        k and v belong at `positions` of their rows; a query sees every key of its row up to its own position, and
        those that it is together with.
        Position -1 means that there is no token: nothing is written for it, and what comes out for it is finite and
        without meaning.
        """
        ...


class AttentionBackend(Protocol):
    """How a model's keys and values are kept and attended. Holds no arrays; every method may be called in a trace."""

    @property
    def page_tokens(self) -> int:
        """L, positions of one page."""
        ...

    @property
    def page_bytes(self) -> int:
        """Bytes that one page takes in all layers."""
        ...

    def init_cache(self, pages: int) -> Cache:
        """An empty cache of `pages` pages, which all layers share out alike."""
        ...

    def cache_axes(self) -> tuple[Any, ...]:
        """A pytree like `init_cache`'s, with the letters of each array's axes in place of the array (sharding.py)."""
        ...

    def attend(self, page_table: jax.Array, together: jax.Array | None = None) -> Attend:
        """The attention of a call whose row b has its positions in the pages page_table[b], in order.

        page_table: int32 [B, M]. What stands behind a row's last page is never seen, but must be a page. together:
        int32 [2, B, T], for each token of the call the first and the last of the positions that see each other, even
        out of a window's sight: of a picture, perhaps, or its own alone. They are in the cache, or this call writes
        them. None where all are alone.
        """
        ...

    def copy_page(self, cache: Cache, source: jax.Array, target: jax.Array) -> Cache:
        """The cache with page `target` made equal to page `source`, int32 scalars."""
        ...
