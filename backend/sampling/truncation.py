"""Filters that take tokens out of the draw: all below some logit, or, for XTC, from some logit on.

All take float32 logits [B, V] with -inf for what is out, and give that logit, float32 [B]: what is kept of a row is one
comparison, so that no filter has to copy logits, neither when it applies nor when it does not.
Probabilities are those of the logits as they come in: what an earlier filter took out counts no more.
Parameters are float32 [B] (top_k: int32); each filter leaves a row alone where its parameter is off.
"""

import jax
import jax.numpy as jnp

from backend.sampling.threshold import least_taken


def top_k(logits: jax.Array, k: jax.Array) -> jax.Array:
    """The least logit among the k likeliest tokens, and all that tie with it stay (Fan et al., 2018). 0 is off."""
    return jnp.where(k == 0, -jnp.inf, least_taken(logits, jnp.ones_like(logits), k.astype(jnp.float32)))


def top_p(logits: jax.Array, p: jax.Array) -> jax.Array:
    """The least logit among the likeliest tokens whose probabilities reach p, ties included (Holtzman et al., 2020).

    1 is off.
    """
    probabilities = jax.nn.softmax(logits, axis=-1)
    keep = probabilities >= least_taken(probabilities, probabilities, p)[:, None]
    return jnp.where(p >= 1, -jnp.inf, _least(logits, keep))


def min_p(logits: jax.Array, p: jax.Array) -> jax.Array:
    """The least logit of at least p times the likeliest token's probability (Nguyen et al., 2024). 0 is off."""
    # Differences, because adding log(p) to a large logit would round it away.
    below = logits - logits.max(-1, keepdims=True)
    return jnp.where(p == 0, -jnp.inf, _least(logits, below >= jnp.log(p)[:, None]))


def xtc(logits: jax.Array, threshold: jax.Array, chosen: jax.Array) -> jax.Array:
    """Exclude top choices: of the tokens at or above `threshold`, only the least likely stay, ties included.

    Gives the least logit that goes, inf where none does. chosen: bool [B], the outcome of the row's coin for this
    token. A threshold of 0 is off. Where fewer than two tokens qualify, nothing goes. Source: the sampler's definition
    in the API document; first described by p-e-w, 2024 ("Exclude Top Choices").
    """
    probabilities = jax.nn.softmax(logits, axis=-1)
    qualifies = (probabilities >= threshold[:, None]) & jnp.isfinite(logits)
    least = jnp.where(qualifies, probabilities, jnp.inf).min(-1, keepdims=True)
    return jnp.where(chosen & (threshold > 0), _least(logits, qualifies & (probabilities > least)), jnp.inf)


def _least(logits: jax.Array, some: jax.Array) -> jax.Array:
    """float32 [B], the least of `some` logits of each row, inf where there is none."""
    return jnp.where(some, logits, jnp.inf).min(-1)
