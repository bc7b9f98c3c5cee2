"""One weight of several stored tensors: its numbers as they are stored, and as floats."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from math import gcd
from typing import Any

import numpy as np

from backend.models.quantization import Quantized, WeightFormat, dequantize, dtype_of

WORD = 32
"""Bits of what numbers are packed into."""
AWQ_PLACES = (0, 4, 1, 5, 2, 6, 3, 7)
"""Where AutoAWQ's GEMM kernels want the numbers of eight outputs in a word."""
FP4 = np.array([0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12], np.int8)
"""Twice the numbers of E2M1 (OCP Microscaling Formats 1.0)."""


class QuantizedTensor(ABC):
    """A weight [out, in]: small numbers, and a scale and perhaps a zero point for each group of a row.

    method: the quant_method. name: the weight's. shape: its. weights_only: whether activations stay floats.
    """

    weights_only = True

    def __init__(self, method: str, name: str, shape: tuple[int, ...]) -> None:
        self.method, self.name, self.shape = method, name, shape

    def get_shape(self) -> list[int]:
        """Its size along each axis."""
        return list(self.shape)

    def get_dtype(self) -> str:
        """The method by which it is quantised."""
        return self.method

    @property
    @abstractmethod
    def format(self) -> WeightFormat | None:
        """The format that holds its numbers as they are; None where it is only readable as floats."""

    @abstractmethod
    def quantized(self, rows: slice) -> Quantized:
        """`rows` (a slice of step 1), the same numbers in `format`."""

    def __getitem__(self, index: Any) -> np.ndarray:
        """The elements of a slice of step 1 per axis, float32."""
        rows, *columns = index if isinstance(index, tuple) else (index,)
        floats = self._floats(slice(*rows.indices(self.shape[0])))
        return floats[:, *columns]

    def _floats(self, rows: slice) -> np.ndarray:
        return dequantize(self.quantized(rows))


class IntegerTensor(QuantizedTensor):
    """Signed integers, less the zero point of their group where there is one, times its scale.

    bits: 4 or 8. groups: G, scales per row. order: the group of each column, None where groups are columns in a row.
    """

    bits: int
    groups: int
    order: np.ndarray | None = None

    @abstractmethod
    def values(self, rows: slice) -> np.ndarray:
        """int8 [rows, in]."""

    @abstractmethod
    def scales(self, rows: slice) -> np.ndarray:
        """Floats [rows, G]."""

    @abstractmethod
    def zeros(self, rows: slice) -> np.ndarray | None:
        """Integers [rows, G], in the same code as the values; None where all are 0."""

    @cached_property
    def format(self) -> WeightFormat | None:
        if self.order is not None:
            return None
        zeros = self.zeros(slice(0, self.shape[0]))
        offsets = zeros is not None and bool(zeros.any())
        exact = self.scales(slice(0, 1)).dtype == np.float16 and not offsets
        group = 0 if self.groups == 1 else self.shape[1] // self.groups
        return WeightFormat(f"int{self.bits}", "float16" if exact else "float32", group, offsets)

    def quantized(self, rows: slice) -> Quantized:
        assert self.format is not None
        scales, zeros = self.scales(rows).astype(self.format.scales), self.zeros(rows)
        offsets = -scales * zeros.astype(scales.dtype) if self.format.offsets and zeros is not None else None
        return Quantized(self.values(rows).view(dtype_of(self.format.values)), scales, offsets)

    def _floats(self, rows: slice) -> np.ndarray:
        if self.order is None:
            return super()._floats(rows)
        values, zeros = self.values(rows).astype(np.float32), self.zeros(rows)
        if zeros is not None:
            values -= zeros[:, self.order]
        return values * self.scales(rows).astype(np.float32)[:, self.order]


