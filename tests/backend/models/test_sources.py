"""What parameters are made of: any expression over stored tensors, any part of it, against whole numpy arrays."""

from collections.abc import Mapping
from itertools import count

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.models.sources import Concatenated, Interleaved, Shifted, Sliced, Source, Stacked, Stored, Transposed

NUMBERS = count()
Tensors = Mapping[str, np.ndarray]


def whole(source: Source, tensors: Tensors) -> np.ndarray:
    """The array, all at once, by the definition of each kind."""
    match source:
        case Stored(name):
            return tensors[name]
        case Concatenated(parts, axis):
            return np.concatenate([whole(part, tensors) for part in parts], axis)
        case Stacked(parts):
            return np.stack([whole(part, tensors) for part in parts])
        case Transposed(part):
            return np.swapaxes(whole(part, tensors), -1, -2)
        case Sliced(part, start, stop):
            return whole(part, tensors)[start:stop]
        case Interleaved(parts, groups):
            cut = [np.split(whole(part, tensors), groups) for part in parts]
            return np.concatenate([piece for group in zip(*cut, strict=True) for piece in group])
        case Shifted(part, offset):
            return whole(part, tensors) + offset
    raise AssertionError(source)


@st.composite
def sources(draw: st.DrawFn, depth: int = 3, shape: tuple[int, int] | None = None) -> Source:
    """Of a matrix, or of stacked ones at the top."""
    rows, columns = shape or (draw(st.integers(1, 12)), draw(st.integers(1, 6)))
    inner = [*"tsicrf"] if depth else []
    match draw(st.sampled_from(["stored", *inner, *(["k"] if shape is None and depth else [])])):
        case "t":
            return Transposed(draw(sources(depth - 1, (columns, rows))))
        case "s":
            start, rest = draw(st.integers(0, 3)), draw(st.integers(0, 3))
            return Sliced(draw(sources(depth - 1, (start + rows + rest, columns))), start, start + rows)
        case "i":
            groups = draw(st.sampled_from([n for n in range(1, rows + 1) if rows % n == 0]))
            heights = draw(compositions(rows // groups))
            return Interleaved(tuple(draw(sources(depth - 1, (groups * h, columns))) for h in heights), groups)
        case "r":
            return Concatenated(tuple(draw(sources(depth - 1, (h, columns))) for h in draw(compositions(rows))))
        case "c":
            parts = tuple(draw(sources(depth - 1, (rows, w))) for w in draw(compositions(columns)))
            return Concatenated(parts, axis=1)
        case "f":
            return Shifted(draw(sources(depth - 1, (rows, columns))), draw(st.integers(-3, 3)))
        case "k":
            return Stacked(tuple(draw(sources(depth - 1, (rows, columns))) for _ in range(draw(st.integers(1, 3)))))
    return Stored(f"tensor {next(NUMBERS)}", (rows, columns))


@st.composite
def compositions(draw: st.DrawFn, total: int) -> list[int]:
    """Positive numbers with this sum."""
    cuts = sorted(draw(st.sets(st.integers(1, total - 1), max_size=2))) if total > 1 else []
    return [high - low for low, high in zip([0, *cuts], [*cuts, total], strict=True)]


def numbered_tensors(source: Source) -> dict[str, np.ndarray]:
    """Numbers that are all different, which float32 has exactly."""
    tensors, start = {}, 0
    for stored in source.stored():
        size = int(np.prod(stored.shape))
        tensors[stored.name] = np.arange(start, start + size, dtype=np.float32).reshape(stored.shape)
        start += size
    return tensors


@settings(max_examples=200)
@given(source=sources(), data=st.data())
def test_any_part_of_any_source_is_that_part_of_the_whole(source: Source, data: st.DataObject) -> None:
    tensors = numbered_tensors(source)
    expected = whole(source, tensors)
    assert source.shape == expected.shape
    index = []
    for size in expected.shape:
        low, high = sorted((data.draw(st.integers(0, size)), data.draw(st.integers(0, size))))
        index.append(slice(low, high))
    out = np.full(expected[tuple(index)].shape, np.nan)
    source.read(tensors, tuple(index), out)
    np.testing.assert_array_equal(out, expected[tuple(index)])


@settings(max_examples=100)
@given(source=sources())
def test_what_is_split_again_is_what_was_stored(source: Source) -> None:
    tensors = numbered_tensors(source)
    if "Sliced" in repr(source):
        with pytest.raises(ValueError, match="is stored whole"):
            list(source.split(whole(source, tensors)))
        return
    for name, tensor in source.split(whole(source, tensors)):
        np.testing.assert_array_equal(tensor, tensors.pop(name))
    assert not tensors


def test_a_tensor_is_read_by_few_rows_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("backend.models.sources.READ_AT_ONCE", 10)
    whole, taken = np.arange(7 * 4).reshape(7, 4).astype(np.float32), []

    class Watched:
        def __getitem__(self, index: tuple[slice, slice]) -> np.ndarray:
            taken.append(whole[index].size)
            return whole[index]

    for index in ((slice(0, 7), slice(0, 4)), (slice(2, 7), slice(1, 2))):
        out = np.empty(whole[index].shape, np.float16)
        Stored("a", (7, 4)).read({"a": Watched()}, index, out)
        np.testing.assert_array_equal(out, whole[index])
    assert max(taken) <= 10 and len(taken) == 5
