"""Writes the model card from what training and evaluation recorded: `python -m training.omni.card DIR`."""

from pathlib import Path

from backend.media import SAMPLE_RATE
from training.card import fields, parameters, records
from training.commands import checkpoint
from training.evaluation import markdown
from training.omni.model import media_config
from training.omni.tasks import MOST_BEEPS, MOST_SHAPES

TEXT = Path(__file__).with_name("card.md").read_text(encoding="utf-8")


def card(folder: Path) -> str:
    """The card of the checkpoint in `folder`, from its config.json, training.json, evaluation.json and weights."""
    config, run, evaluation = records(folder)
    vision, (samples, _) = media_config().vision, media_config().sound or (0, 0)
    assert vision is not None
    return TEXT.format(
        **fields(config["text_config"], run),
        parameters=parameters(folder),
        patch=vision.patch,
        picture=vision.picture_tokens,
        frame=vision.frame_tokens,
        frames=vision.frames,
        samples=samples,
        second=SAMPLE_RATE / samples,
        shapes=MOST_SHAPES,
        beeps=MOST_BEEPS,
        note=run["note"],
        samples_asked=evaluation["samples"],
        table=markdown(evaluation["scores"], "task", places=1),
    )


def write_card(folder: Path) -> None:
    """Writes the card into the folder, as README.md."""
    (folder / "README.md").write_text(card(folder))


if __name__ == "__main__":
    write_card(checkpoint("training.omni.card", __doc__, "an evaluated checkpoint; README.md is written into it"))
