"""Penalties on tokens that occurred already. All take and give float32 logits [B, V]; parameters are float32 [B]."""

import jax
import jax.numpy as jnp


def repetition(logits: jax.Array, seen: jax.Array, penalty: jax.Array) -> jax.Array:
    """Divide positive and multiply negative logits of seen tokens by `penalty` (Keskar et al., 2019, CTRL).

    seen: bool [B, V], tokens of the prompt and of the output so far.
    """
    factor = penalty[:, None]
    return jnp.where(seen, jnp.where(logits > 0, logits / factor, logits * factor), logits)


def presence_and_frequency(
    logits: jax.Array, counts: jax.Array, presence: jax.Array, frequency: jax.Array
) -> jax.Array:
    """Subtract `presence` once and `frequency` per occurrence. counts: int32 [B, V], occurrences in the output only."""
    return logits - presence[:, None] * (counts > 0) - frequency[:, None] * counts
