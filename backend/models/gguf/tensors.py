"""The tensors of GGUF files, mapped from disk: raw blocks of quantised numbers, or what they stand for."""

import math
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import gguf
import numpy as np

from backend.models.errors import CheckpointError
from backend.models.gguf.blocks import BLOCKS, unpacked
from backend.models.gguf.header import Header, TensorInfo
from backend.models.quantization import Quantized, WeightFormat

Quantization = gguf.GGMLQuantizationType


@dataclass(frozen=True)
class GGUFTensor:
    """A stored tensor, or some of its rows, in floating point by `tensor[rows, columns]`; nothing else is read.

    name, quantization: the file's. shape: rows first. data: uint8 [..., bytes of a row], mapped from the file.
    first: the row of `data` that is row 0. head_dim: set where the two halves of the rows of each head, of this many,
    are stored by turns (llama.cpp rotates neighbours); they are given one after the other.
    """

    name: str
    quantization: Quantization
    shape: tuple[int, ...]
    data: np.ndarray
    first: int = 0
    head_dim: int | None = None

    def get_shape(self) -> list[int]:
        """Its size along each axis."""
        return list(self.shape)

    def get_dtype(self) -> str:
        """Name of its quantisation."""
        return self.quantization.name

    def __getitem__(self, index: Any) -> np.ndarray:
        """The elements of a slice of step 1 per axis, float32."""
        given = index if isinstance(index, tuple) else (index,)
        whole = given + (slice(None),) * (len(self.shape) - len(given))
        rows, *rest = (slice(*part.indices(size)) for part, size in zip(whole, self.shape, strict=True))
        if not rest:
            return _dequantized(self.data, self.quantization)[self._stored(rows)]
        *outer, last = rest
        elements, size = gguf.GGML_QUANT_SIZES[self.quantization]
        low, high = last.start // elements, -(-last.stop // elements)
        blocks = self.blocks(rows)[slice(None), *outer, low * size : high * size]
        return _dequantized(blocks, self.quantization)[..., last.start - low * elements : last.stop - low * elements]

    @property
    def format(self) -> WeightFormat | None:
        """The format that holds its quantised numbers as they are; None where there is none."""
        found = BLOCKS.get(self.quantization)
        return None if found is None else found.format

    def quantized(self, rows: slice) -> Quantized:
        """`rows` (a slice of step 1) of a matrix, the same numbers in `format`."""
        return unpacked(self.blocks(rows), self.quantization)

    def blocks(self, rows: slice) -> np.ndarray:
        """The blocks of `rows` (a slice of step 1) as they are stored: uint8 [rows, ..., bytes of a row].

        A block is `gguf.GGML_QUANT_SIZES[quantization]`: so many elements of a row, in so many bytes.
        """
        assert len(self.shape) > 1
        return self.data[self._stored(slice(*rows.indices(self.shape[0])))]

    def part(self, start: int, rows: int) -> "GGUFTensor":
        """`rows` rows from `start` on, as a tensor: one of several that are stored together."""
        return replace(self, shape=(rows, *self.shape[1:]), first=self.first + start)

    def _stored(self, rows: slice) -> slice | np.ndarray:
        """Where rows are in `data`."""
        if self.head_dim is None:
            return slice(self.first + rows.start, self.first + rows.stop)
        head, row = np.divmod(np.arange(rows.start, rows.stop), self.head_dim)
        half, pair = np.divmod(row, self.head_dim // 2)
        return self.first + head * self.head_dim + 2 * pair + half


def read_tensors(file: Path, header: Header) -> dict[str, GGUFTensor]:
    """The tensors of one file by their names. Raises `CheckpointError` naming the one that cannot be there."""
    data = np.memmap(file, np.uint8, "r")
    return {info.name: _mapped(file, data, info) for info in header.tensors}


@cache
def readable() -> frozenset[str]:
    """Names of the quantisations that the gguf package can dequantise."""
    return frozenset(kind.name for kind in Quantization if _is_readable(kind))


def _is_readable(kind: Quantization) -> bool:
    try:
        _dequantized(np.zeros((1, gguf.GGML_QUANT_SIZES[kind][1]), np.uint8), kind)
    except NotImplementedError:
        return False
    return True


def _mapped(file: Path, data: np.ndarray, info: TensorInfo) -> GGUFTensor:
    if info.type not in set(Quantization):
        raise CheckpointError(f"{file}: {info.name} is quantised in a way that is not known (type {info.type})")
    kind = Quantization(info.type)
    elements, size = gguf.GGML_QUANT_SIZES[kind]
    *outer, columns = info.shape
    if columns % elements:
        raise CheckpointError(f"{file}: {info.name} has rows of {columns}, {kind.name} has blocks of {elements}")
    row = columns // elements * size
    end = info.offset + math.prod(outer) * row
    if end > len(data):
        raise CheckpointError(
            f"{file} is not complete: {info.name} ends at byte {end:,}, the file at {len(data):,}; download it again"
        )
    return GGUFTensor(info.name, kind, info.shape, data[info.offset : end].reshape(*outer, row))


def _dequantized(blocks: np.ndarray, kind: Quantization) -> np.ndarray:
    """float32 of blocks uint8 [..., bytes of a row]. All in one go: the package goes by sixteen rows of the array."""
    flat = np.ascontiguousarray(blocks).reshape(1, -1)
    with np.errstate(all="ignore"):  # a damaged block may have any number for a scale
        return gguf.quants.dequantize(flat, kind).reshape(*blocks.shape[:-1], -1)
