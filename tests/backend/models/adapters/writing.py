"""Adapters of a small decoder, written as PEFT saves them, without PEFT."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file

from backend.models.adapters.checkpoint import AdapterBase
from backend.models.decoder import Decoder

STEM = "base_model.model."


def tensors_of(base: AdapterBase, rank: int, names: tuple[str, ...], seed: int, size: float) -> dict[str, np.ndarray]:
    """Random matrices of every projection whose name ends with one of `names`."""
    random = np.random.default_rng(seed)
    tensors = {}
    for name, place in base.projections.items():
        if name.endswith(names):
            shapes = {"A": (rank, place.target.inputs), "B": (place.outputs, rank)}
            for letter, shape in shapes.items():
                tensors[f"{STEM}{name}.lora_{letter}.weight"] = random.standard_normal(shape, np.float32) * size
    return tensors


def write_adapter(
    folder: Path,
    decoder: Decoder,
    rank: int = 4,
    names: tuple[str, ...] = ("q_proj", "down_proj"),
    seed: int = 0,
    size: float = 0.3,
    changed: Mapping[str, np.ndarray | None] = {},
    **config: Any,
) -> Path:
    """An adapter's folder. changed: tensors to add, or with None to leave out; config: of adapter_config.json."""
    tensors = {**tensors_of(AdapterBase(decoder), rank, names, seed, size), **changed}
    folder.mkdir(parents=True, exist_ok=True)
    save_file(
        {name: tensor for name, tensor in tensors.items() if tensor is not None}, folder / "adapter_model.safetensors"
    )
    settings = {"peft_type": "LORA", "r": rank, "lora_alpha": 2 * rank, "target_modules": list(names)}
    (folder / "adapter_config.json").write_text(json.dumps(settings | config))
    return folder
