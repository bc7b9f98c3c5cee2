"""Each method's numbers: those that its reference package unpacks, and those of a second derivation in NumPy."""

from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from safetensors.numpy import save_file

from backend.models.quantization import WeightFormat, dequantize
from backend.models.quantized import quantized_tensors
from backend.models.quantized.tensors import MXFP4Tensor
from backend.models.tensors import Tensors
from tests.backend.models.quantized.conftest import METHODS, compressed

GOLDEN = Path(__file__).parents[3] / "data" / "quantized"
"""What the reference packages packed and unpacked; see make.py there."""
BLOCK = compressed("float-quantized", type="float", strategy="block", block_structure=[16, 32])
CONFIGS = {
    "fp8-block": BLOCK,
    "gptq-4": {"quant_method": "gptq", "bits": 4},
    "gptq-4-asymmetric": {"quant_method": "gptq", "bits": 4},
    "gptq-8": {"quant_method": "gptq", "bits": 8},
    "awq": {"quant_method": "awq", "bits": 4},
}
FORMATS = {
    "int8-channel": WeightFormat("int8", "float32"),
    "int8-channel-asymmetric": WeightFormat("int8", "float32", 0, True),
    "fp8-channel": WeightFormat("float8_e4m3fn", "float32"),
    "fp8-tensor": WeightFormat("float8_e4m3fn", "float32"),
    "fp8-block": WeightFormat("float8_e4m3fn", "float32", 32),
    "w8a16-channel": WeightFormat("int8", "float32"),
    "w4a16-group": WeightFormat("int4", "float32", 32),
    "w4a16-group-asymmetric": WeightFormat("int4", "float32", 32, True),
    "w4a16-channel": WeightFormat("int4", "float32"),
    "gptq-4": WeightFormat("int4", "float16", 32),
    "gptq-4-asymmetric": WeightFormat("int4", "float32", 32, True),
    "gptq-8": WeightFormat("int8", "float32", 32, True),
    "awq": WeightFormat("int4", "float32", 32, True),
}


class Slice:
    """An array as a slice of a checkpoint."""

    def __init__(self, array: np.ndarray, dtype: str = "U8") -> None:
        self._array, self._dtype = array, dtype

    def get_shape(self) -> list[int]:
        return list(self._array.shape)

    def get_dtype(self) -> str:
        return self._dtype

    def __getitem__(self, index: Any) -> np.ndarray:
        return self._array[index]


def golden(case: str) -> tuple[dict[str, Any], np.ndarray]:
    """The parts of a case as tensors of the one weight "x.weight", and what they stand for."""
    stored = Tensors(GOLDEN)
    parts = {f"x.{name.partition('/')[2]}": stored[name] for name in stored if name.startswith(f"{case}/")}
    return parts, parts.pop("x.expected")[:]


@pytest.mark.parametrize("case", FORMATS)
def test_what_a_reference_package_packed_is_what_it_unpacks(case: str) -> None:
    parts, expected = golden(case)
    tensor = quantized_tensors(parts, CONFIGS.get(case, compressed("mixed-precision")))["x.weight"]
    assert tensor.get_shape() == list(expected.shape) and tensor.format == FORMATS[case]
    whole = tensor.quantized(slice(0, 32))
    assert whole.values.dtype.name == FORMATS[case].values and whole.scales.dtype.name == FORMATS[case].scales
    np.testing.assert_allclose(dequantize(whole), expected, rtol=1e-6, atol=1e-6)
    part = dequantize(tensor.quantized(slice(5, 19)))
    np.testing.assert_allclose(part, expected[5:19], rtol=1e-6, atol=1e-6)
    np.testing.assert_array_equal(tensor[5:19, 3:40], part[:, 3:40])


@pytest.mark.parametrize("method", METHODS)
def test_what_is_packed_by_a_method_is_what_it_means(method: str, tmp_path: Path) -> None:
    config, stored = METHODS[method]
    parts, expected = stored(np.random.default_rng(0).standard_normal((72, 96)).astype(np.float32))
    tensors = quantized_tensors(saved(parts, tmp_path), config)
    assert list(tensors) == ["x.weight"]
    tensor = tensors["x.weight"]
    assert tensor.get_shape() == [72, 96] and tensor.get_dtype() == config["quant_method"]
    np.testing.assert_allclose(tensor[30:50, 5:90], expected[30:50, 5:90], rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(tensor[:, :], expected, rtol=1e-5, atol=1e-5)
    if method == "gptq-order":
        assert tensor.format is None
    else:
        np.testing.assert_array_equal(dequantize(tensor.quantized(slice(30, 50))), tensor[30:50, :])


def test_blocks_and_their_exponents_are_what_transformers_reads() -> None:
    import torch
    from transformers.integrations.finegrained_fp8 import Fp8Dequantize
    from transformers.integrations.mxfp4 import convert_moe_packed_tensors

    random = np.random.default_rng(0)
    blocks, scales = random.integers(0, 256, (3, 6, 2, 16), np.uint8), random.integers(100, 140, (3, 6, 2), np.uint8)
    tensor = MXFP4Tensor("x", Slice(blocks), Slice(scales))
    expected = convert_moe_packed_tensors(torch.from_numpy(blocks), torch.from_numpy(scales), dtype=torch.float32)
    np.testing.assert_array_equal(dequantize(tensor.quantized(slice(0, 3))), expected.transpose(1, 2))
    np.testing.assert_array_equal(tensor[1:2, 2:4, 5:9], expected.transpose(1, 2)[1:2, 2:4, 5:9])

    values = random.standard_normal((256, 384)).astype(ml_dtypes.float8_e4m3fn)
    scales = random.uniform(0.01, 1, (2, 3)).astype(np.float32)
    parts = {"x.weight": Slice(values, "F8_E4M3"), "x.weight_scale_inv": Slice(scales)}
    found = quantized_tensors(parts, {"quant_method": "fp8", "weight_block_size": [128, 128]})["x.weight"]
    stored = torch.from_numpy(values.view(np.uint8)).view(torch.float8_e4m3fn)
    expected = Fp8Dequantize(None)._dequantize_one(stored, torch.from_numpy(scales), torch.float32)
    np.testing.assert_array_equal(found[:, :], expected)


def saved(parts: dict[str, np.ndarray], folder: Path) -> Tensors:
    save_file({f"x.{name}": part for name, part in parts.items()}, folder / "model.safetensors")
    return Tensors(folder)
