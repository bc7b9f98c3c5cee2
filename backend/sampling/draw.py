"""Random draws whose outcome depends on the row's own key and the token's position, and on nothing else."""

import jax
import jax.numpy as jnp

from backend import native


def step_keys(key: jax.Array, position: jax.Array) -> tuple[jax.Array, jax.Array]:
    """(coin keys, draw keys), each [B], for the token at `position` int32 [B]; key: uint32 [B, 2]."""
    rows = jax.random.wrap_key_data(key, impl="threefry2x32")
    pairs = jax.vmap(lambda k, p: jax.random.split(jax.random.fold_in(k, p)))(rows, position)
    return pairs[:, 0], pairs[:, 1]


def coin(keys: jax.Array, probability: jax.Array) -> jax.Array:
    """bool [B], true with `probability` float32 [B]: never at 0, always at 1."""
    return jax.vmap(jax.random.uniform)(keys) < probability


def gumbel_max(keys: jax.Array, logits: jax.Array) -> jax.Array:
    """One token per row, int32 [B], drawn from softmax(logits [B, V]) (Gumbel, 1954; Maddison et al., 2014)."""
    noise = jax.vmap(lambda k: jax.random.gumbel(k, logits.shape[1:], jnp.float32))(keys)
    return native.argmax(logits + noise)
