"""The numbers of quantised blocks are exactly what gguf's own dequantisers make of them."""

import gguf
import numpy as np
import pytest

from backend.models.gguf.blocks import BLOCKS, Kind
from backend.models.gguf.tensors import GGUFTensor
from backend.models.quantization import dequantize

ROWS, HEAD_DIM = 24, 8


def tensor_of(kind: Kind, blocks: int, head_dim: int | None = None) -> GGUFTensor:
    """Blocks of random bytes: every pattern of bits, but for scales that are no numbers."""
    elements, size = gguf.GGML_QUANT_SIZES[kind]
    data = np.random.default_rng(kind).integers(0, 256, (ROWS, blocks * size), np.uint8)
    return GGUFTensor("x", kind, (ROWS, blocks * elements), data, head_dim=head_dim)


@pytest.mark.parametrize("blocks", [1, 3])
@pytest.mark.parametrize("kind", BLOCKS, ids=lambda kind: kind.name)
def test_every_bit_means_what_gguf_says(kind: Kind, blocks: int) -> None:
    tensor, format = tensor_of(kind, blocks), BLOCKS[kind].format
    kept = tensor.quantized(slice(2, 20))
    assert tensor.format == format
    assert kept.values.dtype.name == format.values and kept.values.shape == (18, tensor.shape[1])
    assert kept.scales is not None and kept.scales.dtype.name == format.scales
    assert kept.scales.shape == (18, format.groups(tensor.shape[1]))
    assert (kept.offsets is None) is not format.offsets
    if kept.offsets is not None:
        assert kept.offsets.dtype.name == format.scales
    with np.errstate(all="ignore"):
        expected = gguf.quants.dequantize(tensor.data[2:20], kind)
        np.testing.assert_array_equal(dequantize(kept), expected)
    assert np.isfinite(expected).mean() > 0.5


@pytest.mark.parametrize("kind", BLOCKS, ids=lambda kind: kind.name)
def test_rows_that_are_stored_by_turns_are_put_in_order(kind: Kind) -> None:
    tensor = tensor_of(kind, 1, HEAD_DIM)
    with np.errstate(all="ignore"):
        for rows in (slice(0, ROWS), slice(3, 19)):
            np.testing.assert_array_equal(dequantize(tensor.quantized(rows)), tensor[rows])
        part = tensor.part(HEAD_DIM, HEAD_DIM)
        np.testing.assert_array_equal(dequantize(part.quantized(slice(0, HEAD_DIM))), tensor[HEAD_DIM : 2 * HEAD_DIM])


def test_what_no_format_holds_is_floats_only() -> None:
    assert tensor_of(Kind.IQ2_XXS, 1).format is None
