"""How arrays are split over a mesh of devices: by the letters of their axes, in one table.

A letter stands for the axis that it names everywhere in this repository, also where the axis is a multiple of it, such
as the K * (G + 2) * H rows of a fused kernel: what is split by K heads stays whole heads on every device.
"""

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial, wraps
from types import MappingProxyType
from typing import Any, ParamSpec

import jax
import numpy as np
from jax.sharding import AbstractMesh, AxisType, Mesh, NamedSharding, PartitionSpec

Arguments = ParamSpec("Arguments")
DATA, HEADS, COPIES = "data", "heads", "copies"
"""The mesh axes. Groups of rows, with their pages, are split over the first: each has all weights. The others are of
tensor parallelism (Shoeybi et al., 2019, Megatron-LM): heads are split over the second, and what has more members than
there are kv heads over both; so devices beyond the kv heads have copies of these."""

MESH_AXES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        **dict.fromkeys("BRPX", (DATA,)),
        **dict.fromkeys("NK", (HEADS,)),
        **dict.fromkeys("FV", (HEADS, COPIES)),
    }
)
"""Axis letter -> mesh axes. Every axis that is not here is whole on every device."""

Total = Callable[[jax.Array], jax.Array]
"""The sum over the devices of a group of what each has."""


def read_mesh(text: str) -> tuple[int, int]:
    """Groups of rows, and devices of each, that "data=2,model=4" says. Raises ValueError."""
    sizes: dict[str, int] = {}
    for part in text.split(","):
        name, _, number = (piece.strip() for piece in part.partition("="))
        if name == "expert":
            raise ValueError(f"--mesh {text}: no model that is served has experts; give these devices to data or model")
        if name not in ("data", "model") or name in sizes or not re.fullmatch("0*[1-9][0-9]*", number):
            raise ValueError(f"--mesh {text}: write data=N, model=N or both with a comma between them, N from 1 on")
        sizes[name] = int(number)
    return sizes.get("data", 1), sizes.get("model", 1)


def make_mesh(devices: Sequence[jax.Device], kv_heads: Iterable[int], groups: int = 1) -> Mesh:
    """A mesh of these devices for a decoder with layers of so many kv heads. groups: of rows, with as many of them."""
    size = len(devices) // groups
    heads = math.gcd(size, *kv_heads)
    axis_types = (AxisType.Auto,) * 3
    return Mesh(np.array(devices).reshape(groups, heads, size // heads), (DATA, HEADS, COPIES), axis_types=axis_types)


def sharding(mesh: Mesh, axes: str = "", shape: tuple[int, ...] = ()) -> NamedSharding:
    """Where an array with these axes, one letter each, lies: "PKLH" -> split over kv heads. "": whole everywhere.

    shape: an axis whose length does not come out even over its mesh axes is split over the first of them alone, or not.
    """
    assert len(axes) == len(shape)
    return NamedSharding(mesh, PartitionSpec(*(_mesh_axes(mesh, *axis) for axis in zip(axes, shape, strict=True))))


def _mesh_axes(mesh: Mesh | AbstractMesh, letter: str, length: int) -> tuple[str, ...] | None:
    names = MESH_AXES.get(letter, ())
    while names and length % math.prod(mesh.shape[name] for name in names):
        names = names[:-1]
    return names or None


def of_group(axes: str = "") -> PartitionSpec:
    """What a group of rows has of an array with these axes: its own rows and pages, and all else whole."""
    return PartitionSpec(*(DATA if DATA in MESH_AXES.get(letter, ()) else None for letter in axes))


def in_groups(mesh: Mesh | None, call: Callable[..., Any], inputs: Any, outputs: Any) -> Callable[..., Any]:
    """`call` for every group of rows by itself, with what it has of `inputs` to what it has of `outputs`.

    inputs, outputs: of `of_group`, trees like the arguments and the results or beginnings of these. Nothing goes from
    one group to another, so each takes as many steps of a loop, and the branches, that its own rows need.
    """
    if mesh is None:
        return call
    if mesh.shape[DATA] > 1:
        return jax.shard_map(
            call, mesh=mesh, in_specs=inputs, out_specs=outputs, axis_names=frozenset([DATA]), check_vma=False
        )

    # Not that, since within it each layer is lowered by itself: see `traced_once`.
    def alone(*args: Any) -> Any:
        with jax.sharding.use_abstract_mesh(mesh.abstract_mesh):
            return call(*args)

    return alone


def on_each_device(call: Callable[..., Any], inputs: Any, outputs: Any) -> Callable[..., Any]:
    """`call` on every device of a group by itself, as it is traced within `in_groups`.

    inputs, outputs: PartitionSpecs by the axes of the mesh but DATA, trees like the arguments and the results.
    """
    mesh = jax.sharding.get_abstract_mesh()
    free = frozenset(mesh.axis_names) - frozenset(mesh.manual_axes)
    return jax.shard_map(call, in_specs=inputs, out_specs=outputs, axis_names=free, check_vma=False)


def by_parts(call: Callable[..., Any], letter: str, length: int, arrays: Sequence[Any], axes: Sequence[str]) -> Any:
    """What `call(total, *arrays)` gives on each device of a group, of its own parts of `arrays`; the same on all.

    Of each array, or of those of a tree in its place, the axis is split whose letter in `axes` is `letter`, and which
    is of that length. total: a `Total`, by which devices exchange all that they do.
    """
    split = split_over(letter, length)
    if not split:
        return call(lambda x: x, *arrays)
    inputs = tuple(PartitionSpec(*(split if own == letter else None for own in letters)) for letters in axes)
    return on_each_device(partial(call, partial(jax.lax.psum, axis_name=split)), inputs, PartitionSpec())(*arrays)


def traced_once(call: Callable[Arguments, Any]) -> Callable[Arguments, Any]:
    """`call`, traced once for all calls alike, and lowered once as well: XLA inlines it, so that this costs nothing.

    It may call `on_each_device`. Its first argument is static. Within several groups it is lowered at each call.
    """
    # For TPUs XLA does not inline what is called twice. Of a shard_map there Shardy, with jax 0.10.2, does not see that
    # it is within another, and XLA's partitioner ends the process over what becomes of it (docs/accelerators.md).
    kept = jax.jit(call, static_argnums=0)
    inlined = jax.jit(jax.named_scope(call.__name__)(call), static_argnums=0, inline=True)

    @wraps(call)
    def traced(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Any:
        return (inlined if jax.sharding.get_abstract_mesh().manual_axes else kept)(*args, **kwargs)

    return traced


def split_over(letter: str, length: int) -> tuple[str, ...]:
    """The mesh axes over which such an axis is split, as a call within `in_groups` is traced; () for none."""
    mesh = jax.sharding.get_abstract_mesh()
    split = () if DATA not in mesh.shape else _mesh_axes(mesh, letter, length) or ()
    return tuple(name for name in split if mesh.shape[name] > 1)


def placed(tree: Any, axes: Any, mesh: Mesh | None) -> Any:
    """`tree`'s arrays, as a group of rows has them, as shapes of those of all groups with their shardings.

    axes: the letters of their axes, a tree like it.
    """
    if mesh is None:
        return tree

    def place(array: jax.ShapeDtypeStruct, letters: str) -> jax.ShapeDtypeStruct:
        groups = [mesh.shape[DATA] if DATA in MESH_AXES.get(letter, ()) else 1 for letter in letters]
        shape = tuple(length * times for length, times in zip(array.shape, groups, strict=True))
        return jax.ShapeDtypeStruct(shape, array.dtype, sharding=sharding(mesh, letters, shape))

    return jax.tree.map(place, tree, axes)
