"""What each `quant_method` stores a weight as, and which of its settings are served."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from backend.models.errors import CheckpointError
from backend.models.quantized.tensors import (
    Blocks,
    MXFP4Tensor,
    PackedColumns,
    PackedOutputs,
    PackedRows,
    PlainIntegers,
    QuantizedTensor,
    ScaledTensor,
)

KEY = "quantization_config"
FORMATS = ("int-quantized", "float-quantized", "naive-quantized", "pack-quantized", "mixed-precision", "dense")
"""compressed-tensors' formats that are read."""
ACTIVATIONS = (".input_scale", ".input_zero_point", ".input_global_scale", ".activation_scale", ".output_scale")
CACHE = (".k_scale", ".v_scale", ".q_scale", ".k_zero_point", ".v_zero_point", ".kv_scale")
BITS = (4, 8)
Parts = dict[str, Any]


@dataclass(frozen=True)
class Layout:
    """One weight as several tensors, each the weight's stem and a suffix.

    main: the suffix that tells a quantised weight. needed, optional: the others; of alternatives in `scale` one is
    needed. types: of the main tensor's elements. build: (stem, suffix -> tensor) -> the weight; raises
    `CheckpointError`. weight: the suffix of its own name.
    """

    main: str
    scale: tuple[str, ...]
    needed: tuple[str, ...]
    build: Callable[[str, Parts], QuantizedTensor]
    optional: tuple[str, ...] = ()
    types: tuple[str, ...] = ("I32",)
    weight: str = ".weight"


def _compressed_tensors(config: Mapping[str, Any]) -> list[Layout]:
    groups = [group for group in (config.get("config_groups") or {}).values() if isinstance(group, dict)]
    stored = {config.get("format") or "dense"} | {group["format"] for group in groups if group.get("format")}
    _only("format", sorted(stored), FORMATS)
    _absent(config, "transform_config")
    if (config.get("sparsity_config") or {}).get("format") not in (None, "dense"):
        raise _unserved("sparsity_config.format", config["sparsity_config"]["format"], ("dense",))
    block = None
    for group in groups:
        weights = group.get("weights") or {}
        bits = weights.get("num_bits", 8)
        _only("config_groups.weights.num_bits", [bits], (8,) if weights.get("type") == "float" else BITS)
        block = weights.get("block_structure") or block

    def packed(stem: str, parts: Parts) -> QuantizedTensor:
        outputs, inputs = (int(size) for size in parts["weight_shape"][:])
        groups = _divides(stem, "weight_scale", parts["weight_scale"].get_shape()[-1], inputs)
        order = _order(parts.get("weight_g_idx"), inputs, groups)
        return PackedRows(stem + ".weight", (outputs, inputs), parts, order)

    return [
        Layout(".weight_packed", ("weight_scale",), ("weight_shape",), packed, ("weight_zero_point", "weight_g_idx")),
        _scaled("compressed-tensors", ("weight_scale",), block),
    ]


def _fp8(config: Mapping[str, Any]) -> list[Layout]:
    _only("fmt", [config.get("fmt") or "e4m3"], ("e4m3", "float8_e4m3fn"))
    block = config.get("weight_block_size")
    return [_scaled("fp8", ("weight_scale_inv", "weight_scale"), block)]


def _gptq(config: Mapping[str, Any]) -> list[Layout]:
    _only("bits", [config.get("bits")], BITS)
    stored = config.get("checkpoint_format") or "gptq"
    _only("checkpoint_format", [stored], ("gptq", "gptq_v2"))
    _absent(config, "is_marlin_format")
    less = 0 if stored == "gptq_v2" else 1

    def build(stem: str, parts: Parts) -> QuantizedTensor:
        words, outputs = parts["qweight"].get_shape()
        groups, zero_words = parts["qzeros"].get_shape()
        bits = zero_words * 32 // outputs
        if bits not in BITS or parts["scales"].get_shape() != [groups, outputs]:
            raise CheckpointError(f"{stem}: qweight, qzeros and scales are not those of {config['bits']} bits")
        inputs = words * 32 // bits
        order = _order(parts.get("g_idx"), inputs, groups)
        if order is None:
            _divides(stem, "scales", groups, inputs)
        return PackedColumns(stem + ".weight", parts, order, less)

    return [Layout(".qweight", ("scales",), ("qzeros",), build, ("g_idx",))]


