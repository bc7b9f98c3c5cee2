"""A checkpoint's weights into the decoder, one array at a time."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax.sharding import Mesh

from backend import native
from backend.models.checkpoint import Checkpoint, CheckpointTensor
from backend.models.decoder import Decoder
from backend.models.errors import CheckpointError
from backend.models.kernel import Kernel
from backend.models.sources import Parameter, Source
from backend.models.storage import QuantizedRows, Storage, abstract_decoder, module_at
from backend.sharding import sharding

NOT_FINITE: dict[str, tuple[type[np.unsignedinteger], int]] = {
    "float32": (np.uint32, 0x7F800000),
    "bfloat16": (np.uint16, 0x7F80),
    "float16": (np.uint16, 0x7C00),
    "float8_e4m3fn": (np.uint8, 0x7F),
}
"""The bits that are all set in numbers that are not finite, and in no others (IEEE 754; OCP, 2023, 8-bit floats)."""
NUMBERS_AT_ONCE = 1 << 18

Progress = Callable[[int, int], None]
"""Called with the bytes placed so far and in all."""


def load(
    checkpoint: Checkpoint,
    storage: Storage | jnp.dtype,
    progress: Progress | None = None,
    mesh: Mesh | None = None,
) -> Decoder:
    """The decoder of `checkpoint` with its weights, kept as `storage` says (norm scales stay float32).

    storage: a dtype alone stands for activations and all kernels in it. mesh: devices over which every parameter is
    split by the letters of its axes (sharding.py), None for one device, where products may be native (backend.native).
    Host memory peaks near the largest single array. Raises one `CheckpointError` that lists every missing, extra and
    misshaped tensor, or else every one whose numbers are not all finite.
    """
    storage = storage if isinstance(storage, Storage) else Storage(jnp.dtype(storage), jnp.dtype(storage))
    tensors = checkpoint.tensors
    empty = abstract_decoder(checkpoint, storage)
    parameters = empty.parameters(checkpoint.norm_offset)
    check(checkpoint, empty)
    total, done = weight_bytes(empty), 0
    faults: list[str] = []
    native_kernels = mesh is None and native.unavailable_reason() is None
    for path, parameter in parameters.items():
        module = module_at(empty, path[:-1])
        if isinstance(module, Kernel):
            module.native = native_kernels
            module.in_bfloat16 = storage.in_bfloat16 and module.format.values != "float32"
            done += _place_kernel(tensors, parameter, module, mesh, faults)
        else:
            variable = getattr(module, path[-1])
            placed = place(tensors, parameter.source, _on(mesh, variable.get_value(), parameter.axes), faults)
            variable.set_value(placed)
            done += array_bytes(placed)
        if progress is not None:
            progress(done, total)
    if faults:
        listed = "\n  ".join(checkpoint.stored_name(name) for name in dict.fromkeys(faults))
        raise CheckpointError(
            f"the weights of {checkpoint.described_by} have numbers that are not finite (NaN or infinite), in:\n  "
            f"{listed}\nwhich no answer can be computed with; use another copy of the checkpoint"
        )
    return empty


def weight_bytes(decoder: Decoder) -> int:
    """Memory of all weights, as they are or will be kept."""
    return sum(map(array_bytes, jax.tree.leaves(nnx.state(decoder))))


def targets(decoder: Decoder, mesh: Mesh | None) -> Iterator[tuple[Any, jax.ShapeDtypeStruct]]:
    """Every variable of a decoder, and the shape and place that its weights have on a mesh."""
    for path, parameter in decoder.parameters().items():
        module = module_at(decoder, path[:-1])
        variables = {path[-1]: getattr(module, path[-1])}
        if isinstance(module, Kernel):
            variables = {"values": module.values, "scales": module.scales, "offsets": module.offsets}
        for name, variable in variables.items():
            if variable is not None:
                axes = parameter.axes if name == path[-1] else parameter.axes[0] + "1"
                yield variable, _on(mesh, variable.get_value(), axes)


def device_bytes(decoder: Decoder, mesh: Mesh | None) -> int:
    """Memory of the weights that one device of a mesh has, those it shares with others included."""
    size = 0
    for _, target in targets(decoder, mesh):
        shape = target.shape if target.sharding is None else target.sharding.shard_shape(target.shape)
        size += array_bytes(jax.ShapeDtypeStruct(shape, target.dtype))
    return size


def array_bytes(array: jax.Array | jax.ShapeDtypeStruct) -> int:
    """Memory of an array; two numbers of four bits are one byte."""
    size = int(np.prod(array.shape))
    return size // 2 if array.dtype.name.endswith("int4") else size * jnp.dtype(array.dtype).itemsize


def _place_kernel(
    tensors: Mapping[str, Any], parameter: Parameter, kernel: Kernel, mesh: Mesh | None, faults: list[str]
) -> int:
    """Put a kernel's arrays in place; gives their bytes. Its scales are split over devices by rows only."""
    fields = {"values": kernel.values, "scales": kernel.scales, "offsets": kernel.offsets}
    views: dict[str, Mapping[str, Any]] = {"values": tensors}
    if kernel.format.scales:
        names = [stored.name for stored in parameter.source.stored()]
        rows = {name: QuantizedRows(tensors[name], kernel.format) for name in names}
        views = {field: {name: getattr(some, field) for name, some in rows.items()} for field in fields}
    size = 0
    for field, variable in fields.items():
        if variable is not None:
            axes = parameter.axes if field == "values" else parameter.axes[0] + "1"
            placed = place(views[field], parameter.source, _on(mesh, variable.get_value(), axes), faults)
            variable.set_value(placed)
            size += array_bytes(placed)
    return size


