"""The hidden states of chunks of texts as one vector of each, on the device."""

import jax
import jax.numpy as jnp

from backend.pooling import PoolingMode


def pool_chunks(mode: PoolingMode, hidden: jax.Array, present: jax.Array, starts: jax.Array) -> jax.Array:
    """What `backend.pooling.joined` makes the vector of a text of, float32 [B, D].

    hidden: [B, T, D]. present: bool [B, T], which are tokens; others only stand behind them. starts: int32 [B], the
    position of the first.
    """
    wide, seen = hidden.astype(jnp.float32), present[..., None]
    match mode:
        case "cls":
            return wide[:, 0]
        case "lasttoken":
            last = jnp.maximum(present.sum(1) - 1, 0)
            return jnp.take_along_axis(wide, last[:, None, None], axis=1)[:, 0]
        case "max":
            return jnp.where(seen, wide, -jnp.inf).max(1)
        case "mean" | "mean_sqrt_len_tokens":
            return jnp.where(seen, wide, 0).sum(1)
        case "weightedmean":
            places = (starts[:, None] + jnp.arange(1, hidden.shape[1] + 1)).astype(jnp.float32)
            return jnp.where(seen, wide * places[..., None], 0).sum(1)
