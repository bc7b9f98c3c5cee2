"""Attention over the given tokens alone: training and whole-sequence parity. The cache is passed through untouched."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp

from backend.attention import AttentionSpec, LayerCache
from backend.attention.masks import group_queries, scores, ungroup_queries, visible


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class UncachedAttend:
    """`Attend` among a row's own tokens; with `segments` int32 [B, T], among tokens of one segment only.

    together: int32 [2, B, T], first and last of the positions that see each other, None where there are none.
    Packed rows restart their positions at every segment, so positions alone cannot tell two segments apart.
    """

    segments: jax.Array | None = None
    together: jax.Array | None = None

    def __call__(
        self, cache: LayerCache, q: jax.Array, k: jax.Array, v: jax.Array, positions: jax.Array, spec: AttentionSpec
    ) -> tuple[jax.Array, LayerCache]:
        """q [B, T, N, H], k and v [B, T, K, H], positions int32 [B, T] -> out [B, T, N, H] and `cache` as it came.

        A token at position -1 is none: nothing sees it, and what comes out for it has no meaning.
        """
        keys, values = k.transpose(0, 2, 1, 3), v.transpose(0, 2, 1, 3)
        seen = visible(positions, positions, spec.window, self.together)
        if self.segments is not None:
            seen &= self.segments[:, :, None] == self.segments[:, None, :]
        weights = jax.nn.softmax(scores(group_queries(q, k.shape[2]), keys, seen, spec), axis=-1)
        out = jnp.einsum("bkgts,bksh->bkgth", weights.astype(v.dtype), values)
        return ungroup_queries(out), cache
