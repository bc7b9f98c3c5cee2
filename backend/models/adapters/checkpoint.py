"""A PEFT checkpoint of a LoRA adapter, read for a decoder: every fault of it is told at once."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from safetensors import SafetensorError, safe_open

from backend.models.adapters.config import CONFIG, AdapterConfig, read_adapter_config
from backend.models.adapters.targets import FUSED, Projection, biases, find_targets, names_of, our_name, projections
from backend.models.decoder import Decoder
from backend.models.errors import CheckpointError, reading
from backend.models.tensors import FLOATS, read_json
from backend.models.weights import is_finite

WEIGHTS, PICKLED = "adapter_model.safetensors", "adapter_model.bin"
_NAME = re.compile(r"(?P<module>.+?)\.(?P<kind>(?:lora_\w+|base_layer)(?:\.\w+)?|weight|bias)")


class LowRank(NamedTuple):
    """What an adapter adds to a projection: up @ down @ x. down: [r, in]. up: [out, r], scaled already."""

    down: np.ndarray
    up: np.ndarray


@dataclass(frozen=True, eq=False)
class Adapter:
    """An adapter in host memory. matrices, biases: what is added to each projection, by its name in the checkpoint.

    biases: [out] each. Every array is of the type that the decoder computes in.
    """

    matrices: Mapping[str, LowRank]
    biases: Mapping[str, np.ndarray]

    @cached_property
    def rank(self) -> int:
        """The largest rank of any projection, 0 where biases are all there is."""
        return max((len(pair.down) for pair in self.matrices.values()), default=0)

    @cached_property
    def bytes(self) -> int:
        """Memory that its arrays take."""
        matrices = sum(pair.down.nbytes + pair.up.nbytes for pair in self.matrices.values())
        return matrices + sum(bias.nbytes for bias in self.biases.values())


class AdapterBase:
    """What adapters are read for: a decoder's projections, its biases, and the type that it computes in."""

    def __init__(self, decoder: Decoder) -> None:
        self.targets, self.dtype = find_targets(decoder), decoder.dtype
        self.projections = projections(self.targets)
        self.layers = len(decoder.config.layers)
        self._decoder = decoder

    @cached_property
    def biases(self) -> dict[str, np.ndarray]:
        """Of each projection that has one, [out]."""
        return biases(self._decoder)


def read_adapter(folder: Path, base: AdapterBase, max_rank: int | None = None) -> Adapter:
    """The adapter in a folder as PEFT saves it. max_rank: the largest that is served, None for any.

    Raises one `CheckpointError` that lists every key of adapter_config.json that is not served, and every tensor that
    is missing, unexpected or misshaped, or has numbers that are not finite.
    """
    with reading(str(folder / CONFIG)):
        config, faults = read_adapter_config(raw := read_json(folder / CONFIG))
        reader = _Reader(config, base, faults, max_rank)
        adapter = reader.read(_tensors(folder))
    if faults:
        named = raw.get("base_model_name_or_path")
        trained = f" (it says that it was trained on {named})" if isinstance(named, str) and named else ""
        listed = "\n  ".join(faults)
        raise CheckpointError(
            f"the adapter in {folder.name} does not fit the model{trained}, {len(faults)} faults:\n  {listed}"
        )
    return adapter


def file_rank(folder: Path) -> int:
    """The largest rank of the tensors in an adapter's folder, by their shapes alone. Raises `CheckpointError`."""
    shapes = [tensor.get_shape() for name, tensor in _tensors(folder).items() if "lora_A" in name]
    return max((shape[0] for shape in shapes if len(shape) == 2), default=1)


def _tensors(folder: Path) -> dict[str, Any]:
    """Name -> safetensors slice."""
    file = folder / WEIGHTS
    if not file.is_file():
        advice = (
            f"{PICKLED} there is pickled, which can run code when read; save the adapter as safetensors"
            if (folder / PICKLED).is_file()
            else "give the folder that PEFT's save_pretrained has written"
        )
        raise CheckpointError(f"{folder} has no {WEIGHTS}; {advice}")
    try:
        opened = safe_open(file, framework="numpy")
    except SafetensorError as error:
        raise CheckpointError(f"{file} is not a complete safetensors file ({error}); download it again") from error
    return {name: opened.get_slice(name) for name in opened.offset_keys()}


