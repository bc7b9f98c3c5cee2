"""The likeliest token of each row, against NumPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backend import native

NUMBERS = st.sampled_from([-np.inf, -1e30, -1.5, -0.0, 0.0, 1e-40, 1.0, 3.0, np.inf, np.nan])


@settings(max_examples=80, deadline=None)
@given(st.data())
def test_it_is_the_first_of_the_largest(data: st.DataObject) -> None:
    """Few different numbers, so that ties, rows of -inf and NaN are common, at widths that fill no vector."""
    rows, width = data.draw(st.integers(1, 9)), data.draw(st.integers(1, 70))
    some = data.draw(st.lists(NUMBERS, min_size=1, max_size=4))
    random = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    x = random.choice(np.asarray(some, np.float32), (rows, width))
    np.testing.assert_array_equal(native.argmax(jnp.asarray(x)), np.argmax(np.where(np.abs(x) < 1e-38, 0, x), axis=-1))


@pytest.mark.parametrize("rows", [1, 5, 33])
def test_a_whole_vocabulary(rows: int) -> None:
    x = np.random.default_rng(5).standard_normal((rows, 49_157), np.float32)
    x[0, [77, 49_156]] = x.max() + 1
    found = jax.jit(native.argmax)(x)
    assert found.dtype == jnp.int32
    np.testing.assert_array_equal(found, x.argmax(-1))
