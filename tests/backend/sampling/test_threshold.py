"""The searches for a threshold against brute force over every upper set."""

from collections.abc import Callable

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from backend.sampling import kernels
from backend.sampling.threshold import least_taken

ROWS = 4
TINY = np.finfo(np.float32).smallest_normal
SEARCHES = {"bisection": jax.jit(least_taken), "kernel": jax.jit(kernels.least_taken)}
searches = pytest.mark.parametrize("search", SEARCHES.values(), ids=SEARCHES)
Search = Callable[[np.ndarray, np.ndarray, np.ndarray], jax.Array]
edges = np.array(
    [-np.inf, np.inf, -0.0, 0.0, TINY, -TINY, 1.0, np.nextafter(np.float32(1), 2), -1.0, 3.4e38, -3.4e38], np.float32
)
values = st.sampled_from(edges) | st.floats(width=32, allow_nan=False, allow_subnormal=False)


def taken(search: Search, values: np.ndarray, weights: np.ndarray, target: np.ndarray) -> np.ndarray:
    """bool [B, V], which values belong to the set, as a device compares them."""
    return np.asarray(values >= search(values, weights, target)[:, None])


def brute_force(values: np.ndarray, weights: np.ndarray, target: float) -> np.ndarray:
    for lowest in sorted(set(values.tolist()), reverse=True):
        if weights[values >= lowest].sum() >= target:
            return values >= lowest
    return np.ones(values.size, bool)


@searches
@pytest.mark.parametrize("size", [1, 2, 9, 50])
@settings(max_examples=20)
@given(data=st.data())
def test_it_is_the_smallest_upper_set_that_reaches_the_target(size: int, search: Search, data: st.DataObject) -> None:
    x = data.draw(arrays(np.float32, (ROWS, size), elements=values))
    # Eighths add up exactly in float32, so there is one right answer.
    weights = data.draw(arrays(np.float32, (ROWS, size), elements=st.integers(0, 64).map(lambda n: n / 8)))
    target = data.draw(arrays(np.float32, ROWS, elements=st.integers(0, 64 * size + 64).map(lambda n: n / 16)))
    expected = [brute_force(*row) for row in zip(x, weights, target, strict=True)]
    np.testing.assert_array_equal(taken(search, x, weights, target), expected)


@searches
@settings(max_examples=20)
@given(seed=st.integers(0, 2**32 - 1), share=st.floats(0, 1.1))
def test_the_upper_set_agrees_with_brute_force_on_a_large_row(search: Search, seed: int, share: float) -> None:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(ROWS, 5000)).astype(np.float32)
    x[0] = np.round(x[0])
    weights = rng.integers(0, 100, x.shape).astype(np.float32)
    target = np.float32(np.round(share * weights.sum(-1)))
    expected = [brute_force(*row) for row in zip(x, weights, target, strict=True)]
    np.testing.assert_array_equal(taken(search, x, weights, target), expected)


@searches
@pytest.mark.parametrize("start", [1.0, -1.0, 3.0e38, -3.0e38, 1e-30, -1e-30])
def test_the_upper_set_tells_neighbouring_floats_apart(search: Search, start: float) -> None:
    bits = np.float32(start).view(np.int32) + np.arange(50, dtype=np.int32)
    x = np.tile(bits.view(np.float32), (ROWS, 1))
    for target in range(1, 51):
        stays = taken(search, x, np.ones_like(x), np.full(ROWS, target, np.float32))
        np.testing.assert_array_equal(stays, x >= np.sort(x)[:, [50 - target]])


@searches
def test_the_upper_set_never_separates_equal_values_nor_skips_a_larger_one_among_subnormals(search: Search) -> None:
    """A device may take subnormal numbers for 0; whichever it does, the set is an upper set."""
    x = np.array([[0.0, 1e-45, -0.0, 1e-40, -1e-40, TINY, -TINY, 1e-45]] * ROWS, np.float32)
    for target in range(1, 9):
        stays = taken(search, x, np.ones_like(x), np.full(ROWS, target, np.float32))[0]
        assert stays.sum() >= target
        assert x[0][stays].min() >= x[0][~stays].max(initial=-np.inf) or np.abs(x[0][stays]).min() < TINY
        assert stays[5] and stays[0] == stays[2] and stays[1] == stays[7]
