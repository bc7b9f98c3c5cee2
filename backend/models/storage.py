"""In which format each kernel is kept: as its checkpoint has it, or in fewer bits."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import jax.numpy as jnp
import numpy as np
from flax import nnx

from backend.models.checkpoint import Checkpoint, CheckpointTensor
from backend.models.decoder import Decoder
from backend.models.errors import CheckpointError
from backend.models.kernel import Kernel
from backend.models.quantization import FP8, INT4, INT8, Quantized, WeightFormat, convert, joint, quantize, suited
from backend.models.sources import Path, Source

Quantization = Literal["auto", "none", "int8", "int4", "fp8"]
FLOATS = {"F32": "float32", "BF16": "bfloat16", "F16": "float16"}
"""Types of safetensors and GGUF -> names of dtypes."""
TARGETS = {"int8": INT8, "int4": INT4, "fp8": FP8}
ROWS_AT_ONCE = 1024
"""Rows of a tensor that are floats in memory while it is quantised."""


@dataclass(frozen=True)
class Storage:
    """What may become of a checkpoint's weights.

    activations: the dtype that layers compute in. floats: that of kernels that are not quantised, None for the one they
    are stored in. quantization: "auto" keeps what the checkpoint has quantised as it is, "none" makes floats of it, the
    others quantise every kernel that has more bits. in_bfloat16: whether native products with kernels of fewer than 32
    bits may round activations to bfloat16, as accelerators do; sums stay float32. eight_bits: whether products of
    layers with kernels of 8 bits are in 8 bits too (`Kernel.eight_bits`), but for the last layer's, which add most to
    what that costs, and unless the checkpoint says that only weights are quantised.
    """

    activations: jnp.dtype
    floats: jnp.dtype | None
    quantization: Quantization = "auto"
    in_bfloat16: bool = False
    eight_bits: bool = False


def abstract_decoder(checkpoint: Checkpoint, storage: Storage) -> Decoder:
    """The checkpoint's decoder with shapes for weights (`nnx.eval_shape`), each kernel in the format it will have.

    Raises `CheckpointError` where it has more layers than there are tensors, before anything is made of them.
    """
    _check_layers(checkpoint)
    decoder = nnx.eval_shape(lambda: Decoder(checkpoint.config, dtype=storage.activations, rngs=nnx.Rngs(0)))
    for path, parameter in decoder.parameters(checkpoint.norm_offset).items():
        kernel = module_at(decoder, path[:-1])
        if isinstance(kernel, Kernel):
            kernel.keep_in(_choose(checkpoint, storage, path, parameter.source))
            weights_only = any(
                getattr(tensor, "weights_only", False) for tensor in _stored(checkpoint, parameter.source)
            )
            inner = path[0] == "layers" and not _is_last(path, checkpoint)
            kernel.eight_bits = storage.eight_bits and inner and not weights_only
    return decoder


def _check_layers(checkpoint: Checkpoint) -> None:
    config, tensors = checkpoint.config, len(checkpoint.tensors)
    layers = max(len(config.layers), getattr(config.media, "depth", 0))
    if layers > tensors:
        raise CheckpointError(
            f"{checkpoint.described_by} has {layers:,} layers, but the weights have {tensors:,} tensors "
            "in all; they are not of one checkpoint"
        )


def module_at(decoder: Decoder, path: Path) -> Any:
    """The module at a path of attribute names and indices."""
    found: Any = decoder
    for step in path:
        found = found[step] if isinstance(step, int) else getattr(found, step)
    return found


def kernels(decoder: nnx.Module) -> Iterator[Kernel]:
    """Every kernel of a decoder, its tables of embeddings among them, or of a part of one."""
    return (module for _, module in nnx.iter_modules(decoder) if isinstance(module, Kernel))


def describe(decoder: Decoder) -> str:
    """The formats that hold most of the weights, for people: "uint4 in groups of 32, bfloat16"."""
    sizes: dict[str, int] = {}
    for kernel in kernels(decoder):
        format = kernel.format
        name = format.values + (f" in groups of {format.group}" if format.group else "")
        sizes[name] = sizes.get(name, 0) + format.bytes(*kernel.values.shape)
    return ", ".join(sorted(sizes, key=lambda name: -sizes[name]))


def format_of(tensor: CheckpointTensor) -> WeightFormat | None:
    """How a tensor is stored; None where that is only readable as floats."""
    dtype = FLOATS.get(tensor.get_dtype())
    return WeightFormat(dtype) if dtype else getattr(tensor, "format", None)


class QuantizedRows:
    """A tensor in a format with scales: its own numbers where the format holds them, else the nearest.

    values, scales, offsets: what `Quantized` has of it, read by slices of rows and columns. Rows are quantised when
    they are first read, some together and once: a host never reads those that none of its devices has a part of.
    """

    def __init__(self, tensor: CheckpointTensor, format: WeightFormat) -> None:
        own, (self._rows, self._inputs) = format_of(tensor), tensor.get_shape()
        self._tensor, self._format = tensor, format
        self._exact = own is not None and bool(own.scales) and joint([own, format], self._inputs) == format
        self._known: dict[int, Quantized] = {}
        self.values, self.scales, self.offsets = (_Field(self, name) for name in Quantized._fields)

    def read(self, field: str, rows: slice) -> np.ndarray:
        """`rows`, a slice of step 1, of a field."""
        start, stop, _ = rows.indices(self._rows)
        found = [
            getattr(self._some(number), field)[max(0, start - first) : stop - first]
            for number in range(start // ROWS_AT_ONCE, -(-stop // ROWS_AT_ONCE))
            for first in (number * ROWS_AT_ONCE,)
        ]
        return np.concatenate(found)

    def _some(self, number: int) -> Quantized:
        if number not in self._known:
            rows = slice(number * ROWS_AT_ONCE, min((number + 1) * ROWS_AT_ONCE, self._rows))
            if self._exact:
                some = convert(self._tensor.quantized(rows), self._format)  # type: ignore[attr-defined]
            else:
                floats = np.asarray(self._tensor[rows, slice(0, self._inputs)], np.float32)
                some = quantize(floats, self._format)
            self._known[number] = some
        return self._known[number]


@dataclass(frozen=True)
class _Field:
    """One field of a tensor that is quantised as it is read."""

    rows: QuantizedRows
    name: str

    def __getitem__(self, index: Any) -> np.ndarray:
        first, *rest = index if isinstance(index, tuple) else (index,)
        return self.rows.read(self.name, first)[:, *rest]


def _stored(checkpoint: Checkpoint, source: Source) -> list[CheckpointTensor | None]:
    """The tensors that an array is made of, None for those that are missing."""
    return [checkpoint.tensors.get(stored.name) for stored in source.stored()]


def _choose(checkpoint: Checkpoint, storage: Storage, path: Path, source: Source) -> WeightFormat:
    outputs, inputs = source.shape
    own = joint([None if tensor is None else format_of(tensor) for tensor in _stored(checkpoint, source)], inputs)
    own = None if own is None else suited(own, inputs)
    as_floats = own is None or storage.quantization == "none" or (storage.floats is not None and not own.scales)
    kept = WeightFormat((storage.floats or storage.activations).name) if own is None or as_floats else own
    target = _target(storage, path, inputs, _is_last(path, checkpoint))
    smaller = target is not None and target.bytes(outputs, inputs) < kept.bytes(outputs, inputs)
    return target if smaller and target is not None else kept


def _target(storage: Storage, path: Path, inputs: int, last: bool) -> WeightFormat | None:
    """What a kernel is quantised to, None for nothing.

    int8 is for what scores are made of, and what the others do not fit: a whole vocabulary's need more than four bits,
    or three of a mantissa, and of all layers the last adds most to what e4m3 costs (benchmarks/README.md).
    """
    target, scores = TARGETS.get(storage.quantization), path[0] in ("embedding", "head")
    # Small parts of the weights, through which all of a picture or a text goes.
    target = None if path[0] in ("media", "classifier") else target
    if target is None or (target is INT4 and scores) or (target is FP8 and (scores or last)) or not target.fits(inputs):
        return target and INT8
    return target


def _is_last(path: Path, checkpoint: Checkpoint) -> bool:
    """Whether a parameter is one of the last layer's."""
    return path[:2] == ("layers", len(checkpoint.config.layers) - 1)
