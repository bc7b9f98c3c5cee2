"""Attention without a cache against plain attention, packed segments against each alone."""

from collections.abc import Callable
from functools import partial
from itertools import pairwise

import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.attention import AttentionSpec
from backend.attention.uncached import UncachedAttend

ROWS, TOKENS, HEADS, KV_HEADS, HEAD_DIM = 2, 20, 4, 2, 8
SPECS = (AttentionSpec(0.35), AttentionSpec(0.5, window=4, softcap=3.0))
specs, seeds = st.sampled_from(SPECS), st.integers(0, 2**32 - 1)
Call = tuple[np.ndarray, np.ndarray, np.ndarray]


@partial(jax.jit, static_argnums=5)
def attend(q, k, v, positions, segments, spec):
    return UncachedAttend(segments)(None, q, k, v, positions, spec)[0]


def a_call(seed: int) -> Call:
    rng = np.random.default_rng(seed)
    return tuple(rng.normal(size=(ROWS, TOKENS, n, HEAD_DIM)).astype(np.float32) for n in (HEADS, KV_HEADS, KV_HEADS))


def expected(call: Call, row: int, tokens: slice, spec: AttentionSpec, plain: Callable) -> np.ndarray:
    """These tokens of a row as a sequence of their own."""
    q, k, v = (array[row, tokens] for array in call)
    return plain(q, k.transpose(1, 0, 2), v.transpose(1, 0, 2), np.arange(len(q)), spec)


@given(spec=specs, lengths=st.lists(st.integers(0, TOKENS), min_size=ROWS, max_size=ROWS), seed=seeds)
def test_uncached_is_plain_attention_and_finite_on_padding(
    spec: AttentionSpec, lengths: list[int], seed: int, plain: Callable
) -> None:
    call, steps = a_call(seed), np.arange(TOKENS, dtype=np.int32)
    positions = np.where(steps < np.array(lengths)[:, None], steps, -1)
    out = np.asarray(attend(*call, positions, None, spec))
    assert np.isfinite(out).all()
    for row, length in enumerate(lengths):
        truth = expected(call, row, slice(0, length), spec, plain)
        np.testing.assert_allclose(out[row, :length], truth, rtol=1e-5, atol=1e-5)


@given(spec=specs, cuts=st.sets(st.integers(1, TOKENS - 1), max_size=6), seed=seeds)
def test_each_packed_segment_is_attended_as_if_it_were_alone(
    spec: AttentionSpec, cuts: set[int], seed: int, plain: Callable
) -> None:
    call, edges = a_call(seed), [0, *sorted(cuts), TOKENS]
    parts = [slice(start, end) for start, end in pairwise(edges)]
    positions, segments = np.zeros((2, ROWS, TOKENS), np.int32)
    for number, part in enumerate(parts):
        positions[:, part], segments[:, part] = np.arange(part.stop - part.start), number
    out = np.asarray(attend(*call, positions, segments, spec))
    for row, part in ((row, part) for row in range(ROWS) for part in parts):
        np.testing.assert_allclose(out[row, part], expected(call, row, part, spec, plain), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("cache", [None, "anything"])
def test_the_cache_is_passed_through(cache: object) -> None:
    call, positions = a_call(0), np.tile(np.arange(TOKENS), (ROWS, 1))
    assert UncachedAttend()(cache, *call, positions, SPECS[0])[1] is cache
