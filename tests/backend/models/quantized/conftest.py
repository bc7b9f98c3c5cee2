"""Weights as each method stores them, packed a second time from its documentation, with NumPy alone."""

from collections.abc import Callable

import ml_dtypes
import numpy as np

GROUP = 32
FP8 = ml_dtypes.float8_e4m3fn
AWQ_ORDER = (0, 2, 4, 6, 1, 3, 5, 7)
"""Which of eight outputs each nibble of a word holds."""
Stored = tuple[dict[str, np.ndarray], np.ndarray]
"""Parts of a weight by their suffixes, and the float32 weight that they stand for."""


def pack(numbers: np.ndarray, bits: int) -> np.ndarray:
    """Unsigned [n, numbers] -> int32 [n, words], the lowest first."""
    words = numbers.astype(np.uint64).reshape(len(numbers), -1, 32 // bits)
    packed = (words << np.arange(0, 32, bits, dtype=np.uint64)).sum(-1)
    return np.ascontiguousarray(packed.astype(np.uint32)).view(np.int32)


def grouped(weight: np.ndarray, bits: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Unsigned numbers [out, in], scales float16 [out, G] and zero points [out, G]."""
    groups = weight.reshape(len(weight), -1, GROUP)
    least, most = groups.min(-1), groups.max(-1)
    scales = ((most - least) / (2**bits - 1)).astype(np.float16)
    zeros = np.clip(np.rint(-least / scales), 1, 2**bits - 1)
    numbers = np.clip(np.rint(groups / scales[..., None] + zeros[..., None]), 0, 2**bits - 1)
    return numbers.reshape(weight.shape), scales, zeros


def meant(numbers: np.ndarray, scales: np.ndarray, zeros: np.ndarray, order: np.ndarray) -> np.ndarray:
    """The weights of numbers; order: the group of each column."""
    return ((numbers - zeros[:, order]) * scales.astype(np.float32)[:, order]).astype(np.float32)


def int8(weight: np.ndarray) -> Stored:
    scales = (np.abs(weight).max(-1, keepdims=True) / 127).astype(np.float32)
    values = np.rint(weight / scales).astype(np.int8)
    return {"weight": values, "weight_scale": scales}, values * scales


def fp8_tensor(weight: np.ndarray) -> Stored:
    scale = np.float32(np.abs(weight).max() / 448)
    values = (weight / scale).astype(FP8)
    parts = {"weight": values, "weight_scale": np.array(scale), "input_scale": np.array(scale)}
    return parts, values.astype(np.float32) * scale


def fp8_block(weight: np.ndarray, rows: int = 24, columns: int = 32) -> Stored:
    outputs, inputs = weight.shape
    line, column = np.arange(outputs) // rows, np.arange(inputs) // columns
    scales = np.random.default_rng(1).uniform(0.01, 0.02, (line[-1] + 1, column[-1] + 1)).astype(np.float32)
    spread = scales[line][:, column]
    values = (weight / spread).astype(FP8)
    return {"weight": values, "weight_scale_inv": scales}, values.astype(np.float32) * spread


def packed(weight: np.ndarray) -> Stored:
    numbers, scales, zeros = grouped(weight, 4)
    parts = {
        "weight_packed": pack(numbers, 4),
        "weight_scale": scales,
        "weight_zero_point": np.ascontiguousarray(pack(zeros.T, 4).T),
        "weight_shape": np.array(weight.shape),
    }
    return parts, meant(numbers, scales, zeros, np.arange(weight.shape[1]) // GROUP)


def gptq(weight: np.ndarray, bits: int = 4, stored_less: int = 1, shuffled: bool = False) -> Stored:
    numbers, scales, zeros = grouped(weight, bits)
    order = np.arange(weight.shape[1]) // GROUP
    if shuffled:  # numbers of other columns than were quantised, but what they mean is what counts
        order = np.random.default_rng(2).permutation(order)
    parts = {
        "qweight": np.ascontiguousarray(pack(numbers, bits).T),
        "qzeros": pack(zeros.T - stored_less, bits),
        "scales": np.ascontiguousarray(scales.T),
        "g_idx": order.astype(np.int32),
    }
    return parts, meant(numbers, scales, zeros, order)


def awq(weight: np.ndarray) -> Stored:
    numbers, scales, zeros = grouped(weight, 4)

    def words(rows: np.ndarray) -> np.ndarray:
        return pack(rows.reshape(len(rows), -1, 8)[..., AWQ_ORDER].reshape(len(rows), -1), 4)

    parts = {"qweight": words(numbers.T), "qzeros": words(zeros.T), "scales": np.ascontiguousarray(scales.T)}
    return parts, meant(numbers, scales, zeros, np.arange(weight.shape[1]) // GROUP)


def compressed(format: str, **weights: object) -> dict[str, object]:
    """A quantization_config of compressed-tensors."""
    groups = {"group_0": {"targets": ["Linear"], "weights": {"num_bits": 8, "type": "int", **weights}}}
    return {"quant_method": "compressed-tensors", "format": format, "config_groups": groups, "ignore": ["lm_head"]}


FP8_BLOCK = {"quant_method": "fp8", "weight_block_size": [24, 32], "activation_scheme": "dynamic"}
GPTQ = {"quant_method": "gptq", "bits": 4, "group_size": GROUP, "desc_act": True, "sym": False}
METHODS: dict[str, tuple[dict[str, object], Callable[[np.ndarray], Stored]]] = {
    "int8": (compressed("int-quantized"), int8),
    "fp8-tensor": ({"quant_method": "fp8", "activation_scheme": "static"}, fp8_tensor),
    "fp8-block": (FP8_BLOCK, fp8_block),
    "packed": (compressed("pack-quantized", num_bits=4), packed),
    "gptq": (GPTQ, gptq),
    "gptq-8": (GPTQ | {"bits": 8}, lambda weight: gptq(weight, bits=8)),
    "gptq-v2": (GPTQ | {"checkpoint_format": "gptq_v2"}, lambda weight: gptq(weight, stored_less=0)),
    "gptq-order": (GPTQ, lambda weight: gptq(weight, shuffled=True)),
    "awq": ({"quant_method": "awq", "bits": 4, "group_size": GROUP, "version": "gemm"}, awq),
}
"""Name -> quantization_config, and a weight as it stores it."""
