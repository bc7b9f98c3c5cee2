"""The sampling parameters of all rows, as arrays beside the decode state."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from backend.request import MAX_BANNED_TOKENS, SamplingParams

_INTEGERS = ("top_k", "min_tokens", "max_tokens", "no_repeat_ngram", "num_banned", "num_forced")


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class SamplingArrays:
    """One entry per row; on the host a row's scalars, on the device B or all R of them. Meanings: `SamplingParams`.

    key: uint32 [B, 2], the row's seed as threefry key data. bias: float32 [B, V]. is_end: bool [B, V], end tokens.
    banned: int32 [B, MAX_BANNED_TOKENS, 3], see `sequences.completed_sequences`; num_banned: int32 [B], how many.
    num_forced: int32 [B], how many tokens are forced; these stand in the row's history.
    min_tokens, max_tokens, top_k, no_repeat_ngram: int32 [B]. The rest: float32 [B].
    """

    temperature: jax.Array
    top_k: jax.Array
    top_p: jax.Array
    min_p: jax.Array
    xtc_threshold: jax.Array
    xtc_probability: jax.Array
    repetition_penalty: jax.Array
    presence_penalty: jax.Array
    frequency_penalty: jax.Array
    min_tokens: jax.Array
    max_tokens: jax.Array
    no_repeat_ngram: jax.Array
    num_banned: jax.Array
    num_forced: jax.Array
    banned: jax.Array
    key: jax.Array
    bias: jax.Array
    is_end: jax.Array


def empty(rows: int, vocab: int) -> SamplingArrays:
    """Zeros for `rows` (R) rows that hold no sequence yet, on the device."""
    one = row(SamplingParams(max_tokens=1, end_tokens=()), 0, vocab)
    return jax.tree.map(lambda x: jnp.zeros((rows, *x.shape), x.dtype), one)


def row(params: SamplingParams, seed: int, vocab: int) -> SamplingArrays:
    """The parameters of one choice as numpy arrays, without the leading row axis. seed: -2**63 .. 2**64 - 1."""
    bias, is_end = np.zeros(vocab, np.float32), np.zeros(vocab, bool)
    bias[list(params.logit_bias)] = list(params.logit_bias.values())
    is_end[list(params.end_tokens)] = True
    values: dict[str, Any] = {"key": key_data(seed), "bias": bias, "is_end": is_end, "banned": _banned(params.banned)}
    counts = {"num_banned": len(params.banned), "num_forced": len(params.forced)}
    for name in (f.name for f in fields(SamplingArrays) if f.name not in values):
        value = counts[name] if name in counts else getattr(params, name)
        values[name] = np.asarray(np.int32(value) if name in _INTEGERS else _float32(value))
    return SamplingArrays(**values)


def _banned(sequences: Sequence[Sequence[int]]) -> np.ndarray:
    """int32 [MAX_BANNED_TOKENS, 3]: the sequences as `sequences.completed_sequences` has them."""
    banned = np.tile(np.asarray([-1, 0, 0], np.int32), (MAX_BANNED_TOKENS, 1))
    start = 0
    for tokens in sequences:
        end = start + len(tokens)
        banned[start:end, 0], banned[start:end, 1] = tokens, np.arange(len(tokens))[::-1]
        banned[end - 1, 2] = len(tokens)
        start = end
    return banned


def _float32(value: float) -> np.float32:
    """The value within 1e-30 .. 1e30 of either sign: only 0 becomes 0, which means off, and arithmetic stays finite."""
    return np.float32(value and np.copysign(np.clip(abs(value), 1e-30, 1e30), value))


def key_data(seed: int) -> np.ndarray:
    """uint32 [2] threefry key data of a seed; -2**63 .. 2**64 - 1, negative ones as their two's complement."""
    return np.asarray([(seed >> 32) & 0xFFFFFFFF, seed & 0xFFFFFFFF], np.uint32)
