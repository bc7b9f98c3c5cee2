"""From a request's sampling parameters to one row of arrays."""

from dataclasses import fields

import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.request import SamplingParams
from backend.sampling import params

VOCAB = 8
seeds = st.integers(-(2**63), 2**64 - 1)


@given(seed=seeds)
def test_key_data_is_the_seed_in_two_words(seed: int) -> None:
    words = np.frombuffer((seed % 2**64).to_bytes(8, "big"), ">u4")
    assert params.key_data(seed).dtype == np.uint32
    np.testing.assert_array_equal(params.key_data(seed), words)


@pytest.mark.parametrize("seed", [0, 1, 42, 2**31 - 1])
def test_key_data_is_that_of_a_jax_key_where_jax_has_one(seed: int) -> None:
    expected = jax.random.key_data(jax.random.key(seed, impl="threefry2x32"))
    np.testing.assert_array_equal(params.key_data(seed), expected)


@given(
    bias=st.dictionaries(st.integers(0, VOCAB - 1), st.floats(-100, 100, width=32)),
    ends=st.sets(st.integers(0, VOCAB - 1)),
)
def test_a_row_holds_every_parameter_at_its_place(bias: dict[int, float], ends: set[int]) -> None:
    numbers = {"temperature": 0.5, "top_k": 3, "top_p": 0.75, "min_p": 0.25, "xtc_threshold": 0.125, "min_tokens": 2}
    numbers |= {"xtc_probability": 0.5, "repetition_penalty": 1.5, "presence_penalty": -1.0, "frequency_penalty": 2.0}
    row = params.row(SamplingParams(9, tuple(ends), logit_bias=bias, **numbers), seed=7, vocab=VOCAB)
    assert {name: getattr(row, name) for name in numbers} == numbers
    assert row.max_tokens == 9
    np.testing.assert_array_equal(row.bias, [bias.get(token, 0) for token in range(VOCAB)])
    np.testing.assert_array_equal(row.is_end, [token in ends for token in range(VOCAB)])


def test_a_row_fits_the_arrays_of_all_rows() -> None:
    row, rows = params.row(SamplingParams(1, (0,)), 0, VOCAB), params.empty(3, VOCAB)
    for name in (f.name for f in fields(row)):
        one, all_rows = getattr(row, name), getattr(rows, name)
        assert (3, *one.shape) == all_rows.shape and one.dtype == all_rows.dtype, name


@given(value=st.floats(0, allow_nan=False, allow_infinity=False))
def test_every_positive_number_stays_positive_and_finite_and_zero_stays_zero(value: float) -> None:
    got = params.row(SamplingParams(1, (), temperature=value, presence_penalty=-value), 0, VOCAB)
    assert got.temperature == -got.presence_penalty
    assert np.isfinite(got.temperature) and (got.temperature >= np.finfo(np.float32).smallest_normal) == (value > 0)
    if value == 0 or 1e-30 <= value <= 1e30:
        assert got.temperature == np.float32(value)
