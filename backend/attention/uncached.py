"""Attention over the given tokens alone: training and whole-sequence parity. The cache is passed through untouched."""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from backend.attention import Attend, AttentionSpec, LayerCache
from backend.attention.masks import group_queries, scores, ungroup_queries, visible


def uncached(segments: jax.Array | None = None) -> Attend:
    """Causal attention among a row's own tokens; with `segments` int32 [B, T], among tokens of one segment only.

    Packed rows restart their positions at every segment, so positions alone cannot tell two segments apart.
    """
    same: Callable[[jax.Array], jax.Array] = (
        (lambda seen: seen)
        if segments is None
        else (lambda seen: seen & (segments[:, :, None] == segments[:, None, :]))
    )

    def attend(
        cache: LayerCache, q: jax.Array, k: jax.Array, v: jax.Array, positions: jax.Array, spec: AttentionSpec
    ) -> tuple[jax.Array, LayerCache]:
        keys, values = k.transpose(0, 2, 1, 3), v.transpose(0, 2, 1, 3)
        seen = same(visible(positions, positions, spec.window))
        weights = jax.nn.softmax(scores(group_queries(q, k.shape[2]), keys, seen, spec), axis=-1)
        out = jnp.einsum("bkgts,bksh->bkgth", weights.astype(v.dtype), values)
        return ungroup_queries(out), cache

    return attend
