"""Training steps, checkpoints, and what is shown more often."""

import random
from dataclasses import replace
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from backend.models.checkpoint import open_checkpoint
from backend.models.weights import load
from training.draw import Draw
from training.omni.batches import MediaBatch, with_media
from training.omni.export import export
from training.omni.model import DECODER, SOUND_SAMPLES, filters, media_config, new_decoder, waves_of_places
from training.omni.tasks import TASKS, USUAL, exam
from training.omni.tokenizer import Encoder, train_tokenizer
from training.omni.train import LEAST_WEIGHT, loss_of, weights_for
from training.packing import pack


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return Encoder(train_tokenizer(0, samples=200))


def a_batch(encoder: Encoder) -> MediaBatch:
    """One row that has a picture and a sound."""
    draw, choose = Draw(random.Random(0)), media_config().choose_frames
    drawn = [encoder(exam(draw, task, choose)) for task in ("colour", "tone")]
    packed = next(pack(drawn, 1, 160, encoder.tokenizer.pad_token_id, rest=True))
    return with_media(packed, encoder, 64, 64)


def test_the_loss_falls_along_its_gradient_which_all_parameters_have(encoder: Encoder) -> None:
    graph, params = nnx.split(new_decoder(0, replace(DECODER, layers=DECODER.layers[:1])), nnx.Param)
    batch = a_batch(encoder)

    @jax.jit
    def loss(params: nnx.State) -> tuple[jax.Array, nnx.State]:
        return jax.value_and_grad(lambda params: loss_of(nnx.merge(graph, params), batch)[0])(params)

    before, gradient = loss(params)
    size = sum(float(jnp.square(leaf).sum()) for leaf in jax.tree.leaves(gradient))
    after, _ = loss(jax.tree.map(lambda p, g: p - 1e-3 * before / size * g, params, gradient))
    assert float(before - after) == pytest.approx(1e-3 * float(before), rel=0.1)
    assert all(np.abs(leaf).max() > 0 for leaf in jax.tree.leaves(gradient))


def test_an_exported_checkpoint_loads_with_the_same_weights(tmp_path: Path, encoder: Encoder) -> None:
    params = nnx.state(new_decoder(1), nnx.Param)
    export(params, encoder.tokenizer, tmp_path)
    assert open_checkpoint(tmp_path).config == DECODER
    loaded = nnx.state(load(open_checkpoint(tmp_path), jnp.float32), nnx.Param)
    for ours, theirs in zip(jax.tree.leaves(params), jax.tree.leaves(loaded), strict=True):
        np.testing.assert_array_equal(ours.astype(jnp.bfloat16), theirs)


def test_what_is_answered_wrong_is_shown_more_often() -> None:
    shares = dict.fromkeys(TASKS, 1.0)
    assert set(weights_for(shares).values()) == {LEAST_WEIGHT}
    weights = weights_for(shares | {"shape": 0.5, "json": 0.75})
    assert weights["one_shape"] == pytest.approx(LEAST_WEIGHT + 0.5)
    assert {name for name, weight in weights.items() if weight == LEAST_WEIGHT} == set(USUAL) - {"one_shape"}


def test_a_tone_is_as_loud_to_the_first_filters_wherever_it_begins() -> None:
    waves = filters(128, SOUND_SAMPLES)
    time = np.arange(SOUND_SAMPLES) / 16_000
    heard = [waves @ np.sin(2 * np.pi * 800 * time + phase) for phase in (0.0, 1.0, 2.0)]
    power = [(each[:64] ** 2 + each[64:] ** 2) for each in heard]
    np.testing.assert_allclose(power[1], power[0], atol=0.01 * power[0].max())
    np.testing.assert_allclose(power[2], power[0], atol=0.01 * power[0].max())
    assert 90 * (5000 / 90) ** (power[0].argmax() / 63) == pytest.approx(800, rel=0.05)


def test_columns_and_rows_are_told_apart() -> None:
    places = waves_of_places(36, 2, 128)
    assert not (places[:, 0] * places[:, 1]).any()
    assert np.square(places.sum(axis=1)).mean() == pytest.approx(1, rel=0.05)
    distances = np.linalg.norm(places[:, None, 0] - places[None, :, 0], axis=-1)
    assert distances[~np.eye(36, dtype=bool)].min() > 1
