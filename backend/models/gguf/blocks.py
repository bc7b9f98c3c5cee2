"""The numbers in GGUF's quantised blocks as they are: small integers, with the scales and offsets of their groups.

The layouts are those of ggml (ggml-common.h) and of gguf's own dequantisers, which the tests compare with.
"""

from collections.abc import Callable
from dataclasses import dataclass

import gguf
import ml_dtypes
import numpy as np

from backend.models.quantization import Quantized, WeightFormat

Kind = gguf.GGMLQuantizationType


@dataclass(frozen=True)
class BlockFormat:
    """format: that of a row of blocks. unpack: blocks uint8 [n, bytes] -> values [n, elements], scales and offsets."""

    format: WeightFormat
    unpack: Callable[[np.ndarray], Quantized]


def unpacked(blocks: np.ndarray, kind: Kind) -> Quantized:
    """Rows of blocks uint8 [rows, bytes] of a kind in BLOCKS -> their numbers in its format."""
    flat = np.ascontiguousarray(blocks).reshape(-1, gguf.GGML_QUANT_SIZES[kind][1])
    with np.errstate(all="ignore"):  # a damaged block may have any number for a scale
        values, scales, offsets = BLOCKS[kind].unpack(flat)
    assert scales is not None
    rows = (len(blocks), -1)
    return Quantized(values.reshape(rows), scales.reshape(rows), None if offsets is None else offsets.reshape(rows))


def _fields(packed: np.ndarray, run: int, shifts: range, mask: int) -> np.ndarray:
    """uint8 [n, bytes] -> uint8 [n, numbers]: of each run of bytes the bits at the first shift, then the second ..."""
    runs = packed.reshape(len(packed), -1, 1, run) >> np.array(shifts, np.uint8)[:, None]
    return (runs & np.uint8(mask)).reshape(len(packed), -1)


def _nibbles(packed: np.ndarray, run: int) -> np.ndarray:
    return _fields(packed, run, range(0, 8, 4), 15)


def _pairs(packed: np.ndarray, run: int) -> np.ndarray:
    return _fields(packed, run, range(0, 8, 2), 3)


def _signed(numbers: np.ndarray, zero: int) -> np.ndarray:
    """uint8 less `zero`, int8."""
    return numbers.view(np.int8) - np.int8(zero)


def _half(stored: np.ndarray) -> np.ndarray:
    return stored.view(np.float16)


def _wide(stored: np.ndarray) -> np.ndarray:
    """float16 in bytes -> float32."""
    return _half(stored).astype(np.float32)


def _fifth_bits(stored: np.ndarray) -> np.ndarray:
    """One bit per number, the first the lowest, as 0 or 16."""
    return np.unpackbits(stored, axis=-1, bitorder="little") << np.uint8(4)


def _q8_0(blocks: np.ndarray) -> Quantized:
    return Quantized(blocks[:, 2:].view(np.int8), _half(blocks[:, :2].copy()))


def _q4_0(blocks: np.ndarray) -> Quantized:
    return Quantized(_signed(_nibbles(blocks[:, 2:], 16), 8).view(ml_dtypes.int4), _half(blocks[:, :2].copy()))


def _q4_1(blocks: np.ndarray) -> Quantized:
    scales = _half(blocks[:, :4].copy())
    return Quantized(_nibbles(blocks[:, 4:], 16).view(ml_dtypes.uint4), scales[:, :1], scales[:, 1:])


def _q5_0(blocks: np.ndarray) -> Quantized:
    values = _nibbles(blocks[:, 6:], 16) | _fifth_bits(blocks[:, 2:6])
    return Quantized(_signed(values, 16), _half(blocks[:, :2].copy()))


def _q5_1(blocks: np.ndarray) -> Quantized:
    scales = _half(blocks[:, :4].copy())
    values = _nibbles(blocks[:, 8:], 16) | _fifth_bits(blocks[:, 4:8])
    return Quantized(values.view(np.int8), scales[:, :1], scales[:, 1:])


def _q2_k(blocks: np.ndarray) -> Quantized:
    scales, packed, factors = np.split(blocks, [16, 80], axis=-1)
    factors = _wide(factors.copy())
    offsets = factors[:, 1:] * (scales >> 4).astype(np.float32)
    return Quantized(_pairs(packed, 32).view(ml_dtypes.uint4), factors[:, :1] * (scales & np.uint8(15)), -offsets)


