"""What cards of checkpoints are written from."""

import json
import math
from pathlib import Path
from typing import Any

from safetensors import safe_open


def records(folder: Path) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """The configuration of a checkpoint, and what its training and evaluation recorded."""
    config, run, evaluation = (json.loads((folder / f"{name}.json").read_text()) for name in RECORDS)
    return config, run, evaluation


RECORDS = ("config", "training", "evaluation")


def parameters(folder: Path) -> int:
    with safe_open(folder / "model.safetensors", framework="numpy") as tensors:
        names = tensors.keys()
        return sum(math.prod(tensors.get_slice(name).get_shape()) for name in names)


def table(scores: dict[str, dict[str, float]], what: str, places: int = 0) -> str:
    """Scores as a Markdown table, with a row of means. what: the rows are. places: of percentages, behind the point."""
    modes = list(next(iter(scores.values())))
    means = {mode: sum(row[mode] for row in scores.values()) / len(scores) for mode in modes}
    rows = [
        f"| {name} | " + " | ".join(f"{row[mode]:.{places}%}" for mode in modes) + " |" for name, row in scores.items()
    ]
    head = [f"| {what} | {' | '.join(modes)} |", "|---|" + "---:|" * len(modes)]
    return "\n".join([*head, *rows, "| **mean** | " + " | ".join(f"{means[mode]:.{places}%}" for mode in modes) + " |"])
