"""Token masks, one bit per token: token t is bit t // W of word t % W, so that unpacking runs along the words."""

import jax
import jax.numpy as jnp
import numpy as np


def pack(flags: jax.Array) -> jax.Array:
    """Masks of one bool per token, bool [..., 32 * W], to packed ones, uint32 [..., W]."""
    planes = flags.reshape(*flags.shape[:-1], 32, -1).astype(jnp.uint32)
    return (planes << jnp.arange(32, dtype=jnp.uint32)[:, None]).sum(-2, dtype=jnp.uint32)


def unpack(bits: jax.Array) -> jax.Array:
    """Packed masks, uint32 [B, W], to one bool per token, bool [B, 32 * W]; those beyond the vocabulary are padding."""
    planes = (bits[:, None, :] >> jnp.arange(32, dtype=jnp.uint32)[:, None]) & 1
    return planes.reshape(bits.shape[0], -1) != 0


def pack_tokens(tokens: jax.Array, flags: jax.Array, words: int) -> jax.Array:
    """The mask, uint32 [words], in which each of `tokens` int32 [...] has its flag, bool [...], and no other has any.

    A token whose flag is set must not occur twice.
    """
    values = flags.astype(jnp.uint32) << (tokens // words).astype(jnp.uint32)
    return jnp.zeros(words, jnp.uint32).at[tokens % words].add(values)


def pack_flags(flags: np.ndarray, words: int) -> np.ndarray:
    """bool [at most 32 * W] to uint32 [W] on the host; what is missing is 0."""
    planes = np.zeros(32 * words, np.uint32)
    planes[: flags.size] = flags
    return np.bitwise_or.reduce(planes.reshape(32, words) << np.arange(32, dtype=np.uint32)[:, None], axis=0)
