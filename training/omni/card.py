"""Writes the model card from what training and evaluation recorded: `python -m training.omni.card DIR`."""

import argparse
from pathlib import Path

from backend.media import SAMPLE_RATE
from training.card import parameters, records, table
from training.omni.model import media_config
from training.omni.tasks import MOST_BEEPS, MOST_SHAPES

TEXT = Path(__file__).with_name("card.md").read_text(encoding="utf-8")


def card(folder: Path) -> str:
    """The card of the checkpoint in `folder`, from its config.json, training.json, evaluation.json and weights."""
    config, run, evaluation = records(folder)
    text, vision, (samples, _) = config["text_config"], media_config().vision, media_config().sound or (0, 0)
    assert vision is not None
    return TEXT.format(
        parameters=parameters(folder),
        layers=text["num_hidden_layers"],
        hidden=text["hidden_size"],
        heads=text["num_attention_heads"],
        kv_heads=text["num_key_value_heads"],
        head_dim=text["head_dim"],
        ffw=text["intermediate_size"],
        vocab=text["vocab_size"],
        patch=vision.patch,
        picture=vision.picture_tokens,
        frame=vision.frame_tokens,
        frames=vision.frames,
        samples=samples,
        second=SAMPLE_RATE / samples,
        shapes=MOST_SHAPES,
        beeps=MOST_BEEPS,
        length=run["length"],
        seed=run["seed"],
        steps=run["step"],
        conversations=run["conversations"],
        tokens=run["tokens"],
        minutes=run["seconds"] / 60,
        loss=run["assistant_loss"],
        note=run["note"],
        samples_asked=evaluation["samples"],
        table=table(evaluation["scores"], "task", places=1),
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m training.omni.card", description=__doc__)
    parser.add_argument(
        "folder", type=Path, help="an evaluated checkpoint of this recipe; README.md is written into it"
    )
    folder = parser.parse_args().folder
    (folder / "README.md").write_text(card(folder))


if __name__ == "__main__":
    main()
