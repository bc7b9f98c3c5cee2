"""The accelerators that programs are compiled for, and what a roofline needs to know of them."""

import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jax.experimental import topologies
from jax.sharding import Mesh

from backend.target import Platform


@dataclass(frozen=True)
class Chip:
    """One kind of accelerator.

    memory: bytes that programs may take. bandwidth: bytes per second from and to it. flops: of bfloat16 products per
    second. clock: cycles per second that a TPU's compiler counts in; 0 for GPUs. Sources: the vendors' data sheets; of
    TPUs the memory that the compiler reports, of GPUs the three quarters that JAX takes unless it is told otherwise.
    """

    name: str
    platform: Platform
    memory: int
    bandwidth: float
    flops: float
    clock: float = 0.0


CHIPS = {
    chip.name: chip
    for chip in (
        Chip("v5e", "tpu", int(15.75 * 2**30), 819e9, 197e12, 1.5e9),
        Chip("v6e", "tpu", int(31.25 * 2**30), 1640e9, 918e12, 1.75e9),
        Chip("v5p", "tpu", int(95.74 * 2**30), 2765e9, 459e12, 1.75e9),
        Chip("a100", "gpu", int(0.75 * 85100068864), 2039e9, 312e12),
        Chip("h100", "gpu", int(0.75 * 84942979072), 3352e9, 989e12),
        Chip("b200", "gpu", int(0.75 * 191e9), 8000e9, 2250e12),
    )
}
TPU_SHAPES = {1: "1x1", 4: "2x2", 8: "2x4"}
TPU_SHAPES_3D = {1: "1x1x1", 4: "2x2x1", 8: "2x2x2"}
"""Devices -> the arrangement of so many chips, of kinds whose network has two axes and three."""


@cache
def devices(name: str, count: int = 1) -> tuple[Any, ...]:
    """`count` devices of the chip called `name`: descriptions that programs can be compiled for, and not run on."""
    if CHIPS[name].platform == "gpu":
        config = Path(__file__).with_name(f"{name}.txtpb").read_text(encoding="utf-8")
        topology = topologies.get_topology_desc(
            platform="cuda", topology_name=name, target_config=config, topology=f"1x1x{count}"
        )
    else:
        os.environ.setdefault("TPU_SKIP_MDS_QUERY", "1")
        os.environ.setdefault("ALLOW_MULTIPLE_LIBTPU_LOAD", "1")  # no chip is taken that another process could want
        os.environ.setdefault("TPU_ACCELERATOR_TYPE", "v5litepod-4")  # these two only keep warnings away
        os.environ.setdefault("TPU_WORKER_HOSTNAMES", "localhost")
        shape = (TPU_SHAPES_3D if name == "v5p" else TPU_SHAPES)[count]
        alone = {"chips_per_host_bounds": [1, 1, 1]} if count == 1 else {}
        topology = topologies.get_topology_desc(platform="tpu", topology_name=f"{name}:{shape}", **alone)
    return tuple(topology.devices[:count])


def mesh(name: str, shape: dict[str, int]) -> Mesh:
    """A mesh of devices of the chip called `name`. shape: axis -> devices along it."""
    size = tuple(shape.values())
    return Mesh(np.array(devices(name, int(np.prod(size)))).reshape(size), tuple(shape))


def available() -> bool:
    """Whether the wheels are here that compile for both kinds."""
    try:
        devices("v5e")
        devices("h100")
    except (RuntimeError, ValueError, jax.errors.JaxRuntimeError):
        return False
    return True
