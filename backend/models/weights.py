"""A checkpoint's weights into the decoder, one array at a time."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax.sharding import Mesh, NamedSharding

from backend.models.checkpoint import Checkpoint, CheckpointTensor
from backend.models.decoder import Decoder
from backend.models.errors import CheckpointError
from backend.models.sources import Parameter, Source
from backend.sharding import partition_spec

Progress = Callable[[int, int], None]
"""Called with the bytes placed so far and in all."""


def load(
    checkpoint: Checkpoint, dtype: jnp.dtype, progress: Progress | None = None, mesh: Mesh | None = None
) -> Decoder:
    """The decoder of `checkpoint` with its weights, cast to `dtype` (norm scales stay float32).

    mesh: devices over which every parameter is split by the letters of its axes (sharding.py), None for one device.
    Host memory peaks near the largest single array. Raises one `CheckpointError` that lists every missing, extra and
    misshaped tensor.
    """
    config, tensors = checkpoint.config, checkpoint.tensors
    empty = nnx.eval_shape(lambda: Decoder(config, dtype=dtype, rngs=nnx.Rngs(0)))
    parameters = empty.parameters(checkpoint.norm_offset)
    graph, state = nnx.split(empty)
    variables = dict(nnx.to_flat_state(state))
    targets = {path: _on(mesh, variable.get_value(), parameters[path]) for path, variable in variables.items()}
    check(checkpoint, [parameter.source for parameter in parameters.values()])
    total, done = sum(map(_bytes, targets.values())), 0
    for path, target in targets.items():
        variables[path] = variables[path].replace(place(tensors, parameters[path].source, target))
        done += _bytes(target)
        if progress is not None:
            progress(done, total)
    return nnx.merge(graph, nnx.from_flat_state(variables))


def _on(mesh: Mesh | None, target: jax.ShapeDtypeStruct, parameter: Parameter) -> jax.ShapeDtypeStruct:
    if mesh is None:
        return target
    sharding = NamedSharding(mesh, partition_spec(parameter.axes))
    return jax.ShapeDtypeStruct(target.shape, target.dtype, sharding=sharding)


def place(tensors: Mapping[str, Any], source: Source, target: jax.ShapeDtypeStruct) -> jax.Array:
    """The array of `source` on its devices, with `target`'s shape, dtype and sharding; shards are read one by one."""

    def shard(index: tuple[slice, ...] | None) -> np.ndarray:
        whole = (slice(None),) * len(target.shape)
        spans = tuple(slice(*span.indices(size)) for span, size in zip(index or whole, target.shape, strict=True))
        out = np.empty([span.stop - span.start for span in spans], target.dtype)
        source.read(tensors, spans, out)
        return out

    # Uncommitted where no sharding is asked for: a committed array among uncommitted ones costs a second compilation.
    array = (
        jax.device_put(shard(None))
        if target.sharding is None
        else jax.make_array_from_callback(target.shape, target.sharding, shard)
    )
    # Placing is asynchronous: without waiting, the host would hold every array that is still on its way.
    return array.block_until_ready()


def check(checkpoint: Checkpoint, sources: Iterable[Source]) -> None:
    """Compare names, shapes and dtypes of a checkpoint with what `sources` are made of.

    Raises one `CheckpointError` that lists all differences. A stored head that is tied is ignored.
    """
    expected = {stored.name: stored.shape for source in sources for stored in source.stored()}
    missing = [name for name in expected if name not in checkpoint.tensors]
    faults = [f"missing: {checkpoint.stored_name(name)} {expected[name]}" for name in missing]
    for name, tensor in checkpoint.tensors.items():
        faults += _faults(checkpoint, name, tensor, expected.get(name))
    if faults:
        listed = "\n  ".join(faults)
        raise CheckpointError(
            f"the weights do not fit {checkpoint.described_by}, {len(faults)} differences:\n  {listed}"
        )


def _faults(checkpoint: Checkpoint, name: str, tensor: CheckpointTensor, shape: tuple[int, ...] | None) -> list[str]:
    found, stored = tuple(tensor.get_shape()), checkpoint.stored_name(name)
    if shape is None:
        return [] if _harmless(name, checkpoint.config.tied_head) else [f"unexpected: {stored} {found}"]
    wanted = f"{checkpoint.described_by} asks for {shape}"
    faults = [] if found == shape else [f"misshaped: {stored} is {found}, {wanted}"]
    if tensor.get_dtype() not in checkpoint.readable:
        readable = ", ".join(sorted(checkpoint.readable))
        faults.append(f"wrong dtype: {stored} is {tensor.get_dtype()}, readable are {readable}")
    return faults


def _harmless(name: str, tied_head: bool) -> bool:
    """Buffers that older versions of transformers saved, and a second copy of a tied head."""
    return name.endswith("rotary_emb.inv_freq") or (tied_head and name == "lm_head.weight")


def _bytes(target: jax.ShapeDtypeStruct) -> int:
    return int(np.prod(target.shape)) * jnp.dtype(target.dtype).itemsize
