"""How arrays are split over a mesh of devices: by the letters of their axes, in one table.

A letter stands for the axis that it names everywhere in this repository, also where the axis is a multiple of it, such
as the K * (G + 2) * H rows of a fused kernel: what is split by K heads stays whole heads on every device.
"""

from collections.abc import Mapping
from types import MappingProxyType

from jax.sharding import PartitionSpec

TENSOR = "tensor"
"""The mesh axis of tensor parallelism (Shoeybi et al., 2019, Megatron-LM)."""

MESH_AXES: Mapping[str, str] = MappingProxyType({"N": TENSOR, "K": TENSOR, "F": TENSOR, "V": TENSOR})
"""Axis letter -> mesh axis. Every axis that is not here is whole on every device."""


def partition_spec(axes: str) -> PartitionSpec:
    """The split of an array with these axes, one letter each: "PKLH" -> PartitionSpec(None, "tensor", None, None)."""
    return PartitionSpec(*(MESH_AXES.get(letter) for letter in axes))
