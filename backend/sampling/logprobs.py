"""Log-probabilities under the model itself, before every filter."""

import jax
import jax.numpy as jnp

MAX_TOP = 20
"""How many of the likeliest tokens are kept at most for each position."""


def of_tokens(logits: jax.Array, tokens: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    """(log-probabilities of `tokens` int32 [B] under logits float32 [B, V], top ids [B, 20], top values [B, 20]).

    Natural logarithms. Top entries are ordered likeliest first; a vocabulary under 20 gives as many as it has.
    """
    logprobs = jax.nn.log_softmax(logits, axis=-1)
    _, ids = jax.lax.top_k(logits, min(MAX_TOP, logits.shape[-1]))
    chosen = jnp.take_along_axis(logprobs, tokens[:, None], axis=-1)[:, 0]
    return chosen, ids.astype(jnp.int32), jnp.take_along_axis(logprobs, ids, axis=-1)
