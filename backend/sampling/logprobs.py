"""Log-probabilities under the model itself, before every filter."""

import jax
import jax.numpy as jnp
from jax.sharding import PartitionSpec

from backend.sharding import on_each_device, split_over

MAX_TOP = 20
"""How many of the likeliest tokens are kept at most for each position."""


def of_tokens(logits: jax.Array, tokens: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    """(log-probabilities of `tokens` int32 [B] under logits float32 [B, V], top ids [B, 20], top values [B, 20]).

    Natural logarithms. Top entries are ordered likeliest first; a vocabulary under 20 gives as many as it has.
    """
    logprobs = jax.nn.log_softmax(logits, axis=-1)
    ids = largest(logits, min(MAX_TOP, logits.shape[-1]))
    chosen = jnp.take_along_axis(logprobs, tokens[:, None], axis=-1)[:, 0]
    return chosen, ids, jnp.take_along_axis(logprobs, ids, axis=-1)


def largest(logits: jax.Array, count: int) -> jax.Array:
    """int32 [B, count], where the largest of logits [B, V] are, the largest first, of equals the first.

    Where the vocabulary is split over devices, each gives the others as many of its own, and no more.
    """
    axes = split_over("V", logits.shape[-1])
    if not axes:
        return jax.lax.top_k(logits, count)[1].astype(jnp.int32)

    def merged(own: jax.Array) -> jax.Array:
        values, ids = jax.lax.top_k(own, min(count, own.shape[-1]))
        ids = ids + jax.lax.axis_index(axes) * own.shape[-1]
        values, ids = (jax.lax.all_gather(x, axes, axis=1, tiled=True) for x in (values, ids))
        return jnp.take_along_axis(ids, jax.lax.top_k(values, count)[1], axis=1).astype(jnp.int32)

    ids: jax.Array = on_each_device(merged, PartitionSpec(None, axes), PartitionSpec())(logits)
    return ids
