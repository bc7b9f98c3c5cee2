"""Weights in few bits: how near they stay, and what one format can hold of others."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend import native
from backend.models.quantization import (
    FP8,
    INT4,
    INT8,
    Quantized,
    WeightFormat,
    convert,
    dequantize,
    joint,
    quantize,
    suited,
)

FORMATS = [
    INT8,
    FP8,
    INT4,
    WeightFormat("int8", "float32", 32),
    WeightFormat("int4", "float16", 64),
    WeightFormat("int4", "float32"),
    WeightFormat("float8_e4m3fn", "float32", 32),
]


def weights(seed: int, rows: int = 6, inputs: int = 128) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((rows, inputs)).astype(np.float32)


def groups(array: np.ndarray, format: WeightFormat) -> np.ndarray:
    return array.reshape(len(array), format.groups(array.shape[-1]), -1)


@pytest.mark.parametrize("format", FORMATS, ids=str)
@given(seed=st.integers(0, 2**32 - 1), scale=st.sampled_from([1e-3, 1.0, 30.0]))
def test_a_weight_is_off_by_half_a_step_of_its_group(format: WeightFormat, seed: int, scale: float) -> None:
    given_ = weights(seed) * np.float32(scale)
    quantized = quantize(given_, format)
    assert quantized.values.dtype.name == format.values and quantized.values.shape == given_.shape
    assert quantized.scales is not None and quantized.scales.dtype.name == format.scales
    assert quantized.scales.shape == (6, format.groups(128)) and (quantized.offsets is None) is not format.offsets
    error = np.abs(groups(dequantize(quantized) - given_, format))
    step = quantized.scales[..., None].astype(np.float32)
    if format.values == "float8_e4m3fn":  # three bits of mantissa, or the smallest subnormal's half
        assert (error <= np.maximum(np.abs(groups(given_, format)) / 16, step * 2**-10) * 1.001).all()
    elif format.offsets:  # clipped where that is better in all, never worse than the whole range
        assert (np.square(error).sum(-1) <= given_.shape[-1] * np.square(step[..., 0])).all()
        span = np.ptp(groups(given_, format), axis=-1)
        assert (np.square(error).mean(-1) <= np.square(span / 15 * 0.52)).all()
    else:
        assert (error <= step * 0.51 + np.abs(groups(given_, format)) * 2**-10).all()


@pytest.mark.parametrize("format", FORMATS, ids=str)
def test_zeros_stay_zeros(format: WeightFormat) -> None:
    assert not dequantize(quantize(np.zeros((2, 128), np.float32), format)).any()


@given(
    st.lists(
        st.sampled_from(
            [WeightFormat("uint4", "float16", 32, True), WeightFormat("int8", "float32", 16), INT8, *FORMATS]
        ),
        min_size=1,
        max_size=3,
    ),
    st.integers(0, 2**32 - 1),
)
def test_what_formats_have_in_common_holds_the_numbers_of_each(formats: list[WeightFormat], seed: int) -> None:
    common = joint([*formats], 128)
    if common is None:
        assert any(format.values == "float8_e4m3fn" for format in formats)
        return
    for format in formats:
        one = quantize(weights(seed), format)
        both = one if format == common else convert(one, common)
        assert both.values.dtype.name == common.values and both.scales is not None
        assert both.scales.shape == (6, common.groups(128)) and (both.offsets is None) is not common.offsets
        np.testing.assert_array_equal(dequantize(both), dequantize(one))


def test_floats_and_integers_have_floats_in_common() -> None:
    assert joint([INT8, None], 64) is None
    assert joint([INT8, WeightFormat("bfloat16")], 64) is None
    assert joint([WeightFormat("bfloat16"), WeightFormat("float32")], 64) is None
    assert joint([WeightFormat("bfloat16")] * 2, 64) == WeightFormat("bfloat16")


@pytest.mark.parametrize(
    ("format", "inputs", "group", "values"),
    [
        (INT4, 128, 32, "uint4"),
        (WeightFormat("uint4", "float32", 16, True), 512, 16, "int8"),
        (WeightFormat("int4", "float16", 256), 512, 128, "int4"),
        (WeightFormat("int4", "float16", 48), 96, 16, "int8"),
        (WeightFormat("int4", "float32", 96), 192, 32, "int4"),
        (WeightFormat("int8", "float32", 0, True), 320, 64, "int8"),
        (INT8, 320, 0, "int8"),
        (WeightFormat("int4", "float32"), 320, 0, "int4"),
    ],
)
def test_groups_are_made_such_that_native_products_take_them(
    format: WeightFormat, inputs: int, group: int, values: str
) -> None:
    found = suited(format, inputs)
    assert (found.group, found.values) == (group, values) and joint([format, found], inputs) == found
    assert native.takes(inputs, found.values, found.group)
    kept = quantize(weights(3, inputs=inputs), format)
    np.testing.assert_array_equal(dequantize(convert(kept, found)), dequantize(kept))


def test_memory_counts_scales_and_half_bytes() -> None:
    assert INT8.bytes(10, 64) == 10 * (64 + 4)
    assert INT4.bytes(10, 64) == 10 * (32 + 2 * 2 * 2)
    assert WeightFormat("bfloat16").bytes(10, 64) == 10 * 128


def test_a_kernel_without_scales_is_its_values() -> None:
    np.testing.assert_array_equal(dequantize(Quantized(np.ones((2, 4), np.float16))), np.ones((2, 4), np.float32))
