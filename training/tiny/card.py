"""Writes the model card from what training and evaluation recorded: `python -m training.tiny.card DIR`."""

import argparse
from pathlib import Path

from training.card import parameters, records, table

TEXT = Path(__file__).with_name("card.md").read_text(encoding="utf-8")


def card(folder: Path) -> str:
    """The card of the checkpoint in `folder`, from its config.json, training.json, evaluation.json and weights."""
    config, run, evaluation = records(folder)
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
        table=table(evaluation["scores"], "skill"),
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m training.tiny.card", description=__doc__)
    parser.add_argument(
        "folder", type=Path, help="an evaluated checkpoint of this recipe; README.md is written into it"
    )
    folder = parser.parse_args().folder
    (folder / "README.md").write_text(card(folder))


if __name__ == "__main__":
    main()
