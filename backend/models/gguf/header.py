"""What a GGUF file says of itself before its data: key-values and the places of its tensors.

A parser of its own: the `gguf` package's takes 47 µs per string of a vocabulary, and trusts every length it reads.
"""

import mmap
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from backend.models.errors import CheckpointError
from backend.models.gguf.files import first_part

MAGIC = b"GGUF"
VERSIONS = (2, 3)
SCALARS = {
    0: ("uint8", "<B"),
    1: ("int8", "<b"),
    2: ("uint16", "<H"),
    3: ("int16", "<h"),
    4: ("uint32", "<I"),
    5: ("int32", "<i"),
    6: ("float32", "<f"),
    7: ("bool", "<?"),
    10: ("uint64", "<Q"),
    11: ("int64", "<q"),
    12: ("float64", "<d"),
}
"""Value type -> its name in numpy and in struct."""
STRING, ARRAY = 8, 9
MOST_KEYS, MOST_TENSORS = 1 << 16, 1 << 20
MOST_BYTES = 1 << 29
"""Of memory for all values together; a vocabulary of 2¹⁸ tokens and twice as many merges takes an eighth."""
STRING_BYTES = 64
"""What a string takes beside its characters."""
MOST_AXES = 4
ALIGNMENT = 32


@dataclass(frozen=True)
class TensorInfo:
    """One tensor of a file. type: number of its quantisation. offset: its first byte, from the beginning of the file.

    shape: rows first, as numpy has it (the file lists axes the other way round).
    """

    name: str
    shape: tuple[int, ...]
    type: int
    offset: int


@dataclass(frozen=True)
class Header:
    """metadata: key -> int, float, bool, str, numpy array, or list of strings. tensors: in the order of the file."""

    metadata: dict[str, Any]
    tensors: tuple[TensorInfo, ...]


def read_gguf_metadata(path: Path) -> dict[str, Any]:
    """All key-values of a GGUF file: int, float, bool, str; arrays of numbers as numpy arrays, others as lists.

    Of a split file any part may be given; the values are those of the first part, which has them all.
    Raises `CheckpointError` where the file, or that part, is absent, damaged or not GGUF.
    """
    return read_header(first_part(path)).metadata


def read_header(file: Path) -> Header:
    """Key-values and tensors of one file. Raises `CheckpointError` naming what is damaged, and where."""
    try:
        size = file.stat().st_size
        with file.open("rb") as opened:
            if size < len(MAGIC) or opened.read(len(MAGIC)) != MAGIC:
                raise CheckpointError(f"{file} is not a GGUF file: it does not begin with {MAGIC.decode()!r}")
            with mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as data:
                return _Parser(file, data).header()
    except OSError as error:
        raise CheckpointError(f"{file} cannot be read: {error.strerror or error}") from error


class _Parser:
    """One pass over the bytes of a header, which allocates at most MOST_BYTES, whatever lengths it is told.

    _part: what is being read, for messages.
    """

    def __init__(self, file: Path, data: mmap.mmap) -> None:
        self._file, self._data, self._at, self._part = file, data, len(MAGIC), "header"
        self._left = MOST_BYTES

    def header(self) -> Header:
        version = self._number("<I")
        if version & 0xFFFF == 0:
            raise CheckpointError(f"{self._file} is a big-endian GGUF file; convert it with gguf-convert-endian")
        if version not in VERSIONS:
            supported = " and ".join(map(str, VERSIONS))
            raise CheckpointError(f"{self._file} is GGUF of version {version}; readable are {supported}")
        tensors, keys = self._number("<Q"), self._number("<Q")
        if tensors > MOST_TENSORS or keys > MOST_KEYS:
            raise self._damaged(f"it counts {tensors} tensors and {keys} keys")
        metadata: dict[str, Any] = {}
        for index in range(keys):
            key = self._key(f"key {index} of {keys}", metadata)
            metadata[key] = self._value(self._number("<I"))
        infos: dict[str, TensorInfo] = {}
        for index in range(tensors):
            name = self._key(f"tensor {index} of {tensors}", infos)
            infos[name] = self._tensor(name)
        return Header(metadata, tuple(self._placed(metadata, list(infos.values()))))

    def _key(self, part: str, seen: dict[str, Any]) -> str:
        self._part = part
        name = self._string()
        if name in seen:
            raise self._damaged(f"{name} is there twice")
        self._part = name
        return name

    def _value(self, kind: int) -> Any:
        if kind == STRING:
            return self._string()
        if kind == ARRAY:
            return self._array()
        return self._number(self._scalar(kind)[1])

    def _array(self) -> Any:
        kind, count = self._number("<I"), self._number("<Q")
        if kind == STRING:
            return [self._string() for _ in range(count)]
        if kind == ARRAY:
            raise self._damaged("an array of arrays")
        name, _ = self._scalar(kind)
        size = count * np.dtype(name).itemsize
        return np.frombuffer(self._next(size, size), name)

    def _scalar(self, kind: int) -> tuple[str, str]:
        if kind not in SCALARS:
            raise self._damaged(f"value type {kind} is not known")
        return SCALARS[kind]

    def _tensor(self, name: str) -> TensorInfo:
        axes = self._number("<I")
        if axes > MOST_AXES:
            raise self._damaged(f"{axes} axes, at most {MOST_AXES} are allowed")
        shape = tuple(self._number("<Q") for _ in range(axes))[::-1]
        if not all(shape) or not shape:
            raise self._damaged(f"its shape is {shape}")
        return TensorInfo(name, shape, self._number("<I"), self._number("<Q"))

    def _placed(self, metadata: dict[str, Any], infos: list[TensorInfo]) -> list[TensorInfo]:
        """The tensors with offsets from the beginning of the file: in the header they count from the data's."""
        self._part = "general.alignment"
        alignment = metadata.get(self._part, ALIGNMENT)
        if type(alignment) is not int or alignment <= 0 or alignment & (alignment - 1):
            raise self._damaged(f"must be a power of two, not {alignment!r}")
        begin = -(-self._at // alignment) * alignment
        return [TensorInfo(info.name, info.shape, info.type, begin + info.offset) for info in infos]

    def _string(self) -> str:
        length = self._number("<Q")
        try:
            return self._next(length, length + STRING_BYTES).decode()
        except UnicodeDecodeError as error:
            raise self._damaged("not UTF-8") from error

    def _number(self, layout: str) -> Any:
        return struct.unpack(layout, self._next(struct.calcsize(layout)))[0]

    def _next(self, count: int, memory: int = 0) -> bytes:
        """`count` bytes of the file, whose value will take `memory` bytes."""
        end = self._at + count
        if end > len(self._data):
            raise self._damaged(f"the file of {len(self._data):,} bytes ends within it")
        self._left -= memory
        if self._left < 0:
            raise self._damaged(f"key-values of more than {MOST_BYTES:,} bytes")
        taken = self._data[self._at : end]
        self._at = end
        return taken

    def _damaged(self, fault: str) -> CheckpointError:
        return CheckpointError(f"{self._file} is not a complete GGUF file ({self._part}: {fault}); download it again")
