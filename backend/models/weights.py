"""A checkpoint's weights into the decoder, one array at a time."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax.sharding import Mesh, NamedSharding

from backend.models.config import DecoderConfig
from backend.models.decoder import Decoder
from backend.models.errors import CheckpointError
from backend.models.families import read_family
from backend.models.sources import Parameter, Source
from backend.models.tensors import FLOATS, Tensors
from backend.sharding import partition_spec

Progress = Callable[[int, int], None]
"""Called with the bytes placed so far and in all."""


def load(
    folder: Path,
    config: DecoderConfig,
    dtype: jnp.dtype,
    progress: Progress | None = None,
    mesh: Mesh | None = None,
) -> Decoder:
    """The decoder of `config` with the weights of `folder`, cast to `dtype` (norm scales stay float32).

    mesh: devices over which every parameter is split by the letters of its axes (sharding.py), None for one device.
    Host memory peaks near the largest single array. Raises one `CheckpointError` that lists every missing, extra and
    misshaped tensor.
    """
    family = read_family(folder)
    tensors = Tensors(folder, family.rename)
    empty = nnx.eval_shape(lambda: Decoder(config, dtype=dtype, rngs=nnx.Rngs(0)))
    parameters = empty.parameters(family.norm_offset)
    graph, state = nnx.split(empty)
    variables = dict(nnx.to_flat_state(state))
    targets = {path: _on(mesh, variable.get_value(), parameters[path]) for path, variable in variables.items()}
    check(tensors, [parameter.source for parameter in parameters.values()], config.tied_head)
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


def check(tensors: Mapping[str, Any], sources: Iterable[Source], tied_head: bool) -> None:
    """Compare names, shapes and dtypes of a checkpoint with what `sources` are made of.

    Raises one `CheckpointError` that lists all differences. tied_head: a stored head is ignored.
    """
    expected = {stored.name: stored.shape for source in sources for stored in source.stored()}
    faults = [f"missing: {name} {shape}" for name, shape in expected.items() if name not in tensors]
    for name, slice_ in tensors.items():
        faults += _faults(name, slice_, expected.get(name), tied_head)
    if faults:
        listed = "\n  ".join(faults)
        raise CheckpointError(f"the weights do not fit config.json, {len(faults)} differences:\n  {listed}")


def _faults(name: str, slice_: Any, shape: tuple[int, ...] | None, tied_head: bool) -> list[str]:
    found = tuple(slice_.get_shape())
    if shape is None:
        return [] if _harmless(name, tied_head) else [f"unexpected: {name} {found}"]
    faults = [] if found == shape else [f"misshaped: {name} is {found}, config.json asks for {shape}"]
    if slice_.get_dtype() not in FLOATS:
        faults.append(f"wrong dtype: {name} is {slice_.get_dtype()}, readable are {', '.join(FLOATS)}")
    return faults


def _harmless(name: str, tied_head: bool) -> bool:
    """Buffers that older versions of transformers saved, and a second copy of a tied head."""
    return name.endswith("rotary_emb.inv_freq") or (tied_head and name == "lm_head.weight")


def _bytes(target: jax.ShapeDtypeStruct) -> int:
    return int(np.prod(target.shape)) * jnp.dtype(target.dtype).itemsize
