"""Rotary position embedding (Su et al., 2021, RoFormer) and its context extensions.

Angle of pair i at position p: p * frequency[i]. The kinds differ only in the frequencies, and yarn and longrope in a
factor on the cosines and sines. Every kind is a function of the token's own position, so a row never depends on how it
was chunked.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal, get_args

import jax
import jax.numpy as jnp
import numpy as np

RopeKind = Literal["default", "linear", "dynamic", "llama3", "yarn", "longrope", "proportional"]
ROPE_KINDS: tuple[str, ...] = get_args(RopeKind)


@dataclass(frozen=True)
class RopeConfig:
    """A rotary embedding: its kind and the numbers that its frequencies are made of.

    theta: base of the geometric series of wavelengths. factor: by how much the context is stretched.

    original_context: positions the model was pretrained on (dynamic, llama3, yarn).
    low_freq_factor, high_freq_factor: llama3's band, in wavelengths per original context.
    beta_slow, beta_fast: yarn's band, in rotations over the original context; truncate rounds its ends outwards.
    attention_factor: on cosines and sines, hence squared on the query-key products (yarn, longrope).
    factors: by how much the wavelength of each pair is stretched, H / 2 of them (longrope).
    turning: share of the pairs that turn, the first ones; the others never do (proportional).
    sections: pairs that turn by the time, the height and the width of a position, in this order (Wang et al., 2024,
    Qwen2-VL, M-RoPE); None where a position is one number. interleaved: the pairs of the three alternate, as long as
    there are any of height and width, in place of one after the other (Qwen3-VL).
    """

    theta: float = 10_000.0
    kind: RopeKind = "default"
    factor: float = 1.0
    original_context: int = 0
    low_freq_factor: float = 1.0
    high_freq_factor: float = 4.0
    beta_slow: float = 1.0
    beta_fast: float = 32.0
    truncate: bool = True
    attention_factor: float = 1.0
    factors: tuple[float, ...] = ()
    turning: float = 1.0
    sections: tuple[int, int, int] | None = None
    interleaved: bool = False


def cos_sin(rope: RopeConfig, positions: jax.Array, head_dim: int) -> tuple[jax.Array, jax.Array]:
    """Cosines and sines, float32 [B, T, H / 2], of the angles at `positions` int32 [B, T] or [3, B, T].

    Positions of three numbers need `sections`; a single number is taken for all three.
    """
    if positions.ndim == 3:
        assert rope.sections is not None and sum(rope.sections) == head_dim // 2
        parts = [cos_sin(replace(rope, sections=None), axis, head_dim) for axis in positions]
        axes = section_axes(rope)
        return _by_axis([cos for cos, _ in parts], axes), _by_axis([sin for _, sin in parts], axes)
    if rope.kind == "dynamic":
        frequencies = dynamic_frequencies(rope, positions, head_dim)
    else:
        frequencies = jnp.asarray(inverse_frequencies(rope, head_dim))
    angles = positions[..., None].astype(jnp.float32) * frequencies
    return jnp.cos(angles) * rope.attention_factor, jnp.sin(angles) * rope.attention_factor


def section_axes(rope: RopeConfig) -> np.ndarray:
    """By which of the three numbers of a position each pair turns, int [H / 2]: 0 time, 1 height, 2 width."""
    assert rope.sections is not None
    axes = np.repeat(np.arange(3), rope.sections)
    if not rope.interleaved:
        return axes
    pairs = np.arange(len(axes))
    return np.where(pairs < 3 * np.array(rope.sections)[pairs % 3], pairs % 3, 0)


def _by_axis(parts: list[jax.Array], axes: np.ndarray) -> jax.Array:
    """Three arrays [B, T, H / 2] -> one: each pair from the one that `axes` says."""
    time, height, width = parts
    return jnp.where(axes == 0, time, jnp.where(axes == 1, height, width))


def rotate(x: jax.Array, cos: jax.Array, sin: jax.Array) -> jax.Array:
    """Rotate the pairs (x[i], x[i + H/2]) of every head: x [B, T, heads, H], cos and sin [B, T, H / 2]."""
    a, b = jnp.split(x, 2, axis=-1)
    cos, sin = cos[:, :, None].astype(x.dtype), sin[:, :, None].astype(x.dtype)
    return jnp.concatenate([a * cos - b * sin, b * cos + a * sin], axis=-1)


def inverse_frequencies(rope: RopeConfig, head_dim: int) -> np.ndarray:
    """Radians per position, float32 [H / 2], of a kind whose frequencies are the same at every position."""
    plain = rope.theta ** (-np.arange(0, head_dim, 2, dtype=np.float64) / head_dim)
    return _STATIC[rope.kind](rope, plain).astype(np.float32)


def dynamic_frequencies(rope: RopeConfig, positions: jax.Array, head_dim: int) -> jax.Array:
    """Radians per position, float32 [B, T, H / 2], of dynamic NTK scaling (bloc97 and emozilla, 2023).

    The base grows with the sequence length, taken here as each token's own: max(position + 1, original context). That
    is what transformers computes for a prompt within the original context followed by decoding token by token. For a
    longer prompt it uses the prompt's length for all its tokens, which would make a row depend on its chunking.
    """
    length = jnp.maximum(positions + 1, rope.original_context).astype(jnp.float32)
    stretch = rope.factor * length / rope.original_context - (rope.factor - 1)
    base = rope.theta * stretch ** (head_dim / (head_dim - 2))
    return base[..., None] ** (-jnp.arange(0, head_dim, 2, dtype=jnp.float32) / head_dim)


def yarn_attention_factor(factor: float, mscale: float | None = None, mscale_all_dim: float | None = None) -> float:
    """Yarn's factor on cosines and sines: 0.1 ln(factor) + 1 (Peng et al., 2023, eq. 22); two scales give a ratio."""

    def temperature(scale: float) -> float:
        return 1.0 if factor <= 1 else 0.1 * scale * math.log(factor) + 1.0

    if mscale and mscale_all_dim:
        return temperature(mscale) / temperature(mscale_all_dim)
    return temperature(1.0)


