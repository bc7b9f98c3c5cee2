"""The truncation filters against sorting: each token stays or goes as the definition says, up to float32's rounding."""

from types import SimpleNamespace

import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.sampling import truncation

VOCABULARIES = [1, 2, 3, 7, 50, 3000]
ROWS = 4
TINY = np.finfo(np.float32).smallest_normal
compiled = {name: jax.jit(getattr(truncation, name)) for name in ("top_k", "top_p", "min_p", "xtc")}
RELATIVE = 2e-5
"""What float32's rounding may change in one probability: half a unit in the last place of an exponent of up to 87."""


def kept(name: str, x: np.ndarray, *parameters: np.ndarray) -> np.ndarray:
    """bool [B, V], what stays of the finite logits."""
    least = np.asarray(compiled[name](x, *parameters))
    stays = np.isfinite(x) & (x >= least[:, None])
    assert stays.any(-1).all(), "a filter never takes out everything"
    return stays


def kept_by_xtc(x: np.ndarray, threshold: np.ndarray, chosen: np.ndarray, protected: np.ndarray) -> np.ndarray:
    """bool [B, V], the same of XTC, which takes from the other end, and no token that is protected."""
    taken = np.asarray(compiled["xtc"](x, threshold, chosen))
    stays = np.isfinite(x) & ((x < taken[:, None]) | protected)
    assert stays.any(-1).all(), "a filter never takes out everything"
    return stays


def some_parameters(data: st.DataObject, strategy: st.SearchStrategy, kind: type = np.float32) -> np.ndarray:
    return np.array([data.draw(strategy) for _ in range(ROWS)], kind)


def aimed_parameters(data: st.DataObject, strategy: st.SearchStrategy, turns: list[np.ndarray]) -> np.ndarray:
    """float32 [B]: anything, or just beside one of the values at which a row's outcome turns."""

    def beside(values: np.ndarray) -> st.SearchStrategy[float]:
        turn = st.integers(0, values.size - 1).map(lambda i: values[i])
        moved = st.tuples(turn, st.sampled_from([1 - 5e-5, 1 + 5e-5])).map(np.prod)
        return moved.map(lambda value: float(np.clip(value, 2**-20, 1)))

    return np.array([data.draw(strategy | beside(values)) for values in turns], np.float32)


@pytest.mark.parametrize("vocab", VOCABULARIES)
@given(data=st.data())
def test_top_k_keeps_the_k_likeliest_and_their_ties(vocab: int, data: st.DataObject, oracle: SimpleNamespace) -> None:
    x = data.draw(oracle.some_logits(vocab))
    k = some_parameters(data, st.integers(0, vocab + 1), np.int32)
    expected = np.array([oracle.top_k(*row) for row in zip(x, k, strict=True)])
    np.testing.assert_array_equal(kept("top_k", x, k), expected & np.isfinite(x))


@pytest.mark.parametrize("vocab", VOCABULARIES)
@given(data=st.data())
def test_top_p_keeps_the_smallest_set_that_reaches_p(vocab: int, data: st.DataObject, oracle: SimpleNamespace) -> None:
    x = data.draw(oracle.some_logits(vocab))
    sums = [np.cumsum(np.sort(oracle.softmax(row))[::-1]) for row in x]
    p = aimed_parameters(data, st.floats(2**-20, 1, width=32) | st.sampled_from([0.25, 0.5, 0.75, 0.9, 1.0]), sums)
    slack = 1e-6 + 2.4e-7 * np.sqrt(vocab)  # of a float32 sum over the row
    for row, stays, share in zip(x, kept("top_p", x, p), np.float64(p), strict=True):
        if share == 1:
            assert np.array_equal(stays, np.isfinite(row))
            continue
        probability = oracle.softmax(row)
        last = probability[stays].min()
        ties = (probability <= last * (1 + RELATIVE)) | (probability < TINY)
        assert (row[~stays] < row[stays].min()).all(), "an upper set, ties included"
        assert probability[stays].sum() >= share - slack, "it reaches p"
        assert probability[stays & ~ties].sum() < share + slack, "it does not without its last tokens"


