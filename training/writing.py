"""Checkpoints of recipes as files, in Hugging Face's layout."""

import json
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
from flax import nnx
from numpy.typing import NDArray
from safetensors.numpy import save_file

from backend.models.sources import Parameters


def tensors(params: nnx.State, table: Parameters) -> dict[str, NDArray[Any]]:
    """Trained parameters in bfloat16 under the names that `table` has them from: what the loader reads, split again."""
    trained = dict(nnx.to_flat_state(params))
    named = {}
    for path, parameter in table.items():
        for name, tensor in parameter.source.split(np.asarray(trained[path].get_value())):
            named[name] = np.ascontiguousarray(tensor).astype(ml_dtypes.bfloat16)
    return named


def save_weights(named: dict[str, NDArray[Any]], folder: Path) -> None:
    """Writes model.safetensors."""
    save_file(named, folder / "model.safetensors", metadata={"format": "pt"})
    # safetensors creates its files readable by their owner alone.
    (folder / "model.safetensors").chmod(0o644)


def write_json(path: Path, values: dict[str, Any]) -> None:
    path.write_text(json.dumps(values, indent=2) + "\n")
