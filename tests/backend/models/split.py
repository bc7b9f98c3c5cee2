"""Checkpoints loaded onto eight devices, and how much of each tensor was read: see test_split.py."""

import json
import math
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from backend.models.checkpoint import open_checkpoint
from backend.models.storage import Storage
from backend.models.weights import load
from backend.sharding import make_mesh


class Watched:
    """A stored tensor that counts the numbers that are read of it."""

    def __init__(self, tensor: Any, name: str, read: Counter[str]) -> None:
        self._tensor, self._name, self._read = tensor, name, read

    def __getattr__(self, name: str) -> Any:
        return getattr(self._tensor, name)

    def __getitem__(self, index: Any) -> np.ndarray:
        found = self._tensor[index]
        self._read[self._name] += found.size
        return found

    def quantized(self, rows: slice) -> Any:
        found = self._tensor.quantized(rows)
        self._read[self._name] += found.values.size
        return found


class WatchedCheckpoint:
    """A checkpoint whose tensors are watched."""

    def __init__(self, path: Path) -> None:
        self._checkpoint, self.read = open_checkpoint(path), Counter[str]()
        self.tensors: Mapping[str, Any] = {
            name: Watched(tensor, name, self.read) for name, tensor in self._checkpoint.tensors.items()
        }

    def __getattr__(self, name: str) -> Any:
        return getattr(self._checkpoint, name)


def main(path: Path) -> None:
    mesh = make_mesh(jax.devices(), [2], groups=2)
    found = {}
    for quantization in ("auto", "int8"):
        storage = Storage(jnp.dtype(jnp.float32), None, quantization)
        checkpoint = WatchedCheckpoint(path)
        split = load(checkpoint, storage, mesh=mesh)
        whole = load(open_checkpoint(path), storage)
        for one, other in zip(*(jax.tree.leaves(nnx.state(d)) for d in (split, whole)), strict=True):
            np.testing.assert_array_equal(one, other)
        sizes = {name: math.prod(tensor.get_shape()) for name, tensor in checkpoint.tensors.items()}
        found[quantization] = {name: checkpoint.read[name] / size for name, size in sizes.items()}
    print(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
