"""Log-probabilities against scipy's."""

from types import SimpleNamespace

import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special

from backend.sampling import logprobs

compiled = jax.jit(logprobs.of_tokens)


@pytest.mark.parametrize("vocab", [1, 7, 20, 50, 3000])
@given(data=st.data())
def test_logprobs_are_those_of_the_softmax_likeliest_first(
    vocab: int, data: st.DataObject, oracle: SimpleNamespace
) -> None:
    x = data.draw(oracle.some_logits(vocab))
    tokens = np.array([data.draw(st.integers(0, vocab - 1)) for _ in x], np.int32)
    chosen, ids, values = (np.asarray(array) for array in compiled(x, tokens))
    expected, rows = special.log_softmax(np.asarray(x, np.float64), axis=-1), np.arange(len(x))
    likeliest = np.sort(x, axis=-1)[:, ::-1][:, : logprobs.MAX_TOP]
    assert ids.shape == values.shape == (len(x), min(vocab, logprobs.MAX_TOP))
    assert all(len(set(row)) == len(row) for row in ids.tolist())
    np.testing.assert_array_equal(np.take_along_axis(x, ids, -1), likeliest)
    np.testing.assert_allclose(values, np.take_along_axis(expected, ids, -1), rtol=1e-6, atol=1e-5)
    np.testing.assert_allclose(chosen, expected[rows, tokens], rtol=1e-6, atol=1e-5)
    np.testing.assert_array_equal(chosen[ids[:, 0] == tokens], values[ids[:, 0] == tokens, 0])
