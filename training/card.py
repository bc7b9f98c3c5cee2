"""What cards of checkpoints are written from."""

import json
import math
from pathlib import Path
from typing import Any

from safetensors import safe_open

RECORDS = ("config", "training", "evaluation")


def records(folder: Path) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """The configuration of a checkpoint, and what its training and evaluation recorded."""
    config, run, evaluation = (json.loads((folder / f"{name}.json").read_text()) for name in RECORDS)
    return config, run, evaluation


def parameters(folder: Path) -> int:
    with safe_open(folder / "model.safetensors", framework="numpy") as tensors:
        names = tensors.keys()
        return sum(math.prod(tensors.get_slice(name).get_shape()) for name in names)


def fields(text: dict[str, Any], run: dict[str, Any]) -> dict[str, Any]:
    """What every card says of the decoder, by the configuration of its text, and of its training."""
    return {
        "layers": text["num_hidden_layers"],
        "hidden": text["hidden_size"],
        "heads": text["num_attention_heads"],
        "kv_heads": text["num_key_value_heads"],
        "head_dim": text["head_dim"],
        "ffw": text["intermediate_size"],
        "vocab": text["vocab_size"],
        "length": run["length"],
        "seed": run["seed"],
        "steps": run["step"],
        "conversations": run["conversations"],
        "tokens": run["tokens"],
        "minutes": run["seconds"] / 60,
        "loss": run["assistant_loss"],
    }
