"""In which format each kernel of a checkpoint is kept."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

from backend.models import hub, weights
from backend.models.checkpoint import open_checkpoint
from backend.models.quantization import INT4, INT8, Quantized, WeightFormat, dequantize, quantize
from backend.models.storage import FP8, QuantizedRows, Storage, abstract_decoder, describe, kernels

FLOAT = jnp.dtype(jnp.float32)
TINY = open_checkpoint(hub.resolve("tiny"))


def kept(storage: Storage) -> set[WeightFormat]:
    return {kernel.format for kernel in kernels(abstract_decoder(TINY, storage))}


def test_floats_are_of_the_type_asked_for_or_as_they_are_stored() -> None:
    assert kept(Storage(FLOAT, FLOAT)) == {WeightFormat("float32")}
    assert kept(Storage(FLOAT, jnp.dtype(jnp.bfloat16))) == {WeightFormat("bfloat16")}
    assert kept(Storage(FLOAT, None)) == {WeightFormat("bfloat16")}  # the bundled model's
    assert kept(Storage(FLOAT, FLOAT, "none")) == {WeightFormat("float32")}


def test_what_is_asked_for_is_done_to_every_kernel() -> None:
    assert kept(Storage(FLOAT, FLOAT, "int8")) == {INT8}
    decoder = abstract_decoder(TINY, Storage(FLOAT, FLOAT, "fp8"))
    assert decoder.embedding.format == INT8
    for layer in decoder.layers:
        assert {kernel.format for kernel in kernels(layer)} == {INT8 if layer is decoder.layers[-1] else FP8}
    decoder = abstract_decoder(TINY, Storage(FLOAT, FLOAT, "int4"))
    assert decoder.embedding.format == INT8
    assert {kernel.format for kernel in kernels(decoder)} == {INT4, INT8}
    assert describe(decoder) == "uint4 in groups of 32, int8"


@pytest.mark.parametrize("quantization", ["int8", "int4", "fp8"])
def test_a_quantised_model_answers_nearly_as_its_floats(quantization: Any) -> None:
    from backend.attention.uncached import UncachedAttend

    tokens = jnp.asarray([[5, 9, 300, 2, 77, 41]])
    positions = jnp.arange(6)[None]

    def logits(storage: Storage) -> np.ndarray:
        decoder = weights.load(TINY, storage)
        assert weights.weight_bytes(decoder) == weights.weight_bytes(abstract_decoder(TINY, storage))
        context = decoder.context(positions, UncachedAttend())
        hidden, _ = decoder(decoder.embed(tokens), context, [None] * len(decoder.layers))
        return np.asarray(decoder.logits(hidden))

    exact, found = logits(Storage(FLOAT, FLOAT)), logits(Storage(FLOAT, FLOAT, quantization))
    off = np.sqrt(np.square(found - exact).mean() / np.square(exact).mean())
    assert 1e-4 < off < {"int8": 0.03, "fp8": 0.1, "int4": 0.25}[quantization]


def test_products_in_eight_bits_are_for_all_layers_but_the_last() -> None:
    decoder = abstract_decoder(TINY, Storage(FLOAT, FLOAT, "int8", eight_bits=True))
    assert not decoder.embedding.eight_bits
    for layer in decoder.layers:
        assert {kernel.eight_bits for kernel in kernels(layer)} == {layer is not decoder.layers[-1]}
    assert not any(kernel.eight_bits for kernel in kernels(abstract_decoder(TINY, Storage(FLOAT, FLOAT, "int8"))))


@dataclass(frozen=True)
class Blocks:
    """A stored tensor that is quantised already."""

    kept: Quantized
    format: WeightFormat

    def get_shape(self) -> list[int]:
        return list(self.kept.values.shape)

    def get_dtype(self) -> str:
        return "BLOCKS"

    def __getitem__(self, index: Any) -> np.ndarray:
        return dequantize(self.kept)[index]

    def quantized(self, rows: slice) -> Quantized:
        return Quantized(*(None if array is None else array[rows] for array in self.kept))


def quantized(tensor: Any, target: WeightFormat) -> Quantized:
    """A whole tensor in a format."""
    rows = QuantizedRows(tensor, target)
    return Quantized(rows.values[:], rows.scales[:], rows.offsets[:] if target.offsets else None)


def test_numbers_that_are_quantised_already_are_taken_as_they_are() -> None:
    floats = np.random.default_rng(0).standard_normal((3000, 64)).astype(np.float32)
    for format, target in [(INT4, INT4), (INT4, WeightFormat("int8", "float32", 32, True)), (INT8, INT8)]:
        tensor = Blocks(quantize(floats, format), format)
        found = quantized(tensor, target)
        np.testing.assert_array_equal(dequantize(found), dequantize(tensor.kept))
        assert found.values.dtype.name == target.values


def test_others_are_quantised_anew(tmp_path: Path) -> None:
    floats = np.random.default_rng(0).standard_normal((10, 64)).astype(np.float32)
    tensor = Blocks(quantize(floats, INT8), INT8)
    found = quantized(tensor, INT4)
    np.testing.assert_array_equal(dequantize(found), dequantize(quantize(dequantize(tensor.kept), INT4)))


def test_rows_that_nobody_asks_for_are_not_quantised() -> None:
    """Some at a time, and each once, whichever field is read."""
    floats = np.random.default_rng(0).standard_normal((5000, 64)).astype(np.float32)
    asked: list[slice] = []

    class Watched(Blocks):
        def quantized(self, rows: slice) -> Quantized:
            asked.append(rows)
            return super().quantized(rows)

    tensor = Watched(quantize(floats, INT8), INT8)
    rows = QuantizedRows(tensor, INT8)
    np.testing.assert_array_equal(rows.values[2000:2100, 10:20], tensor.kept.values[2000:2100, 10:20])
    np.testing.assert_array_equal(rows.scales[2040:2050], tensor.kept.scales[2040:2050])
    assert asked == [slice(1024, 2048), slice(2048, 3072)]
