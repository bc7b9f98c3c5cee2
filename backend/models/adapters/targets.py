"""Which linear layers of a decoder adapters may change, found in what its parameters are made of."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import jax
import numpy as np

from backend.models.decoder import Decoder
from backend.models.sources import Parameter, Path
from backend.models.storage import module_at

FUSED: Mapping[str, tuple[str, ...]] = {
    "qkv_proj": ("q_proj", "k_proj", "v_proj"),
    "gate_up_proj": ("gate_proj", "up_proj"),
}
"""What some models of transformers have as one module -> the projections that it is, row below row."""
TEXT_DECODERS = ("model.language_model.", "language_model.model.")
"""What stands for "model." where a text decoder is a part of a model."""


@dataclass(frozen=True)
class Target:
    """One kernel of a decoder's layer, and the projections of which it is made.

    name: where it sits in its layer, such as "mixer.qkv". parts: name in the checkpoint and outputs of each projection.
    axes: letters of the kernel's outputs and inputs (sharding.py).
    """

    layer: int
    name: str
    parts: tuple[tuple[str, int], ...]
    inputs: int
    axes: str

    @property
    def outputs(self) -> int:
        """Outputs of all parts together."""
        return sum(size for _, size in self.parts)


@dataclass(frozen=True)
class Projection:
    """A part of a target: number `part`, with outputs `rows` of all parts' one after the other."""

    target: Target
    part: int
    rows: slice

    @property
    def outputs(self) -> int:
        """How many outputs it has."""
        return self.target.parts[self.part][1]


def find_targets(decoder: Decoder) -> tuple[Target, ...]:
    """The kernels of a decoder's layers, in order, that their modules list as `adapted`."""
    return tuple(
        Target(path[1], f"{path[2]}.{path[3]}", tuple(_parts(parameter)), parameter.source.shape[1], parameter.axes)
        for path, parameter in decoder.parameters().items()
        if path[0] == "layers" and path[4:] == ("kernel", "values") and _is_adapted(decoder, path)
    )


def projections(targets: tuple[Target, ...]) -> dict[str, Projection]:
    """Name of each projection in the checkpoint -> where it is."""
    found = {}
    for target in targets:
        start = 0
        for part, (name, size) in enumerate(target.parts):
            found[name] = Projection(target, part, slice(start, start + size))
            start += size
    return found


def biases(decoder: Decoder) -> dict[str, np.ndarray]:
    """Name of each projection that has a bias -> its bias [out], float32; zeros where the decoder has only shapes."""
    found: dict[str, np.ndarray] = {}
    for path, parameter in decoder.parameters().items():
        if path[0] == "layers" and path[-1] == "bias":
            bias = module_at(decoder, path[:-1]).bias.get_value()
            abstract = isinstance(bias, jax.ShapeDtypeStruct)
            value = np.zeros(bias.shape, np.float32) if abstract else np.asarray(bias, np.float32)
            found |= {name.removesuffix(".bias"): bias for name, bias in parameter.source.split(value)}
    return found


def names_of(projection: str) -> Iterator[str]:
    """All names that a projection, or the module that it is a part of, has in models of transformers."""
    stem, _, last = projection.rpartition(".")
    for name in (last, *(fused for fused, parts in FUSED.items() if last in parts)):
        for prefix in ("model.", *TEXT_DECODERS):
            yield f"{prefix}{stem.removeprefix('model.')}.{name}"


def our_name(module: str) -> str:
    """A module's name in a model of transformers -> its name in the text decoder."""
    prefix = next((prefix for prefix in TEXT_DECODERS if module.startswith(prefix)), None)
    return module if prefix is None else "model." + module.removeprefix(prefix)


def _is_adapted(decoder: Decoder, path: Path) -> bool:
    return path[3] in getattr(type(module_at(decoder, path[:3])), "adapted", ())


def _parts(parameter: Parameter) -> Iterator[tuple[str, int]]:
    """Name and outputs of each matrix that a kernel is made of: one whole stored one, or several by turns."""
    for stored in parameter.source.stored():
        yield stored.name.removesuffix(".weight"), stored.shape[0]