class _Reader:
    """Makes an adapter of tensors; what is wrong goes to `faults`."""

    def __init__(self, config: AdapterConfig, base: AdapterBase, faults: list[str], max_rank: int | None) -> None:
        self._config, self._base, self._faults, self._max_rank = config, base, faults, max_rank
        self._matrices: dict[str, LowRank] = {}
        self._biases: dict[str, np.ndarray] = {}

    def read(self, tensors: Mapping[str, Any]) -> Adapter:
        """All that there is."""
        modules: dict[str, dict[str, tuple[str, Any]]] = {}
        for stored, tensor in tensors.items():
            module, kind = _split(stored)
            modules.setdefault(module, {})[kind] = (stored, tensor)
        for module, found in modules.items():
            self._read_module(module, found)
        if not modules:
            self._faults.append("there are no tensors")
        self._check_targets()
        self._check_rank()
        return Adapter(self._matrices, self._biases)

    def _read_module(self, module: str, tensors: dict[str, tuple[str, Any]]) -> None:
        parts = self._parts_of(our_name(module))
        names = ", ".join(stored for stored, _ in tensors.values())
        if not parts:
            self._faults.append(f"{_why_not(module)}: {names}")
            return
        left = dict(tensors)
        down, up = (left.pop(f"lora_{letter}.weight", None) for letter in "AB")
        if down is not None and up is not None:
            self._read_matrices(module, parts, down, up)
        elif down is not None or up is not None:
            self._faults.append(f"missing: of {module} there is lora_{'A' if down else 'B'} alone")
        self._read_biases(module, parts, left)
        for kind, (stored, _) in left.items():
            what = "DoRA is not served" if "magnitude" in kind else "unexpected"
            self._faults.append(f"{what}: {stored}")

    def _read_matrices(self, module: str, parts: list[str], down: tuple[str, Any], up: tuple[str, Any]) -> None:
        rank, places = self._config.rank_of(module), [self._base.projections[part] for part in parts]
        inputs, outputs = places[0].target.inputs, sum(place.outputs for place in places)
        first, second = self._array(down, (rank, inputs)), self._array(up, (outputs, rank))
        if first is None or second is None:
            return
        scaled = second * np.float32(self._config.scale_of(module))
        for part, rows in _cut(scaled, parts, places):
            self._matrices[part] = LowRank(self._kept(first, down[0]), self._kept(rows, up[0]))

    def _read_biases(self, module: str, parts: list[str], left: dict[str, tuple[str, Any]]) -> None:
        """What is trained of a base's biases stands in their place; that of lora_B is scaled and added."""
        places = [self._base.projections[part] for part in parts]
        outputs = sum(place.outputs for place in places)
        added = left.pop("lora_B.bias", None)
        if added is not None and (value := self._array(added, (outputs,))) is not None:
            self._add_biases(value * np.float32(self._config.scale_of(module)), parts, places, added[0])
        for kind in ("bias", "base_layer.bias"):
            if (trained := left.pop(kind, None)) is None:
                continue
            if not all(part in self._base.biases for part in parts):
                self._faults.append(f"unexpected: {trained[0]}, since {module} of the model has no bias")
            elif (value := self._array(trained, (outputs,))) is not None:
                own = np.concatenate([self._base.biases[part] for part in parts])
                self._add_biases(value - own, parts, places, trained[0])

    def _add_biases(self, value: np.ndarray, parts: list[str], places: list[Projection], stored: str) -> None:
        for part, rows in _cut(value, parts, places):
            before = self._biases.get(part)
            self._biases[part] = self._kept(rows if before is None else rows + before.astype(np.float32), stored)

    def _parts_of(self, module: str) -> list[str]:
        """The projections that a module is; none where the base does not have it."""
        if module in self._base.projections:
            return [module]
        stem, _, last = module.rpartition(".")
        parts = [f"{stem}.{part}" for part in FUSED.get(last, ())]
        return parts if all(part in self._base.projections for part in parts) else []

    def _array(self, tensor: tuple[str, Any], shape: tuple[int, ...]) -> np.ndarray | None:
        """float32, None where shape or type are others."""
        stored, opened = tensor
        found, dtype = tuple(opened.get_shape()), opened.get_dtype()
        if dtype not in FLOATS:
            self._faults.append(f"wrong dtype: {stored} is {dtype}, readable are {', '.join(sorted(FLOATS))}")
            return None
        if found != shape:
            self._faults.append(f"misshaped: {stored} is {found}, the model and {CONFIG} ask for {shape}")
            return None
        return np.asarray(opened[:], np.float32)

    def _kept(self, array: np.ndarray, stored: str) -> np.ndarray:
        kept = np.ascontiguousarray(array, jnp.dtype(self._base.dtype))
        if not is_finite(kept):
            self._faults.append(f"numbers that are not finite: {stored}")
        return kept

    def _check_targets(self) -> None:
        """Every module that the configuration means has its tensors, and no other has any."""
        if self._config.targets is None:
            return
        for name, place in self._base.projections.items():
            meant = self._config.is_target(tuple(names_of(name)), place.target.layer)
            if meant and name not in self._matrices:
                self._faults.append(f"missing: {name}, which target_modules means, has no lora_A and lora_B")
            elif name in self._matrices and not meant:
                self._faults.append(f"unexpected: {name} has lora_A and lora_B, and target_modules does not mean it")

    def _check_rank(self) -> None:
        rank = max((len(pair.down) for pair in self._matrices.values()), default=0)
        if self._max_rank is not None and rank > self._max_rank:
            self._faults.append(f"rank {rank} is more than the {self._max_rank} that --max-adapter-rank allows")


def _split(stored: str) -> tuple[str, str]:
    """A stored tensor's module, and what of it the tensor is: "lora_A.weight", "base_layer.bias", "bias"."""
    name = stored.removeprefix("base_model.model.").replace(".default.", ".").removesuffix(".default")
    match = _NAME.fullmatch(name)
    return (name, "") if match is None else (match["module"], match["kind"])


def _why_not(module: str) -> str:
    last = module.rpartition(".")[2]
    if last in ("embed_tokens", "lm_head"):
        return f"adapters of {last} are not served; train without, or merge them into the base"
    if ".experts" in module:
        return "adapters of experts are not served"
    return f"the model has no linear layer {module}"


def _cut(value: np.ndarray, parts: list[str], places: list[Projection]) -> Iterator[tuple[str, np.ndarray]]:
    """The rows of each projection."""
    ends = np.cumsum([place.outputs for place in places])[:-1]
    return zip(parts, np.split(value, ends), strict=True)
