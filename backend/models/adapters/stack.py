"""Adapters side by side on the device, and what they add to the outputs of a layer's kernels, row by row.

What is added to a kernel's outputs is computed apart from it, of its inputs, whatever the kernel is stored in; and for
each projection apart, whatever kernel it is a part of.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from backend import native
from backend.native.low_rank import BLOCK, RANK_STEP
from backend.sharding import Total, by_parts

RANKS = (8, 16, 32, 64, 128, 256, 512)
"""Ranks that slots are made for."""


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Stack:
    """The matrices of J adapters for one kernel, whose outputs are those of one or several projections (parts).

    down: [J, parts, Q, in]. ups: of each part [J, out / 16, Q, 16], scaled, so that the weights of 16 outputs lie
    together. biases: of each part [J, out]. Outputs are filled up to whole blocks; `outputs` has how many there are.
    axes: the letters of the kernel's own axes, of its outputs and its inputs (sharding.py).
    native: whether products may be computed by `backend.native`, where that takes the shapes.
    """

    down: jax.Array
    ups: tuple[jax.Array, ...]
    biases: tuple[jax.Array, ...]
    outputs: tuple[int, ...] = field(metadata={"static": True})
    axes: str = field(metadata={"static": True})
    native: bool = field(default=False, metadata={"static": True})


Stacks = tuple[dict[str, Stack], ...]
"""Of each layer, the stack of each kernel by its name there."""


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class AdapterStacks:
    """All adapters on the device. ranks: int32 [J], what each slot's matrices use of Q, a multiple of 4."""

    ranks: jax.Array
    layers: Stacks


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class RowAdapters:
    """Which adapter each row of a call has.

    slots: int32 [B], -1 for none. used: int32 [U], every slot among them once, filled up with -2.
    """

    slots: jax.Array
    used: jax.Array


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Adapters:
    """The adapters of one forward call, of all layers or of one.

    slots: int32 [B, T], of each token, -1 for none. order: int32 [B * T], tokens such that those of a slot follow each
    other. used: as in `RowAdapters`.
    """

    layers: Stacks
    ranks: jax.Array
    slots: jax.Array
    order: jax.Array
    used: jax.Array

    def of_layer(self, layer: int) -> "Adapters":
        """Those of one layer alone."""
        return replace(self, layers=self.layers[layer : layer + 1])

    def added(self, name: str, x: jax.Array) -> tuple[jax.Array, ...] | None:
        """What is added to each part of a kernel's outputs for inputs x [B, T, in]: [B, T, out] each.

        None where adapters never change the kernel. For one layer's adapters only.
        """
        (stacks,) = self.layers
        stack = stacks.get(name)
        if stack is None:
            return None
        if stack.native and native.takes_low_rank(x.shape[-1], len(stack.ups), stack.down.dtype.name):
            flat, slots = x.reshape(-1, x.shape[-1]).astype(jnp.float32), self.slots.reshape(-1)
            outs = native.multiply_low_rank(flat, slots, self.order, self.ranks, stack.down, stack.ups, stack.biases)
        else:
            outs = self._multiply(stack, x)
        shape = x.shape[:-1]
        return tuple(
            out.reshape(*shape, -1)[..., :width].astype(x.dtype) for out, width in zip(outs, stack.outputs, strict=True)
        )

    def _multiply(self, stack: Stack, x: jax.Array) -> tuple[jax.Array, ...]:
        """By XLA: all rows with every slot that is used, of which each row then has its own."""
        chosen, mine = jnp.maximum(self.used, 0), (self.slots == self.used[:, None, None])[..., None]
        out, inputs = stack.axes[0], stack.axes[1]
        arrays = (chosen, mine, x, stack.down, stack.ups, stack.biases)
        axes = ("1", "1111", f"11{inputs}", f"111{inputs}", f"1{out}11", f"1{out}")
        outs: tuple[jax.Array, ...] = by_parts(_multiply, inputs, x.shape[-1], arrays, axes)
        return outs


def _multiply(
    total: Total,
    chosen: jax.Array,
    mine: jax.Array,
    x: jax.Array,
    down: jax.Array,
    ups: Sequence[jax.Array],
    biases: Sequence[jax.Array],
) -> tuple[jax.Array, ...]:
    """See `Adapters._multiply`. chosen: int32 [U], slots. mine: bool [U, B, T, 1], which of them each token has."""
    inner = total(jnp.einsum("btd,upqd->pubtq", x, down[chosen]))
    outs = []
    for part, (up, bias) in enumerate(zip(ups, biases, strict=True)):
        out = jnp.einsum("ubtq,uwqo->ubtwo", inner[part], up[chosen]).reshape(*mine.shape[:3], -1)
        outs.append(jnp.where(mine, out + bias[chosen][:, None, None], 0).sum(0))
    return tuple(outs)


def of_call(stacks: AdapterStacks, rows: RowAdapters, positions: jax.Array) -> Adapters:
    """The adapters of a call whose tokens stand at positions int32 [B, T], -1 where there is none."""
    slots = jnp.where(positions >= 0, rows.slots[:, None], -1)
    order = jnp.argsort(slots.reshape(-1), stable=True).astype(jnp.int32)
    return Adapters(stacks.layers, stacks.ranks, slots, order, rows.used)


def rank_bucket(rank: int) -> int:
    """The smallest of `RANKS` that is at least `rank`. Raises ValueError where there is none."""
    found = next((size for size in RANKS if size >= rank), None)
    if found is None:
        raise ValueError(f"--max-adapter-rank {rank}: adapters of at most rank {RANKS[-1]} are served")
    return found


def used_rank(rank: int) -> int:
    """What of a slot's rank is computed for an adapter of `rank`."""
    return -(-rank // RANK_STEP) * RANK_STEP


def blocks(outputs: int) -> int:
    """Blocks of outputs that hold so many."""
    return -(-outputs // BLOCK)


def row_adapters(slots: Sequence[int], distinct: int) -> RowAdapters:
    """As numpy arrays. slots: of each row, -1 for none. distinct: U, as many as differ at least."""
    used = sorted({slot for slot in slots if slot >= 0})
    filled: list[Any] = [list(slots), used + [-2] * (distinct - len(used))]
    return RowAdapters(*(np.asarray(numbers, np.int32) for numbers in filled))  # type: ignore[arg-type]


def place(stacks: AdapterStacks, slot: jax.Array, one: AdapterStacks) -> AdapterStacks:
    """The stacks with slot `slot`, int32, made equal to `one`, whose arrays lack the axis J."""
    return jax.tree.map(lambda all_slots, new: all_slots.at[slot].set(new), stacks, one)


def stack_bytes(stacks: AdapterStacks | Mapping) -> int:
    """Memory that the arrays take, or will take."""
    return sum(int(np.prod(array.shape)) * array.dtype.itemsize for array in jax.tree.leaves(stacks))