@pytest.mark.parametrize("vocab", VOCABULARIES)
@given(data=st.data())
def test_min_p_keeps_what_is_at_least_p_times_the_likeliest(
    vocab: int, data: st.DataObject, oracle: SimpleNamespace
) -> None:
    x = data.draw(oracle.some_logits(vocab))
    shares = [oracle.softmax(row) / oracle.softmax(row).max() for row in x]
    p = aimed_parameters(data, st.floats(2**-20, 1, width=32) | st.sampled_from([0.0, 0.5, 1.0]), shares)
    for row, stays, share in zip(np.float64(x), kept("min_p", x, p), np.float64(p), strict=True):
        if share == 0:
            assert np.array_equal(stays, np.isfinite(row))
            continue
        excess = row - row.max() - np.log(share)
        slack = 3e-7 * abs(np.log(share))
        assert stays[excess >= slack].all()
        assert not stays[excess < -slack].any()


def test_min_p_sees_small_differences_of_large_logits() -> None:
    x = np.array([[1e6, 1e6 - 0.0625]], np.float32)
    assert kept("min_p", x, np.float32([0.93])).all()
    assert not kept("min_p", x, np.float32([0.95])).all()


@pytest.mark.parametrize("vocab", VOCABULARIES)
@given(data=st.data())
def test_xtc_takes_out_the_top_choices_but_the_least_likely(
    vocab: int, data: st.DataObject, oracle: SimpleNamespace
) -> None:
    x = data.draw(oracle.some_logits(vocab))
    probabilities = [oracle.softmax(row) for row in x]
    thresholds = st.floats(2**-12, 1, width=32) | st.sampled_from([0.0, 0.1, 0.25, 0.5])
    threshold = aimed_parameters(data, thresholds, probabilities)
    chosen = some_parameters(data, st.sampled_from([True, True, False]), bool)
    protected = np.random.default_rng(data.draw(st.integers(0, 99))).random(x.shape) < 0.2
    stays = kept_by_xtc(x, threshold, chosen, protected)
    for row in zip(x, stays, np.float64(threshold), chosen, protected, strict=True):
        _check_xtc(*row, oracle)


def _check_xtc(
    x: np.ndarray, stays: np.ndarray, threshold: float, chosen: bool, protected: np.ndarray, oracle: SimpleNamespace
) -> None:
    """A probability that rounding moves across the threshold, or into a tie with the least, may fall either way."""
    gone = ~stays & np.isfinite(x)
    if not chosen or threshold == 0:
        assert not gone.any()
        return
    p, near = oracle.softmax(x), 1 + RELATIVE
    allowed = []
    for limit in (threshold / near, threshold, threshold * near):
        may_go = ~oracle.xtc(x, limit, protected)
        must_go = may_go & (p > near * p[p >= limit].min(initial=1))
        allowed.append(not (gone & ~may_go).any() and not (must_go & stays).any())
    assert any(allowed)


def test_xtc_needs_two_tokens_at_or_above_the_threshold() -> None:
    x = np.log(np.array([[0.6, 0.3, 0.1], [0.4, 0.35, 0.25]], np.float32))
    got = kept_by_xtc(x, np.array([0.32, 0.32], np.float32), np.ones(2, bool), np.zeros((2, 3), bool))
    np.testing.assert_array_equal(got, [[True, True, True], [False, True, True]])


def test_xtc_keeps_end_tokens_and_counts_them_as_top_choices() -> None:
    x = np.log(np.array([[0.5, 0.3, 0.2], [0.5, 0.2, 0.3]], np.float32))
    protected = np.array([[True, False, False], [False, True, False]])
    got = kept_by_xtc(x, np.full(2, 0.15, np.float32), np.ones(2, bool), protected)
    np.testing.assert_array_equal(got, [[True, False, True], [False, True, False]])
