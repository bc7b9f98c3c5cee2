"""The tensors of a safetensors checkpoint, one file or sharded, read lazily and by slice."""

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from backend.models.errors import CheckpointError

SINGLE, INDEX = "model.safetensors", "model.safetensors.index.json"
FLOATS = frozenset({"F32", "BF16", "F16"})


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
                    self._slices[name] = opened.get_slice(stored)

    def __getitem__(self, name: str) -> Any:
        return self._slices[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._slices)

    def __len__(self) -> int:
        return len(self._slices)


def read_json(file: Path) -> dict[str, Any]:
    """A JSON object from a file of a checkpoint. Raises `CheckpointError` if it is absent or not an object."""
    if not file.is_file():
        files = ", ".join(sorted(path.name for path in file.parent.glob("*.gguf")))
        advice = f"; name one of its GGUF files: {files}" if files else ""
        raise CheckpointError(f"{file.parent} has no {file.name}: it is not a Hugging Face checkpoint folder{advice}")
    try:
        parsed = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise CheckpointError(f"{file} is not valid JSON: {error}") from error
    if not isinstance(parsed, dict):
        raise CheckpointError(f"{file} must hold a JSON object, not {type(parsed).__name__}")
    return parsed


def _files(folder: Path) -> list[Path]:
    if (folder / INDEX).is_file():
        shards = sorted(set(read_json(folder / INDEX).get("weight_map", {}).values()))
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


def _open(file: Path) -> Any:
    try:
        return safe_open(file, framework="numpy")
    except SafetensorError as error:
        raise CheckpointError(f"{file} is not a complete safetensors file ({error}); download it again") from error