def _on(mesh: Mesh | None, target: Any, axes: str) -> jax.ShapeDtypeStruct:
    if mesh is None:
        return target
    return jax.ShapeDtypeStruct(target.shape, target.dtype, sharding=sharding(mesh, axes, target.shape))


def place(
    tensors: Mapping[str, Any], source: Source, target: jax.ShapeDtypeStruct, faults: list[str] | None = None
) -> jax.Array:
    """The array of `source` on its devices, with `target`'s shape, dtype and sharding; shards are read one by one.

    What several devices of this host have is read once, and what none of them has is not.
    faults: gets the names of tensors whose numbers are not all finite.
    """

    read: dict[tuple[tuple[int, int], ...], np.ndarray] = {}

    def shard(index: tuple[slice, ...] | None) -> np.ndarray:
        whole = (slice(None),) * len(target.shape)
        spans = tuple(slice(*span.indices(size)) for span, size in zip(index or whole, target.shape, strict=True))
        place = tuple((span.start, span.stop) for span in spans)
        if place not in read:
            read[place] = read_part(spans)
        return read[place]

    def read_part(spans: tuple[slice, ...]) -> np.ndarray:
        out = np.empty([span.stop - span.start for span in spans], target.dtype)
        source.read(tensors, spans, out)
        if faults is not None and not is_finite(out):
            faults.extend(_not_finite(tensors, source))
        return out

    # Uncommitted where no sharding is asked for: a committed array among uncommitted ones costs a second compilation.
    array = (
        jax.device_put(shard(None))
        if target.sharding is None
        else jax.make_array_from_callback(target.shape, target.sharding, shard)
    )
    # Placing is asynchronous: without waiting, the host would hold every array that is still on its way.
    return array.block_until_ready()


def _not_finite(tensors: Mapping[str, Any], source: Source) -> list[str]:
    """Of the tensors that an array is made of, those to blame for its numbers."""
    read = {stored.name: tensors[stored.name][(slice(None),) * len(stored.shape)] for stored in source.stored()}
    return [name for name, numbers in read.items() if not is_finite(np.asarray(numbers))] or list(read)


def is_finite(array: np.ndarray) -> bool:
    """Whether no number of an array is NaN or infinite. By its bits, some at a time, which costs less than reading."""
    if array.dtype.name not in NOT_FINITE:
        return True
    unsigned, mask = NOT_FINITE[array.dtype.name]
    bits = np.ascontiguousarray(array).reshape(-1).view(unsigned)
    parts = (bits[start : start + NUMBERS_AT_ONCE] for start in range(0, bits.size, NUMBERS_AT_ONCE))
    return not any(((part & unsigned(mask)) == unsigned(mask)).any() for part in parts)


def check(checkpoint: Checkpoint, decoder: Decoder) -> None:
    """Compare names, shapes and dtypes of a checkpoint with what the parameters of its decoder are made of.

    Raises one `CheckpointError` that lists all differences. A stored head that is tied, or without use, is ignored.
    """
    parameters = decoder.parameters(checkpoint.norm_offset).values()
    expected = {stored.name: stored.shape for parameter in parameters for stored in parameter.source.stored()}
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
        return [] if _harmless(name, checkpoint.config.own_head) else [f"unexpected: {stored} {found}"]
    wanted = f"{checkpoint.described_by} asks for {shape}"
    faults = [] if found == shape else [f"misshaped: {stored} is {found}, {wanted}"]
    if tensor.get_dtype() not in checkpoint.readable:
        readable = ", ".join(sorted(checkpoint.readable))
        faults.append(f"wrong dtype: {stored} is {tensor.get_dtype()}, readable are {readable}")
    return faults


def _harmless(name: str, own_head: bool) -> bool:
    """Buffers that older versions of transformers saved, a second copy of a tied head, and a head without use."""
    return name.endswith("rotary_emb.inv_freq") or (not own_head and name == "lm_head.weight")
