"""What functions that are called within groups of rows become, lowered for devices that are not there."""

import jax
import jax.numpy as jnp
import pytest
from jax.sharding import AbstractMesh, AxisType, NamedSharding, PartitionSpec

from backend.sharding import COPIES, DATA, HEADS, in_groups, of_group, on_each_device, traced_once


def lowered(groups: int) -> tuple[str, int]:
    """A program that calls a function twice which devices do by themselves, and how often the function was traced."""
    mesh = AbstractMesh((groups, 2, 1), (DATA, HEADS, COPIES), axis_types=(AxisType.Auto,) * 3)
    heads, traced = PartitionSpec(None, HEADS), []

    @traced_once
    def times(factor: float, x: jax.Array) -> jax.Array:
        traced.append(factor)
        return on_each_device(lambda x: factor * x, heads, heads)(x)

    def program(x: jax.Array) -> jax.Array:
        return times(3.0, times(3.0, x))

    x = jax.ShapeDtypeStruct((4, 4), jnp.float32, sharding=NamedSharding(mesh, PartitionSpec(DATA, HEADS)))
    function = jax.jit(in_groups(mesh, program, (of_group("BK"),), of_group("BK")))
    return function.trace(x).lower(lowering_platforms=("tpu",)).as_text(), len(traced)


@pytest.mark.parametrize(("groups", "functions", "splits"), [(1, 1, 1), (2, 0, 3)])
def test_within_several_groups_no_function_that_is_called_splits_anything(groups, functions, splits):
    """Over what is split there XLA's partitioner for TPUs ends the process, with jax 0.10.2."""
    text, traced = lowered(groups)
    assert traced == 1
    assert text.count("func.func private") == functions and text.count("sdy.manual_computation") == splits
