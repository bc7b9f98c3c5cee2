"""Speeds made from arrival times."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.timeline import Timeline, TooShort, same_rows, same_tokens


def steady(starts: list[int], new: int, block: int, step: float) -> Timeline:
    """A decoder that takes `step` seconds a step and hands tokens out after each `block` of them; row r starts at block
    starts[r]. `new` is a multiple of `block`."""
    steps = np.array(starts)[:, None] * block + np.arange(new)
    return Timeline(np.zeros(steps.shape, int), (steps // block + 1) * block * step)


@given(
    starts=st.lists(st.integers(0, 3), min_size=1, max_size=8),
    blocks=st.integers(5, 9),
    block=st.integers(1, 16),
    step=st.floats(1e-4, 1.0),
)
def test_a_steady_decoder_is_as_fast_as_its_steps_however_its_tokens_are_handed_out(
    starts: list[int], blocks: int, block: int, step: float
) -> None:
    rate = steady(starts, blocks * block, block, step).decode_rate
    np.testing.assert_allclose(rate, len(starts) / step)


def test_a_row_that_ends_before_another_begins_is_an_error() -> None:
    with pytest.raises(TooShort, match="more new tokens"):
        _ = steady([0, 5], new=8, block=4, step=0.1).decode_rate


def test_the_whole_rate_counts_every_token_from_the_beginning() -> None:
    timeline = Timeline(np.zeros((2, 3), int), np.array([[1.0, 2.0, 3.0], [2.0, 3.0, 4.0]]))
    assert timeline.whole_rate == 6 / 4


def test_agreement_counts_positions_and_rows() -> None:
    a = Timeline(np.array([[1, 2, 3], [4, 5, 6]]), np.ones((2, 3)))
    b = Timeline(np.array([[1, 2, 3], [4, 0, 0]]), np.ones((2, 3)))
    assert (same_tokens(a, b), same_rows(a, b)) == (4 / 6, 1 / 2)
