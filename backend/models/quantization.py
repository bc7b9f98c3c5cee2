"""Weights in few bits: what is kept of them, and how it is made of floats and turned back."""

from dataclasses import dataclass, replace
from math import gcd
from typing import NamedTuple

import jax.numpy as jnp
import ml_dtypes
import numpy as np

SHRINKS = np.linspace(1.0, 0.7, 13, dtype=np.float32)
"""Parts of a group's range that are tried for its scale: a few clipped weights can cost less than coarser steps."""


@dataclass(frozen=True)
class WeightFormat:
    """How the kernel of a linear layer [out, in] is kept.

    values: name of the dtype of its values. scales: that of its scales [out, G], "" where there are none. group:
    weights of a row that share a scale, 0 for all of them (G = 1). offsets: whether there is an array as large as the
    scales, of the same dtype, that is added to the scaled values.
    """

    values: str
    scales: str = ""
    group: int = 0
    offsets: bool = False

    def groups(self, inputs: int) -> int:
        """G: scales per row."""
        return inputs // self.group if self.group else 1

    def fits(self, inputs: int) -> bool:
        """Whether a row of so many weights is whole groups."""
        return not self.group or inputs % self.group == 0

    def bytes(self, outputs: int, inputs: int) -> int:
        """Memory of a kernel [out, in]."""
        bits = 4 if self.values.endswith("int4") else 8 * jnp.dtype(self.values).itemsize
        scale = jnp.dtype(self.scales).itemsize * (1 + self.offsets) if self.scales else 0
        return outputs * (inputs * bits // 8 + self.groups(inputs) * scale)


LEAST_NIBBLES, MOST_GROUPED = 32, 128
"""Weights of a group, for native products: at least so many of four bits, and a divisor of the most there are."""
INT8 = WeightFormat("int8", "float32")
FP8 = WeightFormat("float8_e4m3fn", "float32")
INT4 = WeightFormat("uint4", "float16", 32, offsets=True)


class Quantized(NamedTuple):
    """A kernel, or some of its rows: values [..., in], scales and offsets [..., G] or None. NumPy arrays."""

    values: np.ndarray
    scales: np.ndarray | None = None
    offsets: np.ndarray | None = None


def joint(formats: list[WeightFormat | None], inputs: int) -> WeightFormat | None:
    """The format in which kernels of all these can be one, each number as it was; None where that is plain floats.

    formats: None for one of plain floats. inputs: weights of a row.
    """
    first, *others = formats
    if all(format == first for format in others):
        return first
    known = [format for format in formats if format is not None and format.scales]
    integers = all("int" in format.values and format.values != "uint8" for format in known)
    if len(known) < len(formats) or not (integers or len({format.values for format in known}) == 1):
        return None
    group = 0
    for format in known:
        group = gcd(group, format.group or inputs)
    group %= inputs
    values = known[0].values if len({format.values for format in known}) == 1 else "int8"
    scales = "float16" if all(format.scales == "float16" for format in known) else "float32"
    return WeightFormat(values, scales, group, any(format.offsets for format in known))


def suited(format: WeightFormat, inputs: int) -> WeightFormat:
    """The format in which native products take numbers of this one: groups as they want them, scales repeated.

    inputs: weights of a row.
    """
    group = gcd(format.group or inputs, MOST_GROUPED) if format.group or format.offsets else 0
    narrow = format.values.endswith("int4") and group % LEAST_NIBBLES
    return replace(format, group=group, values="int8" if narrow else format.values)


def convert(quantized: Quantized, format: WeightFormat) -> Quantized:
    """The same numbers in a format that `joint` or `suited` gave, with arrays of its dtypes."""
    assert quantized.scales is not None
    groups = format.groups(quantized.values.shape[-1])
    repeats = groups // quantized.scales.shape[-1]
    scales = np.repeat(quantized.scales.astype(format.scales), repeats, axis=-1)
    offsets = None
    if format.offsets:
        kept = np.zeros_like(quantized.scales) if quantized.offsets is None else quantized.offsets
        offsets = np.repeat(kept.astype(format.scales), repeats, axis=-1)
    return Quantized(quantized.values.astype(dtype_of(format.values), copy=False), scales, offsets)


def dtype_of(name: str) -> np.dtype:
    """The NumPy dtype of a name that JAX uses, four bits and eight-bit floats included."""
    return np.dtype(getattr(ml_dtypes, name, name))


def quantize(weights: np.ndarray, format: WeightFormat) -> Quantized:
    """Rows [..., in] of float32 in a format with scales: the nearest values, from the largest magnitude of each group.

    With offsets a group's values span its least to its largest weight, or the part of it with the least squared error.
    """
    grouped = weights.reshape(*weights.shape[:-1], format.groups(weights.shape[-1]), -1)
    if format.offsets:
        values, scales, offsets = _quantize_range(grouped, format)
        return Quantized(values.reshape(weights.shape), scales[..., 0], offsets[..., 0])
    dtype = dtype_of(format.values)
    largest = float(ml_dtypes.finfo(dtype).max if "float" in format.values else ml_dtypes.iinfo(dtype).max)
    scales = (np.abs(grouped).max(axis=-1, keepdims=True) / largest).astype(format.scales)
    scaled = grouped / _nonzero(scales)
    rounded = scaled if "float" in format.values else np.rint(scaled)
    values = np.clip(rounded, -largest, largest).astype(dtype)
    return Quantized(values.reshape(weights.shape), scales[..., 0])


def dequantize(quantized: Quantized) -> np.ndarray:
    """The float32 weights [..., in] that a kernel stands for."""
    values = quantized.values.astype(np.float32)
    if quantized.scales is None:
        return values
    grouped = values.reshape(*values.shape[:-1], quantized.scales.shape[-1], -1)
    grouped *= quantized.scales[..., None].astype(np.float32)
    if quantized.offsets is not None:
        grouped += quantized.offsets[..., None].astype(np.float32)
    return grouped.reshape(values.shape)


def _quantize_range(grouped: np.ndarray, format: WeightFormat) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    dtype = dtype_of(format.values)
    low, high = (float(bound) for bound in (ml_dtypes.iinfo(dtype).min, ml_dtypes.iinfo(dtype).max))
    least, most = grouped.min(axis=-1, keepdims=True), grouped.max(axis=-1, keepdims=True)
    middle, span = (least + most) / 2, most - least
    best: list[np.ndarray] = []
    for shrink in SHRINKS:
        scales = (shrink * span / (high - low)).astype(format.scales)
        offsets = (middle - scales * ((high + low) / 2)).astype(format.scales)
        values = np.clip(np.rint((grouped - offsets) / _nonzero(scales)), low, high)
        error = np.square(values * scales.astype(np.float32) + offsets - grouped).sum(axis=-1, keepdims=True)
        if not best:
            best = [error, values, scales, offsets]
            continue
        better = error < best[0]
        best = [np.where(better, now, then) for now, then in zip((error, values, scales, offsets), best, strict=True)]
    return best[1].astype(dtype), best[2], best[3]


def _nonzero(scales: np.ndarray) -> np.ndarray:
    wide = scales.astype(np.float32)
    return np.where(wide == 0, np.float32(1), wide)
