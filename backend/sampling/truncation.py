"""Filters that take tokens out of the draw. All take and give float32 logits [B, V] with -inf for what is out.

Probabilities are those of the logits as they come in: what an earlier filter took out counts no more.
Parameters are float32 [B] (top_k: int32); each filter leaves a row alone where its parameter is off.
"""

import jax
import jax.numpy as jnp

from backend.sampling.threshold import upper_set_mask


def top_k(logits: jax.Array, k: jax.Array) -> jax.Array:
    """Keep the k likeliest tokens, and all that tie with the last of them (Fan et al., 2018). 0 is off."""
    keep = upper_set_mask(logits, jnp.ones_like(logits), k.astype(jnp.float32))
    return jnp.where(keep | (k == 0)[:, None], logits, -jnp.inf)


def top_p(logits: jax.Array, p: jax.Array) -> jax.Array:
    """Keep the likeliest tokens until their probabilities reach p, ties included (Holtzman et al., 2020). 1 is off."""
    probabilities = jax.nn.softmax(logits, axis=-1)
    keep = upper_set_mask(probabilities, probabilities, p)
    return jnp.where(keep | (p >= 1)[:, None], logits, -jnp.inf)


def min_p(logits: jax.Array, p: jax.Array) -> jax.Array:
    """Keep tokens of at least p times the likeliest one's probability (Nguyen et al., 2024). 0 is off."""
    # Differences, because adding log(p) to a large logit would round it away.
    below = logits - logits.max(-1, keepdims=True)
    return jnp.where(below >= jnp.log(p)[:, None], logits, -jnp.inf)


def xtc(logits: jax.Array, threshold: jax.Array, chosen: jax.Array, protected: jax.Array) -> jax.Array:
    """Exclude top choices: of the tokens at or above `threshold`, keep only the least likely, ties included.

    chosen: bool [B], the outcome of the row's coin for this token. protected: bool [B, V], tokens never taken out, such
    as end tokens. A threshold of 0 is off. Where fewer than two tokens qualify, nothing goes. Source: the sampler's
    definition in the API document; first described by p-e-w, 2024 ("Exclude Top Choices").
    """
    probabilities = jax.nn.softmax(logits, axis=-1)
    qualifies = (probabilities >= threshold[:, None]) & jnp.isfinite(logits)
    least = jnp.where(qualifies, probabilities, jnp.inf).min(-1, keepdims=True)
    on = chosen & (threshold > 0)
    return jnp.where(qualifies & (probabilities > least) & ~protected & on[:, None], -jnp.inf, logits)
