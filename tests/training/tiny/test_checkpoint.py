"""The bundled checkpoint and its card."""

import json

from transformers import AutoTokenizer

from backend.models.checkpoint import open_checkpoint
from backend.tiny import CHECKPOINT
from training.card import parameters
from training.tiny.card import card
from training.tiny.evaluate import SAMPLES, SEED
from training.tiny.model import CONFIG
from training.tiny.train import LENGTH
from training.tokenizer import END, PAD

FILES = {
    *("README.md", "chat_template.jinja", "config.json", "evaluation.json", "generation_config.json"),
    *("model.safetensors", "tokenizer.json", "tokenizer_config.json", "training.json"),
}


def test_the_checkpoint_is_complete_and_under_eight_megabytes() -> None:
    files = list(CHECKPOINT.iterdir())
    assert {file.name for file in files} == FILES
    assert sum(file.stat().st_size for file in files) < 8_000_000


def test_the_checkpoint_is_of_the_size_the_recipe_makes() -> None:
    assert open_checkpoint(CHECKPOINT).config == CONFIG
    assert 1_000_000 <= parameters(CHECKPOINT) <= 3_000_000


def test_generation_ends_at_both_end_tokens() -> None:
    tokenizer = AutoTokenizer.from_pretrained(CHECKPOINT)
    generation = json.loads((CHECKPOINT / "generation_config.json").read_text())
    assert generation["eos_token_id"] == tokenizer.convert_tokens_to_ids([END, PAD])
    assert tokenizer.eos_token == END and tokenizer.pad_token == PAD


def test_the_card_says_what_training_and_evaluation_recorded() -> None:
    assert (CHECKPOINT / "README.md").read_text() == card(CHECKPOINT)
    evaluation = json.loads((CHECKPOINT / "evaluation.json").read_text())
    assert (evaluation["samples"], evaluation["seed"]) == (SAMPLES, SEED)
    assert json.loads((CHECKPOINT / "training.json").read_text())["length"] == LENGTH
