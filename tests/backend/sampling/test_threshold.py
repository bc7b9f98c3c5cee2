"""The threshold search against brute force over every upper set."""

import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from backend.sampling.threshold import upper_set_mask

ROWS = 4
TINY = np.finfo(np.float32).smallest_normal
compiled = jax.jit(upper_set_mask)
edges = np.array(
    [-np.inf, np.inf, -0.0, 0.0, TINY, -TINY, 1.0, np.nextafter(np.float32(1), 2), -1.0, 3.4e38, -3.4e38], np.float32
)
values = st.sampled_from(edges) | st.floats(width=32, allow_nan=False, allow_subnormal=False)


def brute_force(values: np.ndarray, weights: np.ndarray, target: float) -> np.ndarray:
    for lowest in sorted(set(values.tolist()), reverse=True):
        if weights[values >= lowest].sum() >= target:
            return values >= lowest
    return np.ones(values.size, bool)


@pytest.mark.parametrize("size", [1, 2, 9, 50])
@given(data=st.data())
def test_it_is_the_smallest_upper_set_that_reaches_the_target(size: int, data: st.DataObject) -> None:
    x = data.draw(arrays(np.float32, (ROWS, size), elements=values))
    # Eighths add up exactly in float32, so there is one right answer.
    weights = data.draw(arrays(np.float32, (ROWS, size), elements=st.integers(0, 64).map(lambda n: n / 8)))
    target = data.draw(arrays(np.float32, ROWS, elements=st.integers(0, 64 * size + 64).map(lambda n: n / 16)))
    expected = [brute_force(*row) for row in zip(x, weights, target, strict=True)]
    np.testing.assert_array_equal(compiled(x, weights, target), expected)


@given(seed=st.integers(0, 2**32 - 1), share=st.floats(0, 1.1))
def test_the_upper_set_agrees_with_brute_force_on_a_large_row(seed: int, share: float) -> None:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(ROWS, 1000)).astype(np.float32)
    x[0] = np.round(x[0])
    weights = rng.integers(0, 100, x.shape).astype(np.float32)
    target = np.float32(np.round(share * weights.sum(-1)))
    expected = [brute_force(*row) for row in zip(x, weights, target, strict=True)]
    np.testing.assert_array_equal(compiled(x, weights, target), expected)


@pytest.mark.parametrize("start", [1.0, -1.0, 3.0e38, -3.0e38, 1e-30, -1e-30])
def test_the_upper_set_tells_neighbouring_floats_apart(start: float) -> None:
    bits = np.float32(start).view(np.int32) + np.arange(50, dtype=np.int32)
    x = np.tile(bits.view(np.float32), (ROWS, 1))
    for target in range(1, 51):
        taken = compiled(x, np.ones_like(x), np.full(ROWS, target, np.float32))
        np.testing.assert_array_equal(taken, x >= np.sort(x)[:, [50 - target]])


def test_the_upper_set_never_separates_equal_values_nor_skips_a_larger_one_among_subnormals() -> None:
    """A device may take subnormal numbers for 0; whichever it does, the set is an upper set."""
    x = np.array([[0.0, 1e-45, -0.0, 1e-40, -1e-40, TINY, -TINY, 1e-45]] * ROWS, np.float32)
    for target in range(1, 9):
        taken = np.asarray(compiled(x, np.ones_like(x), np.full(ROWS, target, np.float32)))[0]
        assert taken.sum() >= target
        assert x[0][taken].min() >= x[0][~taken].max(initial=-np.inf) or np.abs(x[0][taken]).min() < TINY
        assert taken[5] and taken[0] == taken[2] and taken[1] == taken[7]
