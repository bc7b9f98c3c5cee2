"""The bundled checkpoint that sees and hears, its card, and what it can do."""

import json

import jax.numpy as jnp
import numpy as np
import pytest
import torch
from flax import nnx
from transformers import AutoModelForImageTextToText, PreTrainedModel

from backend.models.checkpoint import open_checkpoint
from backend.models.weights import load
from backend.tiny import OMNI
from training.card import parameters
from training.omni.batches import LENGTH, exams
from training.omni.card import card
from training.omni.evaluate import MODES, SAMPLES, SEED
from training.omni.model import CONFIG, DECODER, PROCESSORS
from training.omni.tasks import TASKS, Chat
from training.omni.tokenizer import EncodedChat, Encoder, shown
from training.omni.train import Examiner
from training.tokenizer import load_tokenizer

FILES = {
    *("README.md", "chat_template.jinja", "config.json", "evaluation.json", "generation_config.json"),
    *("model.safetensors", "processor_config.json", "tokenizer.json", "tokenizer_config.json", "training.json"),
}
ASKED = 24
"""Questions of each task that are asked here; evaluation.json is of many more."""


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return Encoder(load_tokenizer(OMNI))


def test_the_checkpoint_is_complete_and_under_eight_megabytes() -> None:
    files = list(OMNI.iterdir())
    assert {file.name for file in files} == FILES
    assert sum(file.stat().st_size for file in files) < 8_000_000
    assert 500_000 <= parameters(OMNI) <= 1_500_000


def test_it_is_what_the_recipe_makes() -> None:
    assert open_checkpoint(OMNI).config == DECODER
    assert json.loads((OMNI / "config.json").read_text()) == CONFIG
    assert json.loads((OMNI / "processor_config.json").read_text()) == PROCESSORS
    assert json.loads((OMNI / "training.json").read_text())["length"] == LENGTH


def test_the_card_says_what_training_and_evaluation_recorded() -> None:
    assert (OMNI / "README.md").read_text() == card(OMNI)
    evaluation = json.loads((OMNI / "evaluation.json").read_text())
    assert (evaluation["samples"], evaluation["seed"]) == (SAMPLES, SEED)
    assert evaluation["scores"].keys() == TASKS.keys()
    assert all(scores["known"] >= 0.95 for scores in evaluation["scores"].values())


@pytest.fixture(scope="module")
def shares(encoder: Encoder) -> dict[str, dict[str, float]]:
    """Of right answers to other drawings than those of evaluation.json."""
    graph, params = nnx.split(load(open_checkpoint(OMNI), jnp.float32))
    examiner = Examiner(graph, encoder)
    asked = {
        (task, mode): [chat for _, chat in exams(encoder, task, ASKED // 2, f"tested/{mode}", new)]
        for task in TASKS
        for mode, new in MODES.items()
    }
    mixed = [chat for drawn in zip(*asked.values(), strict=True) for chat in drawn]
    right = np.reshape(examiner.right(params, mixed), (ASKED // 2, len(TASKS), len(MODES)))
    return {task: dict(zip(MODES, right.mean(axis=0)[i], strict=True)) for i, task in enumerate(TASKS)}


@pytest.mark.parametrize("task", TASKS)
def test_a_task_holds_on_drawings_that_nothing_saw(task: str, shares: dict[str, dict[str, float]]) -> None:
    assert shares[task]["known"] >= 0.8 and np.mean(list(shares[task].values())) >= 0.75


@pytest.fixture(scope="module")
def oracle() -> PreTrainedModel:
    return AutoModelForImageTextToText.from_pretrained(OMNI, dtype=torch.float32, attn_implementation="eager")


@pytest.mark.parametrize("task", ["describe", "tone", "watch"])
def test_transformers_gives_the_same_answer(task: str, encoder: Encoder, oracle: PreTrainedModel) -> None:
    ((chat, encoded),) = exams(encoder, task, 1, "oracle", new_phrases=False)
    given = inputs(chat, encoded, encoder)
    answered = oracle.generate(**given, max_new_tokens=24, do_sample=False)[0, given["input_ids"].shape[1] :]
    assert encoder.tokenizer.decode(answered, skip_special_tokens=True) == chat.messages[-1]["content"]


def inputs(chat: Chat, encoded: EncodedChat, encoder: Encoder) -> dict[str, torch.Tensor]:
    """A question as transformers' model takes it."""
    ids = torch.tensor([encoder.tokenizer.encode(shown(encoder.tokenizer, chat, ask=True))])
    kinds = {"image": 1, "video": 2, "audio": 3}
    types = sum((ids == token) * kinds[kind] for kind, token in encoder.media.placeholders.items())
    given = {"input_ids": ids, "mm_token_type_ids": types, "attention_mask": torch.ones_like(ids)}
    frames = (ids == CONFIG["boi_token_id"]).sum()
    if frames:
        patches, places = (torch.from_numpy(part) for part in (encoded.patches, encoded.places))
        pixels, at = (part.reshape(frames, -1, part.shape[-1]) for part in (patches, places.long()))
        moving = (ids == CONFIG["video_token_id"]).any()
        names = ("pixel_values_videos", "video_position_ids") if moving else ("pixel_values", "image_position_ids")
        given |= dict(zip(names, (pixels, at), strict=True))
        given |= {"num_frames_per_video": frames.reshape(1)} if moving else {}
    else:
        pieces = torch.from_numpy(encoded.pieces)[None]
        given |= {"input_features": pieces, "input_features_mask": torch.ones(pieces.shape[:2], dtype=torch.bool)}
    return given
