"""The penalties against their definitions, token by token."""

from types import SimpleNamespace

import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from backend.sampling import penalties

VOCABULARIES = [1, 5, 50, 1000]
ROWS = 4
repetition, presence_and_frequency = jax.jit(penalties.repetition), jax.jit(penalties.presence_and_frequency)


def a_row(elements: st.SearchStrategy) -> st.SearchStrategy[np.ndarray]:
    return arrays(np.float32, ROWS, elements=elements)


def some_counts(data: st.DataObject, vocab: int) -> np.ndarray:
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    return rng.integers(-3, 5, (ROWS, vocab)).clip(0).astype(np.int32)


@pytest.mark.parametrize("vocab", VOCABULARIES)
@given(data=st.data())
def test_repetition_penalty_is_that_of_the_definition(vocab: int, data: st.DataObject, oracle: SimpleNamespace) -> None:
    x, seen = data.draw(oracle.some_logits(vocab)), some_counts(data, vocab) > 0
    penalty = data.draw(a_row(st.floats(0.0625, 64, width=32)))
    expected = [oracle.repetition(*row) for row in zip(np.float64(x), seen, np.float64(penalty), strict=True)]
    np.testing.assert_allclose(repetition(x, seen, penalty), expected, rtol=3e-7, atol=1e-37)


@pytest.mark.parametrize("vocab", VOCABULARIES)
@given(data=st.data())
def test_presence_and_frequency_are_subtracted_as_defined(
    vocab: int, data: st.DataObject, oracle: SimpleNamespace
) -> None:
    x, counts = data.draw(oracle.some_logits(vocab)), some_counts(data, vocab)
    presence, frequency = (data.draw(a_row(st.floats(-2, 2, width=32))) for _ in range(2))
    rows = zip(np.float64(x), counts, np.float64(presence), np.float64(frequency), strict=True)
    expected = np.array([oracle.presence_and_frequency(*row) for row in rows])
    got = np.asarray(presence_and_frequency(x, counts, presence, frequency))
    assert np.array_equal(np.isinf(got), np.isinf(x))
    finite = np.isfinite(x)
    # Two roundings, each relative to the largest number involved.
    assert (np.abs(got[finite] - expected[finite]) <= 2e-7 * (np.abs(x[finite]) + 12)).all()


@pytest.mark.parametrize("vocab", VOCABULARIES)
@given(data=st.data())
def test_a_penalty_that_is_off_leaves_a_row_as_it_is(vocab: int, data: st.DataObject, oracle: SimpleNamespace) -> None:
    x, counts = data.draw(oracle.some_logits(vocab)), some_counts(data, vocab)
    zero, one = np.zeros(ROWS, np.float32), np.ones(ROWS, np.float32)
    np.testing.assert_array_equal(repetition(x, counts > 0, one), x)
    np.testing.assert_array_equal(presence_and_frequency(x, counts, zero, zero), x)
