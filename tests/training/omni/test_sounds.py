"""What is drawn to be heard sounds as it is said to."""

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.media import SAMPLE_RATE
from training.draw import Draw
from training.omni.sounds import HERTZ, TONES, beeps, tone

seeds = st.integers(0, 2**32)
few = settings(max_examples=20, deadline=None)


def pitch(samples: np.ndarray) -> float:
    """The loudest frequency, in Hz."""
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(spectrum.argmax() * SAMPLE_RATE / len(samples))


def loud(samples: np.ndarray) -> np.ndarray:
    """Which stretches of 10 ms have sound."""
    pieces = samples[: len(samples) // 160 * 160].reshape(-1, 160)
    return np.abs(pieces).max(axis=1) > 0.5 * np.abs(samples).max()


@given(seeds, st.sampled_from(TONES))
@few
def test_a_tone_is_as_high_as_it_is_called_or_goes_where_it_is_said_to(seed: int, kind: str) -> None:
    samples = tone(Draw(random.Random(seed)), kind)
    assert samples.dtype == np.float32 and np.abs(samples).max() <= 1
    heard = samples.reshape(-1)[np.flatnonzero(np.repeat(loud(samples), 160))]
    first, last = pitch(heard[: len(heard) // 4]), pitch(heard[-len(heard) // 4 :])
    if kind in HERTZ:
        low, high = HERTZ[kind]
        assert low * 0.9 <= pitch(heard) <= high * 1.1
    elif kind == "rising":
        assert last > 1.2 * first
    else:
        assert first > 1.2 * last


@given(seeds, st.integers(1, 5))
@few
def test_beeps_are_as_many_as_are_heard(seed: int, count: int) -> None:
    heard = loud(beeps(Draw(random.Random(seed)), count))
    assert np.count_nonzero(np.diff(heard.astype(int), prepend=0) == 1) == count


@pytest.mark.parametrize("kind", TONES)
def test_the_same_seed_sounds_the_same(kind: str) -> None:
    np.testing.assert_array_equal(*(tone(Draw(random.Random(1)), kind) for _ in range(2)))
