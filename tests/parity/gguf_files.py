"""Checkpoints as GGUF files, and GGUF files as folders that transformers loads."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save_file

from backend.models.gguf.checkpoint import GGUFCheckpoint
from benchmarks.gguf_weights import add_config, add_tensors, finish, new_writer


def write(folder: Path, file: Path, quantization: str = "F32", split: int = 0, **fields: Any) -> Path:
    """The checkpoint in `folder` as GGUF. split: tensors of one part, 0 for one file; fields: other than config.json's.

    Gives the file, or the first part.
    """
    config = json.loads((folder / "config.json").read_text()) | fields
    writer = new_writer(file, config, split)
    add_config(writer, config)
    add_tensors(writer, config, stored(folder), quantization)
    finish(writer)
    return file if file.exists() else min(file.parent.glob(f"{file.stem}-00001-of-*.gguf"))


def dump(file: Path, folder: Path) -> None:
    """The GGUF file as a folder: config.json and, dequantised, model.safetensors."""
    checkpoint = GGUFCheckpoint(file)
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(checkpoint.fields))
    less = 1.0 if checkpoint.fields["model_type"].startswith("gemma") else 0.0
    values = {name: np.ascontiguousarray(tensor[:]) for name, tensor in checkpoint.tensors.items()}
    norms = {name: value - np.float32(less) for name, value in values.items() if name.endswith("norm.weight")}
    save_file(values | norms, folder / "model.safetensors", metadata={"format": "pt"})


def stored(folder: Path) -> dict[str, np.ndarray]:
    """All tensors of a folder, float32."""
    tensors: dict[str, np.ndarray] = {}
    for file in sorted(folder.glob("*.safetensors")):
        with safe_open(file, "numpy") as opened:
            tensors |= {name: opened.get_tensor(name).astype(np.float32) for name in opened.keys()}  # noqa: SIM118
    return tensors
