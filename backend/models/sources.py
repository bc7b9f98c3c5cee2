"""How parameters are made of a checkpoint's tensors: small expressions, read slice by slice, and written back.

Names are those of transformers' Llama line; a checkpoint that has others is renamed before (families.py).
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

Path = tuple[Any, ...]
"""Where a parameter sits in the decoder: attribute names and layer indices, as flax flattens them."""
Index = tuple[slice, ...]
"""One slice of step 1 with start and stop per axis."""
READ_AT_ONCE = 1 << 18
"""Elements that are read from a checkpoint at a time; dequantising is fastest where they stay in a core's cache."""


class Source(ABC):
    """An array that a checkpoint holds in one way or another."""

    @property
    @abstractmethod
    def shape(self) -> tuple[int, ...]:
        """Shape of the array."""

    @abstractmethod
    def stored(self) -> Iterator["Stored"]:
        """The tensors of the checkpoint that the array is made of."""

    @abstractmethod
    def read(self, tensors: Mapping[str, Any], index: Index, out: np.ndarray) -> None:
        """Write the elements `index` of the array into `out`, cast to its dtype; only what they are made of is read."""

    @abstractmethod
    def split(self, value: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
        """Name and value of each checkpoint tensor, such that `read` gives `value`: for saving."""


class Parameter(NamedTuple):
    """One parameter of a module: the array that it is loaded from, and one letter per axis (sharding.py)."""

    source: Source
    axes: str


Parameters = dict[Path, Parameter]


def within(path: Path, parameters: Parameters) -> Parameters:
    """The parameters of a module that sits at `path` of another."""
    return {(*path, *name): parameter for name, parameter in parameters.items()}


@dataclass(frozen=True)
class Stored(Source):
    """One tensor of the checkpoint as it is. size: its shape."""

    name: str
    size: tuple[int, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        return self.size

    def stored(self) -> Iterator["Stored"]:
        yield self

    def read(self, tensors: Mapping[str, Any], index: Index, out: np.ndarray) -> None:
        """By few rows at a time: in the meantime they may be wider than `out` has them."""
        tensor, (rows, *rest) = tensors[self.name], index
        step = max(1, READ_AT_ONCE // max(1, math.prod(out.shape[1:])))
        for start in range(0, len(out), step):
            stop = min(start + step, len(out))
            out[start:stop] = tensor[slice(rows.start + start, rows.start + stop), *rest]

    def split(self, value: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
        yield self.name, value


@dataclass(frozen=True)
class Concatenated(Source):
    """Parts one after the other along `axis`."""

    parts: tuple[Source, ...]
    axis: int = 0

    @property
    def shape(self) -> tuple[int, ...]:
        shape = list(self.parts[0].shape)
        shape[self.axis] = sum(part.shape[self.axis] for part in self.parts)
        return tuple(shape)

    def stored(self) -> Iterator[Stored]:
        for part in self.parts:
            yield from part.stored()

    def read(self, tensors: Mapping[str, Any], index: Index, out: np.ndarray) -> None:
        wanted, start = index[self.axis], 0
        for part in self.parts:
            size = part.shape[self.axis]
            low, high = max(wanted.start, start), min(wanted.stop, start + size)
            if low < high:
                inner = _at(index, self.axis, low - start, high - start)
                part.read(tensors, inner, _cut(out, self.axis, low - wanted.start, high - wanted.start))
            start += size

    def split(self, value: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
        ends = np.cumsum([part.shape[self.axis] for part in self.parts])[:-1]
        for part, values in zip(self.parts, np.split(value, ends, self.axis), strict=True):
            yield from part.split(values)


@dataclass(frozen=True)
class Stacked(Source):
    """Parts of one shape along a new first axis: experts that are stored one by one."""

    parts: tuple[Source, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        return (len(self.parts), *self.parts[0].shape)

    def stored(self) -> Iterator[Stored]:
        for part in self.parts:
            yield from part.stored()

    def read(self, tensors: Mapping[str, Any], index: Index, out: np.ndarray) -> None:
        for target, part in zip(out, self.parts[index[0]], strict=True):
            part.read(tensors, index[1:], target)

    def split(self, value: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
        for part, values in zip(self.parts, value, strict=True):
            yield from part.split(values)


@dataclass(frozen=True)
class Transposed(Source):
    """A part with its last two axes exchanged: kernels that are stored [in, out]."""

    part: Source

    @property
    def shape(self) -> tuple[int, ...]:
        *outer, rows, columns = self.part.shape
        return (*outer, columns, rows)

    def stored(self) -> Iterator[Stored]:
        yield from self.part.stored()

    def read(self, tensors: Mapping[str, Any], index: Index, out: np.ndarray) -> None:
        self.part.read(tensors, (*index[:-2], index[-1], index[-2]), out.swapaxes(-1, -2))

    def split(self, value: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
        yield from self.part.split(value.swapaxes(-1, -2))


@dataclass(frozen=True)
class Flattened(Source):
    """A part with all its axes but the first as one: kernels of convolutions that do not overlap."""

    part: Source

    @property
    def shape(self) -> tuple[int, ...]:
        rows, *rest = self.part.shape
        return (rows, math.prod(rest))

    def stored(self) -> Iterator[Stored]:
        yield from self.part.stored()

    def read(self, tensors: Mapping[str, Any], index: Index, out: np.ndarray) -> None:
        rows, columns = index
        whole = np.empty((rows.stop - rows.start, *self.part.shape[1:]), out.dtype)
        self.part.read(tensors, (rows, *(slice(0, size) for size in self.part.shape[1:])), whole)
        out[...] = whole.reshape(len(whole), -1)[:, columns]

    def split(self, value: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
        yield from self.part.split(value.reshape(self.part.shape))


@dataclass(frozen=True)
class Sliced(Source):
    """Elements `start` to `stop` of a part along its first axis: one of several parameters that are stored as one.

    It cannot be split again by itself, since it does not have what its neighbours hold.
    """

    part: Source
    start: int
    stop: int

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.stop - self.start, *self.part.shape[1:])

    def stored(self) -> Iterator[Stored]:
        yield from self.part.stored()

    def read(self, tensors: Mapping[str, Any], index: Index, out: np.ndarray) -> None:
        first = index[0]
        self.part.read(tensors, _at(index, 0, first.start + self.start, first.stop + self.start), out)

    def split(self, value: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
        raise ValueError(f"{next(self.stored()).name} is stored whole, not in slices of its rows")


@dataclass(frozen=True)
class Interleaved(Source):
    """Parts cut into `groups` equal groups of rows: the first group of every part, then the second of every part ...

    A fused kernel in this order is split over devices by its groups: each device then has, of every part, what belongs
    together, and the parts are taken apart again without moving data between devices.
    """

    parts: tuple[Source, ...]
    groups: int

    @property
    def shape(self) -> tuple[int, ...]:
        return (sum(part.shape[0] for part in self.parts), *self.parts[0].shape[1:])

    def stored(self) -> Iterator[Stored]:
        for part in self.parts:
            yield from part.stored()

    def read(self, tensors: Mapping[str, Any], index: Index, out: np.ndarray) -> None:
        first, *rest = index
        heights = self._heights()
        unit = sum(heights)
        low, high = first.start // unit, -(-first.stop // unit)  # the groups that are touched
        whole = np.empty((high - low, unit, *out.shape[1:]), out.dtype)
        start = 0
        for part, height in zip(self.parts, heights, strict=True):
            rows = np.empty(((high - low) * height, *out.shape[1:]), out.dtype)
            part.read(tensors, (slice(low * height, high * height), *rest), rows)
            whole[:, start : start + height] = rows.reshape(high - low, height, *out.shape[1:])
            start += height
        skipped = first.start - low * unit
        out[...] = whole.reshape((high - low) * unit, *out.shape[1:])[skipped : skipped + len(out)]

    def split(self, value: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
        grouped = value.reshape(self.groups, -1, *value.shape[1:])
        ends = np.cumsum(self._heights())[:-1]
        for part, values in zip(self.parts, np.split(grouped, ends, axis=1), strict=True):
            yield from part.split(values.reshape(part.shape))

    def _heights(self) -> list[int]:
        """Rows of one group, per part."""
        return [part.shape[0] // self.groups for part in self.parts]


@dataclass(frozen=True)
class Shifted(Source):
    """A part with `offset` added to every element: norm scales that are stored less one."""

    part: Source
    offset: float

    @property
    def shape(self) -> tuple[int, ...]:
        return self.part.shape

    def stored(self) -> Iterator[Stored]:
        yield from self.part.stored()

    def read(self, tensors: Mapping[str, Any], index: Index, out: np.ndarray) -> None:
        self.part.read(tensors, index, out)
        out += np.asarray(self.offset, out.dtype)

    def split(self, value: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
        yield from self.part.split(value - np.asarray(self.offset, value.dtype))


def linear(names: Sequence[tuple[str, int]], inputs: int, groups: int | None, bias: bool, axes: str) -> Parameters:
    """A linear layer's kernel [out, in] and bias [out], of one or several stored ones.

    names: stem of each stored layer, and its outputs. groups: how several are interleaved, None for a single one.
    """
    shapes: dict[Path, tuple[str, tuple[int, ...], str]] = {("kernel", "values"): ("weight", (inputs,), axes)}
    shapes |= {("bias",): ("bias", (), axes[0])} if bias else {}
    parameters: Parameters = {}
    for ours, (theirs, rest, letters) in shapes.items():
        parts = tuple(Stored(f"{name}.{theirs}", (outputs, *rest)) for name, outputs in names)
        parameters[ours] = Parameter(parts[0] if groups is None else Interleaved(parts, groups), letters)
    return parameters


def _at(index: Index, axis: int, start: int, stop: int) -> Index:
    return (*index[:axis], slice(start, stop), *index[axis + 1 :])


def _cut(array: np.ndarray, axis: int, start: int, stop: int) -> np.ndarray:
    return array[(slice(None),) * axis + (slice(start, stop),)]
