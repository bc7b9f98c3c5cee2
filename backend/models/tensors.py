"""The tensors of a safetensors checkpoint, one file or sharded, read lazily and by slice."""

import json
import math
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
from safetensors import SafetensorError, safe_open

from backend.models.errors import CheckpointError
from backend.models.paths import check_names

SINGLE, INDEX = "model.safetensors", "model.safetensors.index.json"
FLOATS = frozenset({"F32", "BF16", "F16"})
EIGHT_BITS = {"F8_E4M3": ml_dtypes.float8_e4m3fn, "F8_E8M0": ml_dtypes.float8_e8m0fnu}
"""Types that safetensors' slices do not give as NumPy arrays."""


class Tensors(Mapping[str, Any]):
    """Name -> safetensors slice: `get_shape()`, `get_dtype()`, and `[rows, columns]` reads only what is asked for.

    `rename` maps a stored name to the decoder's, or to None where the decoder has no use for it. Reading is lazy:
    nothing but the headers is read until a slice is taken, and what is read belongs to the caller.
    """

    def __init__(self, folder: Path, rename: Callable[[str], str | None] = str) -> None:
        self._slices: dict[str, Any] = {}
        for file in _files(folder):
            opened = _open(file)
            for stored in opened.offset_keys():
                if (name := rename(stored)) is not None:
                    found = opened.get_slice(stored)
                    mapped = found.get_dtype() in EIGHT_BITS
                    self._slices[name] = _Mapped(file, stored, found) if mapped else found

    def __getitem__(self, name: str) -> Any:
        return self._slices[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._slices)

    def __len__(self) -> int:
        return len(self._slices)


class _Mapped:
    """A safetensors slice of a type in EIGHT_BITS, mapped from its file when it is first read."""

    def __init__(self, file: Path, name: str, opened: Any) -> None:
        self._file, self._name = file, name
        self.get_shape, self.get_dtype = opened.get_shape, opened.get_dtype

    def __getitem__(self, index: Any) -> np.ndarray:
        return np.array(self._array[index])

    @cached_property
    def _array(self) -> np.ndarray:
        with self._file.open("rb") as stream:
            size = int.from_bytes(stream.read(8), "little")
            start = json.loads(stream.read(size))[self._name]["data_offsets"][0]
        shape = tuple(self.get_shape())
        data = np.memmap(self._file, np.uint8, "r", 8 + size + start, (math.prod(shape),))
        return data.view(EIGHT_BITS[self.get_dtype()]).reshape(shape)


def read_json(file: Path, kind: type = dict) -> Any:
    """A JSON object, or a list, from a file of a checkpoint. Raises `CheckpointError` if it is absent or another."""
    if not file.is_file():
        files = ", ".join(sorted(path.name for path in file.parent.glob("*.gguf")))
        advice = f"; name one of its GGUF files: {files}" if files else ""
        raise CheckpointError(f"{file.parent} has no {file.name}: it is not a Hugging Face checkpoint folder{advice}")
    try:
        parsed = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise CheckpointError(f"{file} is not valid JSON: {error}") from error
    if not isinstance(parsed, kind):
        wanted = "list" if kind is list else "object"
        raise CheckpointError(f"{file} must hold a JSON {wanted}, not {type(parsed).__name__}")
    return parsed


def _files(folder: Path) -> list[Path]:
    if (folder / INDEX).is_file():
        shards = _shards(folder / INDEX)
        absent = [name for name in shards if not (folder / name).is_file()]
        if absent:
            raise CheckpointError(f"{folder / INDEX} names files that are absent: {', '.join(absent)}")
        return [folder / name for name in shards]
    if (folder / SINGLE).is_file():
        return [folder / SINGLE]
    pickled = sorted(file.name for file in folder.glob("*.bin"))
    if pickled:
        raise CheckpointError(
            f"{folder} holds pickled weights ({', '.join(pickled)}), which can run code when read; convert them to "
            "safetensors: AutoModelForCausalLM.from_pretrained(FOLDER).save_pretrained(NEW_FOLDER)"
        )
    raise CheckpointError(f"{folder} has neither {SINGLE} nor {INDEX}")


def _shards(index: Path) -> list[str]:
    """The names of the files that an index leads to. Raises `CheckpointError` where they are none of its folder."""
    weight_map = read_json(index).get("weight_map")
    if not isinstance(weight_map, dict) or not weight_map:
        raise CheckpointError(f"{index}: weight_map must be an object that names the file of each tensor")
    check_names(index, weight_map.values())
    return sorted(set(weight_map.values()))


def _open(file: Path) -> Any:
    try:
        return safe_open(file, framework="numpy")
    except SafetensorError as error:
        raise CheckpointError(f"{file} is not a complete safetensors file ({error}); download it again") from error