def _default(rope: RopeConfig, plain: np.ndarray) -> np.ndarray:
    return plain


def _linear(rope: RopeConfig, plain: np.ndarray) -> np.ndarray:
    """Position interpolation: every position divided by the factor (Chen et al., 2023)."""
    return plain / rope.factor


def _llama3(rope: RopeConfig, plain: np.ndarray) -> np.ndarray:
    """Long wavelengths interpolated, short ones kept, a linear blend between (Llama 3.1's reference code)."""
    turns = rope.original_context * plain / (2 * math.pi)
    kept = (turns - rope.low_freq_factor) / (rope.high_freq_factor - rope.low_freq_factor)
    return _blend(rope, plain, np.clip(kept, 0, 1))


def _yarn(rope: RopeConfig, plain: np.ndarray) -> np.ndarray:
    """NTK by parts: interpolation blends into extrapolation between two numbers of rotations (Peng et al., 2023)."""
    last = 2 * len(plain) - 1
    low, high = _pair_turning(rope, plain, rope.beta_fast), _pair_turning(rope, plain, rope.beta_slow)
    if rope.truncate:
        low, high = math.floor(low), math.ceil(high)
    low, high = max(low, 0), min(high, last)
    ramp = (np.arange(len(plain)) - low) / (high - low if high != low else 0.001)
    return _blend(rope, plain, 1 - np.clip(ramp, 0, 1))


def _longrope(rope: RopeConfig, plain: np.ndarray) -> np.ndarray:
    """Every wavelength stretched by a factor of its own, found by search (Ding et al., 2024, LongRoPE)."""
    return plain / np.asarray(rope.factors)


def _proportional(rope: RopeConfig, plain: np.ndarray) -> np.ndarray:
    """Only the first pairs turn, by the frequencies they have among all of them (Gemma 4)."""
    turning = int(rope.turning * 2 * len(plain) // 2)
    return np.where(np.arange(len(plain)) < turning, plain, 0) / rope.factor


def _pair_turning(rope: RopeConfig, plain: np.ndarray, rotations: float) -> float:
    """The (fractional) pair index whose angle makes `rotations` turns over the original context."""
    return len(plain) * math.log(rope.original_context / (rotations * 2 * math.pi)) / math.log(rope.theta)


def _blend(rope: RopeConfig, plain: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """`kept` 1 leaves a frequency as it is, 0 divides it by the factor."""
    return kept * plain + (1 - kept) * plain / rope.factor


_STATIC: dict[str, Callable[[RopeConfig, np.ndarray], np.ndarray]] = {
    "default": _default,
    "linear": _linear,
    "llama3": _llama3,
    "yarn": _yarn,
    "longrope": _longrope,
    "proportional": _proportional,
}
