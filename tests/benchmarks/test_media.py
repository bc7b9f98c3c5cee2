"""The benchmark of media compares like with like."""

import numpy as np
import pytest

from benchmarks import media


def test_sides_that_differ_are_not_compared():
    one, other = np.zeros(3), np.ones(3)
    assert set(media.measure({"a": lambda: one, "b": lambda: one.copy()}, 2)) == {"a", "b"}
    for differs in (other, np.zeros(4)):
        with pytest.raises(AssertionError, match="the sides differ"):
            media.measure({"a": lambda: one, "b": lambda differs=differs: differs}, 1)


def test_how_far_sides_may_differ_is_of_the_largest_number():
    sides = {"a": lambda: np.array([4.0, 0.0]), "b": lambda: np.array([4.0, 0.04])}
    assert set(media.measure(sides, 1, close=0.01)) == {"a", "b"}
    with pytest.raises(AssertionError, match="the sides differ"):
        media.measure(sides, 1, close=0.009)
