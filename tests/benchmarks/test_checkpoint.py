"""The model that is measured."""

from pathlib import Path

import jax
import jax.numpy as jnp
import pytest
from flax import nnx

from backend.models import weights
from backend.models.checkpoint import open_checkpoint
from benchmarks import checkpoint


@pytest.mark.parametrize("tied", [True, False])
def test_a_step_reads_all_weights_but_the_embedding_of_an_untied_model(tied: bool, tmp_path: Path) -> None:
    shape = checkpoint.config(**checkpoint.QUICK, tied=tied)
    parameters = checkpoint.make(shape, tmp_path)
    decoder = weights.load(open_checkpoint(tmp_path), jnp.dtype("float32"))
    sizes = [leaf.nbytes for leaf in jax.tree.leaves(nnx.state(decoder))]
    assert sum(sizes) == 4 * parameters
    assert checkpoint.bytes_per_step(shape, parameters) == sum(sizes) - (
        0 if tied else decoder.embedding.values[...].nbytes
    )


def test_the_checkpoint_is_the_same_each_time(tmp_path: Path) -> None:
    shape = checkpoint.config(**checkpoint.QUICK, tied=True)
    for name in ("a", "b"):
        checkpoint.make(shape, tmp_path / name)
    first, second = ((tmp_path / name / "model.safetensors").read_bytes() for name in ("a", "b"))
    assert first == second
