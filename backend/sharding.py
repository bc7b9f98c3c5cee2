"""How arrays are split over a mesh of devices: by the letters of their axes, in one table.

A letter stands for the axis that it names everywhere in this repository, also where the axis is a multiple of it, such
as the K * (G + 2) * H rows of a fused kernel: what is split by K heads stays whole heads on every device.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import jax
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

HEADS, COPIES = "heads", "copies"
"""The two mesh axes of tensor parallelism (Shoeybi et al., 2019, Megatron-LM). Heads are split over the first, and what
has more members than there are kv heads over both; so devices beyond the kv heads have copies of these."""

MESH_AXES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"N": (HEADS,), "K": (HEADS,), "F": (HEADS, COPIES), "V": (HEADS, COPIES)}
)
"""Axis letter -> mesh axes. Every axis that is not here is whole on every device."""


def make_mesh(devices: Sequence[jax.Device], kv_heads: Iterable[int]) -> Mesh:
    """A mesh of these devices for a decoder with layers of so many kv heads."""
    heads = math.gcd(len(devices), *kv_heads)
    axis_types = (AxisType.Auto, AxisType.Auto)
    return Mesh(np.array(devices).reshape(heads, len(devices) // heads), (HEADS, COPIES), axis_types=axis_types)


def sharding(mesh: Mesh, axes: str = "", shape: tuple[int, ...] = ()) -> NamedSharding:
    """Where an array with these axes, one letter each, lies: "PKLH" -> split over kv heads. "": whole everywhere.

    shape: an axis whose length does not come out even over its mesh axes is split over the first of them alone, or not.
    """
    assert len(axes) == len(shape)
    return NamedSharding(mesh, PartitionSpec(*(_mesh_axes(mesh, *axis) for axis in zip(axes, shape, strict=True))))


def _mesh_axes(mesh: Mesh, letter: str, length: int) -> tuple[str, ...] | None:
    names = MESH_AXES.get(letter, ())
    while names and length % math.prod(mesh.shape[name] for name in names):
        names = names[:-1]
    return names or None


def placed(tree: Any, axes: Any, mesh: Mesh | None) -> Any:
    """`tree`'s arrays as shapes with their shardings, by the letters of their axes in `axes`, a tree like it."""
    if mesh is None:
        return tree
    return jax.tree.map(
        lambda array, letters: jax.ShapeDtypeStruct(
            array.shape, array.dtype, sharding=sharding(mesh, letters, array.shape if letters else ())
        ),
        tree,
        axes,
    )
