"""Writes the model card from what training and evaluation recorded: `python -m training.tiny.card DIR`."""

from pathlib import Path

from training.card import fields, parameters, records
from training.commands import checkpoint
from training.evaluation import markdown

TEXT = Path(__file__).with_name("card.md").read_text(encoding="utf-8")


def card(folder: Path) -> str:
    """The card of the checkpoint in `folder`, from its config.json, training.json, evaluation.json and weights."""
    config, run, evaluation = records(folder)
    return TEXT.format(
        **fields(config, run),
        parameters=parameters(folder),
        context=config["max_position_embeddings"],
        samples=evaluation["samples"],
        table=markdown(evaluation["scores"], "skill"),
    )


def write_card(folder: Path) -> None:
    """Writes the card into the folder, as README.md."""
    (folder / "README.md").write_text(card(folder))


if __name__ == "__main__":
    write_card(checkpoint("training.tiny.card", __doc__, "an evaluated checkpoint; README.md is written into it"))
