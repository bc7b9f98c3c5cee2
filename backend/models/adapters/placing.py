"""The stacks of a decoder, empty, and an adapter in the form in which a slot of them is filled."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from backend.models.adapters.checkpoint import Adapter, AdapterBase
from backend.models.adapters.stack import AdapterStacks, Stack, Stacks, blocks, used_rank
from backend.models.adapters.targets import Target
from backend.native.low_rank import BLOCK
from backend.sharding import sharding


def empty_stacks(base: AdapterBase, slots: int, rank: int, native: bool = False) -> AdapterStacks:
    """Stacks of J = `slots` adapters of at most Q = `rank`, which add nothing. native: see `Stack`."""

    def zeros(target: Target) -> Stack:
        parts = [blocks(size) for _, size in target.parts]
        return Stack(
            jnp.zeros((slots, len(parts), rank, target.inputs), base.dtype),
            tuple(jnp.zeros((slots, wide, rank, BLOCK), base.dtype) for wide in parts),
            tuple(jnp.zeros((slots, wide * BLOCK), base.dtype) for wide in parts),
            tuple(size for _, size in target.parts),
            target.axes,
            native,
        )

    return AdapterStacks(jnp.zeros(slots, jnp.int32), _by_layer(base, zeros))


def stack_axes(base: AdapterBase, stacks: AdapterStacks) -> AdapterStacks:
    """The stacks with the letters of each array's axes in place of the array (sharding.py).

    Outputs, and blocks of them, are split as the kernel's own are, and so are inputs.
    """

    def letters(target: Target) -> Stack:
        out, inputs, count = target.axes[0], target.axes[1], len(target.parts)
        arrays: Any = {"down": f"111{inputs}", "ups": (f"1{out}11",) * count, "biases": (f"1{out}",) * count}
        return replace(stacks.layers[target.layer][target.name], **arrays)

    return AdapterStacks("1", _by_layer(base, letters))  # type: ignore[arg-type]


def stack_shardings(base: AdapterBase, stacks: AdapterStacks, mesh: Mesh | None) -> tuple[Any, Any]:
    """Where the arrays of the stacks lie on a mesh, and those of a slot; None and None for one device."""
    if mesh is None:
        return None, None
    axes = stack_axes(base, stacks)

    def lie(skipped: int) -> Any:
        return jax.tree.map(
            lambda array, letters: sharding(mesh, letters[skipped:], array.shape[skipped:]), stacks, axes
        )

    return lie(0), lie(1)


def slot_arrays(adapter: Adapter, base: AdapterBase, stacks: AdapterStacks) -> AdapterStacks:
    """The adapter as what a slot of `stacks` is filled with: numpy arrays without the axis J, filled up with zeros."""

    def filled(target: Target) -> Stack:
        empty = stacks.layers[target.layer][target.name]
        one: Any = jax.tree.map(lambda array: np.zeros(array.shape[1:], array.dtype), empty)
        for part, (name, size) in enumerate(target.parts):
            if name in adapter.matrices:
                pair = adapter.matrices[name]
                rank = len(pair.down)
                one.down[part, :rank] = pair.down
                rows = np.zeros((blocks(size) * BLOCK, rank), pair.up.dtype)
                rows[:size] = pair.up
                one.ups[part][:, :rank] = rows.reshape(-1, BLOCK, rank).transpose(0, 2, 1)
            if name in adapter.biases:
                one.biases[part][:size] = adapter.biases[name]
        return one

    ranks = np.asarray(used_rank(adapter.rank), np.int32)
    return AdapterStacks(ranks, _by_layer(base, filled))  # type: ignore[arg-type]


def on_devices(one: AdapterStacks, shardings: Any) -> AdapterStacks:
    """What `slot_arrays` gave, on the devices of this process. shardings: where it lies, see `stack_shardings`."""
    if shardings is None:
        arrays: AdapterStacks = jax.device_put(one)
    else:
        # Not device_put, which has processes compare what they were given.
        arrays = jax.tree.map(
            lambda array, lies: jax.make_array_from_callback(array.shape, lies, array.__getitem__), one, shardings
        )
    return jax.block_until_ready(arrays)


def shapes_of_slot(stacks: AdapterStacks) -> AdapterStacks:
    """What `slot_arrays` gives, as shapes."""
    shapes: AdapterStacks = jax.tree.map(lambda array: jax.ShapeDtypeStruct(array.shape[1:], array.dtype), stacks)
    return shapes


def shapes_with(shapes: AdapterStacks, shardings: Any) -> AdapterStacks:
    """The shapes with where they lie, one of `stack_shardings`."""
    if shardings is None:
        return shapes
    return jax.tree.map(
        lambda array, lies: jax.ShapeDtypeStruct(array.shape, array.dtype, sharding=lies), shapes, shardings
    )


def _by_layer(base: AdapterBase, make: Callable[[Target], Stack]) -> Stacks:
    layers: Stacks = tuple({} for _ in range(base.layers))
    for target in base.targets:
        layers[target.layer][target.name] = make(target)
    return layers
