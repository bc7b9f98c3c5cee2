"""Which keys a query sees, and the scores before softmax: shared by every back end written in plain JAX."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from backend.attention import AttentionSpec

MASKED = -1e30
"""Score of a key that a query must not see: finite, so that a wholly masked chunk yields 0 and not NaN."""


def visible(
    query_positions: jax.Array, key_positions: jax.Array, window: int | None, together: jax.Array | None = None
) -> jax.Array:
    """Which keys each query may see, bool [B, T, S]: none that come later, and only the last `window` if that is set.

    query_positions: int32 [B, T]. key_positions: int32 [B, S], -1 where there is no key. together: int32 [2, B, T], the
    first and the last of the positions that see each other whatever else holds; None where there are none.
    """
    queries, keys = query_positions[:, :, None], key_positions[:, None, :]
    first, last = (queries, queries) if together is None else together[..., None]
    seen = (keys <= last) & (keys >= 0)
    return seen if window is None else seen & ((queries - keys < window) | (keys >= first))


class Sight(NamedTuple):
    """The first and last key position that each query sees, int32 [B, T]: all between them, none where last is -1."""

    first: jax.Array
    last: jax.Array


def sight(positions: jax.Array, window: int | None, together: jax.Array | None = None) -> Sight:
    """What `visible` lets queries at positions int32 [B, T] see of a row's cache. together: int32 [2, B, T]."""
    first, last = (positions, positions) if together is None else together
    start = jnp.zeros_like(positions) if window is None else jnp.minimum(positions - window + 1, first)
    return Sight(jnp.maximum(start, 0), jnp.where(positions < 0, -1, last))


def scores(
    q: jax.Array, k: jax.Array, seen: jax.Array, spec: AttentionSpec, k_scale: jax.Array | None = None
) -> jax.Array:
    """Masked float32 scores [B, K, G, T, S] of grouped queries [B, K, G, T, H] against keys [B, K, S, H].

    k_scale: float32 [B, K, S], what each key is to be multiplied by; None for 1.
    """
    raw = jnp.einsum("bkgth,bksh->bkgts", q, k, preferred_element_type=jnp.float32) * spec.scale
    if k_scale is not None:
        raw *= k_scale[:, :, None, None]
    if spec.softcap is not None:
        raw = spec.softcap * jnp.tanh(raw / spec.softcap)
    return jnp.where(seen[:, None, None], raw, MASKED)


def group_queries(q: jax.Array, kv_heads: int) -> jax.Array:
    """[B, T, N, H] -> [B, K, G, T, H]: query head n belongs to kv head n // G (Ainslie et al., 2023, GQA)."""
    b, t, n, h = q.shape
    return q.reshape(b, t, kv_heads, n // kv_heads, h).transpose(0, 2, 3, 1, 4)


def ungroup_queries(out: jax.Array) -> jax.Array:
    """[B, K, G, T, H] -> [B, T, N, H], the inverse of `group_queries`."""
    b, k, g, t, h = out.shape
    return out.transpose(0, 3, 1, 2, 4).reshape(b, t, k * g, h)