@dataclass(frozen=True)
class Blocks:
    """Scales [.., ..] of a weight, each for a block of `rows` x `columns`; the last ones may pass its end."""

    scales: Any
    rows: int
    columns: int

    def of(self, rows: slice, inputs: int) -> np.ndarray:
        """float32 [rows, G], the scales of each row, where a group is `gcd(columns, inputs)` weights."""
        group = gcd(self.columns, inputs)
        first, last = rows.start // self.rows, (rows.stop - 1) // self.rows
        stored = np.asarray(self.scales[first : last + 1, :], np.float32)
        lines = np.arange(rows.start, rows.stop) // self.rows - first
        return stored[lines][:, np.arange(0, inputs, group) // self.columns]


class ScaledTensor(QuantizedTensor):
    """float8_e4m3fn with scales: one, one per row, per group of a row, or per block."""

    weights_only = False

    def __init__(self, method: str, name: str, weight: Any, blocks: Blocks) -> None:
        super().__init__(method, name, tuple(weight.get_shape()))
        self._weight, self._blocks = weight, blocks

    @property
    def format(self) -> WeightFormat:
        group = gcd(self._blocks.columns, self.shape[1])
        return WeightFormat("float8_e4m3fn", "float32", 0 if group == self.shape[1] else group)

    def quantized(self, rows: slice) -> Quantized:
        return Quantized(self._weight[rows, :], self._blocks.of(rows, self.shape[1]))


class PlainIntegers(IntegerTensor):
    """int8 as it is, with scales, and zero points that are int8 too."""

    weights_only = False

    def __init__(self, method: str, name: str, weight: Any, blocks: Blocks, zeros: Blocks | None) -> None:
        super().__init__(method, name, tuple(weight.get_shape()))
        self.bits, self.groups = 8, self.shape[1] // gcd(blocks.columns, self.shape[1])
        self._weight, self._blocks, self._zeros = weight, blocks, zeros

    def values(self, rows: slice) -> np.ndarray:
        return np.asarray(self._weight[rows, :])

    def scales(self, rows: slice) -> np.ndarray:
        return self._blocks.of(rows, self.shape[1])

    def zeros(self, rows: slice) -> np.ndarray | None:
        return None if self._zeros is None else self._zeros.of(rows, self.shape[1])


class PackedRows(IntegerTensor):
    """compressed-tensors' pack-quantized: a row's numbers in words, zero points packed along the rows.

    parts: weight_packed int32 [out, words], weight_scale [out, G], perhaps weight_zero_point int32 [words, G].
    order: see `IntegerTensor`.
    """

    def __init__(self, name: str, shape: tuple[int, int], parts: Mapping[str, Any], order: np.ndarray | None) -> None:
        super().__init__("compressed-tensors", name, shape)
        self._packed, self._scales = parts["weight_packed"], parts["weight_scale"]
        self._zeros = parts.get("weight_zero_point")
        self.bits = 8 if self._packed.get_shape()[1] * WORD // 8 >= shape[1] else 4
        self.groups, self.order = self._scales.get_shape()[1], order

    def values(self, rows: slice) -> np.ndarray:
        return unpack(self._packed[rows, :], self.bits)[:, : self.shape[1]]

    def scales(self, rows: slice) -> np.ndarray:
        return np.asarray(self._scales[rows, :])

    def zeros(self, rows: slice) -> np.ndarray | None:
        return None if self._zeros is None else unpack(self._zeros[:, :].T, self.bits)[:, rows].T


class PackedColumns(IntegerTensor):
    """GPTQ: the numbers of an output down its column, in words; zero points along the rows.

    parts: qweight int32 [words, out], qzeros int32 [G, words], scales [G, out]. less: what zero points are stored less.
    """

    def __init__(self, name: str, parts: Mapping[str, Any], order: np.ndarray | None, less: int) -> None:
        words, outputs = parts["qweight"].get_shape()
        self.groups, zero_words = parts["qzeros"].get_shape()
        self.bits = zero_words * WORD // outputs
        super().__init__("gptq", name, (outputs, words * WORD // self.bits))
        self.order, self._parts, self._less = order, parts, less

    def values(self, rows: slice) -> np.ndarray:
        return unpack(self._parts["qweight"][:, rows].T, self.bits)

    def scales(self, rows: slice) -> np.ndarray:
        return np.asarray(self._parts["scales"][:, rows].T)

    def zeros(self, rows: slice) -> np.ndarray:
        return unpack(self._parts["qzeros"][:, :], self.bits, self._less)[:, rows].T


class PackedOutputs(IntegerTensor):
    """AWQ: the numbers of eight outputs in a word, in an order of their own.

    parts: qweight int32 [in, words], qzeros int32 [G, words], scales [G, out].
    """

    bits = 4

    def __init__(self, name: str, parts: Mapping[str, Any]) -> None:
        self.groups, outputs = parts["scales"].get_shape()
        super().__init__("awq", name, (outputs, parts["qweight"].get_shape()[0]))
        self._parts = parts

    def values(self, rows: slice) -> np.ndarray:
        return self._outputs("qweight", rows)

    def scales(self, rows: slice) -> np.ndarray:
        return np.asarray(self._parts["scales"][:, rows].T)

    def zeros(self, rows: slice) -> np.ndarray:
        return self._outputs("qzeros", rows)

    def _outputs(self, part: str, rows: slice) -> np.ndarray:
        first, last = rows.start // 8, -(-rows.stop // 8)
        numbers = unpack(self._parts[part][:, first:last], self.bits).reshape(-1, last - first, 8)
        ordered = numbers[..., AWQ_PLACES].reshape(len(numbers), -1)
        return np.ascontiguousarray(ordered[:, rows.start - 8 * first : rows.stop - 8 * first].T)


class MXFP4Tensor(QuantizedTensor):
    """gpt-oss's experts [E, out, in]: FP4, two in a byte, with a power of two for each 32 of them.

    blocks: uint8 [E, out, in / 32, 16]. scales: uint8 [E, out, in / 32], exponents that are 127 too large. Rows are
    experts.
    """

    format = WeightFormat("int8", "float32", 32)

    def __init__(self, name: str, blocks: Any, scales: Any) -> None:
        experts, outputs, groups, _ = blocks.get_shape()
        super().__init__("mxfp4", name, (experts, outputs, groups * 32))
        self._blocks, self._scales = blocks, scales

    def quantized(self, rows: slice) -> Quantized:
        blocks = self._blocks[rows]
        numbers = np.stack([blocks & 15, blocks >> 4], axis=-1).reshape(len(blocks), *self.shape[1:])
        return Quantized(FP4[numbers], np.ldexp(np.float32(1), self._scales[rows].astype(np.int32) - 128))


def unpack(words: np.ndarray, bits: int, less: int = 0) -> np.ndarray:
    """int32 [n, words] -> int8 [n, numbers]: unsigned numbers of 4 or 8 bits, the lowest first, less half their range.

    less: is added to each number first, in as many bits.
    """
    packed = np.ascontiguousarray(words).view(np.uint8)
    if bits == 4:
        packed = np.stack([packed & 15, packed >> 4], axis=-1).reshape(len(packed), -1)
    numbers = (packed + np.uint8(less)) & np.uint8(2**bits - 1)
    return (numbers - np.uint8(2 ** (bits - 1))).view(np.int8)
