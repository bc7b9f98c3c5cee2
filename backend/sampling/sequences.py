"""Filters that look at the order of the tokens that a row has, where penalties count them.

tokens: int32 [B, S], prompt and output by their position. length: int32 [B], how many of them there are, which is the
position of the token that is to be drawn. Logits are float32 [B, V].
"""

import jax
import jax.numpy as jnp

from backend.sampling import kernels
from backend.target import platform


def repeated_ngrams(tokens: jax.Array, length: jax.Array, n: jax.Array, vocab: int) -> jax.Array:
    """bool [B, V]: the tokens that would end a sequence of `n` tokens, int32 [B], that is there already.

    0 is off. As `no_repeat_ngram_size` of transformers (Paulus et al., 2017; Klein et al., 2017).
    """
    if platform() == "gpu":  # where the host would drive the loop
        return _marked(tokens, kernels.ngram_ends(tokens, length, n), vocab)
    index = jnp.arange(tokens.shape[1])
    ends = (index >= n[:, None] - 1) & (index < length[:, None]) & (n > 0)[:, None]

    def same(back: jax.Array, ends: jax.Array) -> jax.Array:
        last = jnp.take_along_axis(tokens, jnp.maximum(length - back, 0)[:, None], axis=1)
        return ends & ((jnp.roll(tokens, back, axis=1) == last) | (back >= n)[:, None])

    return _marked(tokens, jax.lax.fori_loop(1, n.max(), same, ends), vocab)


def completed_sequences(tokens: jax.Array, length: jax.Array, sequences: jax.Array, vocab: int) -> jax.Array:
    """bool [B, V]: the tokens that would complete a sequence whose other tokens are the last of the row.

    sequences: int32 [B, N, 3], one token of a sequence after the other, and of each: the token, -1 for none; how many
    of its sequence follow it; with the last one, how many tokens the sequence has, 0 with others.
    """
    token, behind, size = (sequences[..., i] for i in range(3))
    at = length[:, None] - behind
    other = (behind > 0) & ((at < 0) | (jnp.take_along_axis(tokens, jnp.maximum(at, 0), axis=1) != token))
    others = jnp.cumsum(other, axis=1)
    before = jnp.arange(token.shape[1]) - size
    earlier = jnp.where(before < 0, 0, jnp.take_along_axis(others, jnp.maximum(before, 0), axis=1))
    return _marked(token, (size > 0) & (others == earlier), vocab)


def ban(logits: jax.Array, banned: jax.Array) -> jax.Array:
    """The logits with -inf for what is `banned`, bool [B, V]; a row of which that would leave nothing keeps all."""
    left = jnp.where(banned, -jnp.inf, logits)
    return jnp.where((left > -jnp.inf).any(-1, keepdims=True), left, logits)


def force(logits: jax.Array, tokens: jax.Array, forced: jax.Array) -> jax.Array:
    """0 for `tokens`, int32 [B], and -inf for all others, in the rows that are `forced`, bool [B]."""
    only = jnp.where(jnp.arange(logits.shape[1]) == tokens[:, None], 0.0, -jnp.inf)
    return jnp.where(forced[:, None], only, logits)


def _marked(tokens: jax.Array, marks: jax.Array, vocab: int) -> jax.Array:
    """bool [B, V], the tokens of each row that are marked somewhere. marks: bool, of the shape of `tokens`."""
    rows, nowhere = jnp.arange(tokens.shape[0])[:, None], vocab
    return jnp.zeros((tokens.shape[0], vocab), bool).at[rows, jnp.where(marks, tokens, nowhere)].set(True, mode="drop")