def _q3_k(blocks: np.ndarray) -> Quantized:
    high, low, packed, factor = np.split(blocks, [32, 96, 108], axis=-1)
    scales = _signed(_nibbles(packed[:, :8], 8) | _pairs(packed[:, 8:], 4) << np.uint8(4), 32)
    values = _signed(_pairs(low, 32) | _fields(high, 32, range(8), 1) << np.uint8(2), 4)
    return Quantized(values.view(ml_dtypes.int4), _wide(factor.copy()) * scales)


def _scales_k(blocks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Scales and offsets of Q4_K and Q5_K."""
    scales, least = gguf.quants.Q4_K.get_scale_min(blocks[:, 4:16].copy())
    factors = _wide(blocks[:, :4].copy())
    return factors[:, :1] * scales.astype(np.float32), -(factors[:, 1:] * least.astype(np.float32))


def _q4_k(blocks: np.ndarray) -> Quantized:
    return Quantized(_nibbles(blocks[:, 16:], 32).view(ml_dtypes.uint4), *_scales_k(blocks))


def _q5_k(blocks: np.ndarray) -> Quantized:
    values = _nibbles(blocks[:, 48:], 32) | _fields(blocks[:, 16:48], 32, range(8), 1) << np.uint8(4)
    return Quantized(values.view(np.int8), *_scales_k(blocks))


def _q6_k(blocks: np.ndarray) -> Quantized:
    low, high, scales, factor = np.split(blocks, [128, 192, 208], axis=-1)
    values = _nibbles(low, 64) | _pairs(high, 32) << np.uint8(4)
    return Quantized(_signed(values, 32), _wide(factor.copy()) * scales.view(np.int8))


def _mxfp4(blocks: np.ndarray) -> Quantized:
    table = np.array(gguf.quants.MXFP4.kvalues, np.int8)
    return Quantized(table[_nibbles(blocks[:, 1:], 16)], gguf.quants.MXFP4.e8m0_to_fp32_half(blocks[:, :1]))


def _nvfp4(blocks: np.ndarray) -> Quantized:
    table = np.array(gguf.quants.NVFP4.kvalues, np.int8)
    scales = gguf.quants.NVFP4.ue4m3_to_fp32(blocks[:, :4])
    return Quantized(table[_nibbles(blocks[:, 4:], 8)], scales.astype(np.float16))


def _iq4_nl(blocks: np.ndarray) -> Quantized:
    table = np.array(gguf.quants.IQ4_NL.kvalues, np.int8)
    return Quantized(table[_nibbles(blocks[:, 2:], 16)], _half(blocks[:, :2].copy()))


def _iq4_xs(blocks: np.ndarray) -> Quantized:
    factor, high, low, packed = np.split(blocks, [2, 4, 8], axis=-1)
    scales = _signed(_nibbles(low, 1) | _pairs(high, 1) << np.uint8(4), 32)
    table = np.array(gguf.quants.IQ4_NL.kvalues, np.int8)
    return Quantized(table[_nibbles(packed, 16)], _wide(factor.copy()) * scales)


BLOCKS = {
    Kind.Q8_0: BlockFormat(WeightFormat("int8", "float16", 32), _q8_0),
    Kind.Q4_0: BlockFormat(WeightFormat("int4", "float16", 32), _q4_0),
    Kind.Q4_1: BlockFormat(WeightFormat("uint4", "float16", 32, offsets=True), _q4_1),
    Kind.Q5_0: BlockFormat(WeightFormat("int8", "float16", 32), _q5_0),
    Kind.Q5_1: BlockFormat(WeightFormat("int8", "float16", 32, offsets=True), _q5_1),
    Kind.Q2_K: BlockFormat(WeightFormat("uint4", "float32", 16, offsets=True), _q2_k),
    Kind.Q3_K: BlockFormat(WeightFormat("int4", "float32", 16), _q3_k),
    Kind.Q4_K: BlockFormat(WeightFormat("uint4", "float32", 32, offsets=True), _q4_k),
    Kind.Q5_K: BlockFormat(WeightFormat("int8", "float32", 32, offsets=True), _q5_k),
    Kind.Q6_K: BlockFormat(WeightFormat("int8", "float32", 16), _q6_k),
    Kind.MXFP4: BlockFormat(WeightFormat("int8", "float32", 32), _mxfp4),
    Kind.NVFP4: BlockFormat(WeightFormat("int8", "float16", 16), _nvfp4),
    Kind.IQ4_NL: BlockFormat(WeightFormat("int8", "float16", 32), _iq4_nl),
    Kind.IQ4_XS: BlockFormat(WeightFormat("int8", "float32", 32), _iq4_xs),
}
"""The quantisations whose numbers a `WeightFormat` holds exactly; others are dequantised."""