def _awq(config: Mapping[str, Any]) -> list[Layout]:
    _only("bits", [config.get("bits", config.get("w_bit"))], (4,))
    _only("version", [str(config.get("version", "gemm")).lower()], ("gemm",))

    def build(stem: str, parts: Parts) -> QuantizedTensor:
        (inputs, words), (groups, outputs) = parts["qweight"].get_shape(), parts["scales"].get_shape()
        if outputs != words * 8 or parts["qzeros"].get_shape() != [groups, words]:
            raise CheckpointError(f"{stem}: qweight, qzeros and scales are not those of 4 bits")
        _divides(stem, "scales", groups, inputs)
        return PackedOutputs(stem + ".weight", parts)

    return [Layout(".qweight", ("scales",), ("qzeros",), build)]


def _mxfp4(config: Mapping[str, Any]) -> list[Layout]:
    def build(stem: str, parts: Parts) -> QuantizedTensor:
        if parts["blocks"].get_shape() != [*parts["scales"].get_shape(), 16]:
            raise CheckpointError(f"{stem}_blocks and {stem}_scales do not fit each other")
        return MXFP4Tensor(stem, parts["blocks"], parts["scales"])

    return [Layout("_blocks", ("scales",), (), build, types=("U8",), weight="")]


METHODS: dict[str, Callable[[Mapping[str, Any]], list[Layout]]] = {
    "compressed-tensors": _compressed_tensors,
    "fp8": _fp8,
    "gptq": _gptq,
    "awq": _awq,
    "mxfp4": _mxfp4,
}
"""quant_method -> what it stores. Raises `CheckpointError` naming the key that is not served."""


def layouts(config: Mapping[str, Any]) -> list[Layout]:
    """How the weights of a `quantization_config` are stored; `CheckpointError` names what is not served."""
    method = config.get("quant_method")
    if method not in METHODS:
        raise _unserved("quant_method", method, tuple(METHODS))
    return METHODS[method](config)


def _scaled(method: str, scale: tuple[str, ...], block: list[int] | None) -> Layout:
    """8 bits as they are, int8 or float8_e4m3fn."""

    def build(stem: str, parts: Parts) -> QuantizedTensor:
        weight, name = parts["weight"], f"{stem}.weight"
        found = next(part for part in scale if part in parts)
        blocks = _blocks(f"{stem}.{found}", parts[found], weight.get_shape(), block)
        if weight.get_dtype() != "I8":
            return ScaledTensor(method, name, weight, blocks)
        zeros = parts.get("weight_zero_point")
        if zeros is not None:
            zeros = _blocks(f"{stem}.weight_zero_point", zeros, weight.get_shape(), block)
        return PlainIntegers(method, name, weight, blocks, zeros)

    return Layout(".weight", scale, (), build, ("weight_zero_point",), ("I8", "F8_E4M3"))


def _blocks(name: str, scales: Any, shape: list[int], block: list[int] | None) -> Blocks:
    """Scales by what they are for: the weight [out, in], a row, a group of one, or a block."""
    outputs, inputs = shape
    found = scales.get_shape()
    if found in ([], [1], [1, 1]):
        return Blocks(np.reshape(np.asarray(scales[...] if not found else scales[:]), (1, 1)), outputs, inputs)
    if found == [outputs]:
        return Blocks(np.asarray(scales[:])[:, None], 1, inputs)
    if len(found) == 2 and found[0] == outputs and inputs % found[1] == 0:
        return Blocks(scales, 1, inputs // found[1])
    if block is not None and found == [-(-outputs // block[0]), -(-inputs // block[1])]:
        return Blocks(scales, *block)
    raise CheckpointError(
        f"{name} is {tuple(found)}: scales of a weight {tuple(shape)} are one, one per row, or per group of a row"
        + (f", or one per block of {block[0]} x {block[1]}" if block else "")
    )


def _order(g_idx: Any, inputs: int, groups: int) -> np.ndarray | None:
    """The group of each column, None where groups are columns in a row, in order."""
    if g_idx is None:
        return None
    order = np.asarray(g_idx[:])
    in_order = inputs % groups == 0 and np.array_equal(order, np.arange(inputs) // (inputs // groups))
    return None if in_order else order


def _divides(stem: str, part: str, groups: int, inputs: int) -> int:
    if inputs % groups:
        raise CheckpointError(f"{stem}.{part} has {groups} groups, which do not divide a row of {inputs}")
    return groups


def _only(key: str, found: list[Any], served: tuple[Any, ...]) -> None:
    for value in found:
        if value not in served:
            raise _unserved(key, value, served)


def _absent(config: Mapping[str, Any], key: str) -> None:
    if config.get(key):
        raise CheckpointError(f"{KEY}.{key} is not supported; use a checkpoint without it")


def _unserved(key: str, value: Any, served: tuple[Any, ...]) -> CheckpointError:
    listed = ", ".join(map(str, served))
    return CheckpointError(f"{KEY}.{key} {value!r} is not supported; supported are {listed}, and no quantisation")
