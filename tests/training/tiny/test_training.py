"""Training, saving and exporting, on a few steps."""

from dataclasses import replace
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from transformers import AutoTokenizer

from backend.models.checkpoint import open_checkpoint
from backend.models.weights import load
from backend.tiny import CHECKPOINT
from training.optimizer import PEAK, learning_rate
from training.run import Run
from training.tiny.export import export
from training.tiny.model import CONFIG, new_decoder
from training.tiny.train import LENGTH, batches, loss_of
from training.trainer import Trainer

TOKENIZER = AutoTokenizer.from_pretrained(CHECKPOINT)


def test_a_resumed_run_goes_on_as_if_it_had_not_stopped(tmp_path: Path) -> None:
    stream = batches(TOKENIZER, Run(0, LENGTH))
    (first, following), (second, _) = next(stream), next(stream)
    again, _ = next(batches(TOKENIZER, Run(0, LENGTH, conversations=following)))
    assert all(np.array_equal(a, b) for a, b in zip(second, again, strict=True))

    trainer = Trainer(new_decoder(0, replace(CONFIG, layers=CONFIG.layers[:1])), loss_of)
    losses = [trainer.step(first, PEAK), trainer.step(first, PEAK)]
    trainer.save(tmp_path / "resume.npz")
    losses.append(trainer.step(second, PEAK))
    trainer.load(tmp_path / "resume.npz")
    assert trainer.step(second, PEAK) == losses[-1]
    assert losses[1] < losses[0]


def test_an_exported_checkpoint_loads_with_the_same_weights(tmp_path: Path) -> None:
    params = nnx.state(new_decoder(1), nnx.Param)
    export(params, TOKENIZER, tmp_path)
    assert open_checkpoint(tmp_path).config == CONFIG
    loaded = nnx.state(load(open_checkpoint(tmp_path), jnp.float32), nnx.Param)
    for ours, theirs in zip(jax.tree.leaves(params), jax.tree.leaves(loaded), strict=True):
        np.testing.assert_array_equal(ours.astype(jnp.bfloat16), theirs)
    assert AutoTokenizer.from_pretrained(tmp_path).chat_template == TOKENIZER.chat_template


def test_the_learning_rate_rises_stays_and_ends_at_zero() -> None:
    assert learning_rate(0, 0.0) < learning_rate(10, 0.0) < learning_rate(100, 0.1) == PEAK
    assert PEAK > learning_rate(500, 0.6) > learning_rate(900, 0.9) > 0
    assert learning_rate(1000, 1.0) == pytest.approx(0.0)
