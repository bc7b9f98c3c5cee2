"""Writes the model card from what training and evaluation recorded: `python -m training.tiny.card DIR`."""

import argparse
import json
import math
from pathlib import Path
from typing import Any

from safetensors import safe_open

TEXT = Path(__file__).with_name("card.md").read_text(encoding="utf-8")


def card(folder: Path) -> str:
    """The card of the checkpoint in `folder`, from its config.json, training.json, evaluation.json and weights."""
    config, run, evaluation = (_read(folder / f"{name}.json") for name in ("config", "training", "evaluation"))
    return TEXT.format(
        parameters=parameters(folder),
        layers=config["num_hidden_layers"],
        hidden=config["hidden_size"],
        heads=config["num_attention_heads"],
        kv_heads=config["num_key_value_heads"],
        head_dim=config["head_dim"],
        ffw=config["intermediate_size"],
        vocab=config["vocab_size"],
        context=config["max_position_embeddings"],
        length=run["length"],
        seed=run["seed"],
        steps=run["step"],
        conversations=run["conversations"],
        tokens=run["tokens"],
        minutes=run["seconds"] / 60,
        loss=run["assistant_loss"],
        samples=evaluation["samples"],
        table=table(evaluation["scores"]),
    )


def _read(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text())


def parameters(folder: Path) -> int:
    with safe_open(folder / "model.safetensors", framework="numpy") as tensors:
        names = tensors.keys()
        return sum(math.prod(tensors.get_slice(name).get_shape()) for name in names)


def table(scores: dict[str, dict[str, float]]) -> str:
    """Scores as a Markdown table, with a row of means."""
    modes = list(next(iter(scores.values())))
    means = {mode: sum(row[mode] for row in scores.values()) / len(scores) for mode in modes}
    rows = [f"| {name} | " + " | ".join(f"{row[mode]:.0%}" for mode in modes) + " |" for name, row in scores.items()]
    head = [f"| skill | {' | '.join(modes)} |", "|---|" + "---:|" * len(modes)]
    return "\n".join([*head, *rows, "| **mean** | " + " | ".join(f"{means[mode]:.0%}" for mode in modes) + " |"])


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m training.tiny.card", description=__doc__)
    parser.add_argument(
        "folder", type=Path, help="an evaluated checkpoint of this recipe; README.md is written into it"
    )
    folder = parser.parse_args().folder
    (folder / "README.md").write_text(card(folder))


if __name__ == "__main__":
    main()
