"""Samples of files of floats, which may be any: what comes of them is sound, or refused."""

import struct

import av
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from backend import SAMPLE_RATE
from handlers.media.limits import MediaError, MediaLimits, said_of_file
from handlers.media.sounds import LOUDEST, decode_sound
from tests.handlers.media.corpus import sound

LIMITS = MediaLimits()
MOST = 1 << 20
FLOATS = {4: st.floats(width=32), 8: st.floats()}


def wav(samples, channels, rate):
    """A file of IEEE floats, as they are."""
    data, size = samples.tobytes(), samples.itemsize
    form = struct.pack("<HHIIHH", 3, channels, rate, rate * channels * size, channels * size, 8 * size)
    return (
        b"RIFF"
        + struct.pack("<I", 36 + len(data))
        + b"WAVEfmt "
        + struct.pack("<I", 16)
        + form
        + (b"data" + struct.pack("<I", len(data)) + data)
    )


@st.composite
def files(draw):
    size, channels = draw(st.sampled_from([4, 8])), draw(st.integers(1, 2))
    usual, odd = st.floats(-2, 2, width=32), FLOATS[size]
    samples = draw(st.lists(st.one_of(usual, usual, usual, odd), min_size=channels, max_size=48))
    whole = samples[: len(samples) // channels * channels]
    return np.array(whole, f"<f{size}"), channels, draw(st.sampled_from([8000, SAMPLE_RATE, 44100]))


@settings(max_examples=60, deadline=None)
@given(files())
@example((np.array([0.5, np.nan, 0.25], "<f4"), 1, SAMPLE_RATE))
@example((np.array([np.inf, -np.inf], "<f8"), 2, 8000))
@example((np.array([3e38, 3e38], "<f4"), 2, SAMPLE_RATE))
@example((np.array([1e300], "<f8"), 1, SAMPLE_RATE))
def test_floats_are_sound_or_refused(file):
    samples, channels, rate = file
    try:
        found = decode_sound(wav(samples, channels, rate), "wav", LIMITS, MOST)
    except MediaError as error:
        short = "too short" in str(error) and rate != SAMPLE_RATE
        assert short or ("no numbers" in str(error) and not (np.abs(samples) <= LOUDEST / 2).all())
        return
    assert len(found)
    assert (np.abs(found) <= LOUDEST).all()
    if rate == SAMPLE_RATE:
        expected = samples.astype(np.float32).reshape(-1, channels).mean(1, dtype=np.float32)
        np.testing.assert_allclose(found, expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("container", "codec", "decoder"),
    [("matroska", "flac", "matroska"), ("ogg", "libopus", "ogg"), ("flac", "flac", "flac")],
)
def test_of_a_file_that_is_cut_off_nothing_is_said_that_is_of_the_system(container, codec, decoder):
    whole, reasons = sound(container, codec, 48_000, seconds=0.2), set()
    for size in range(8, len(whole), len(whole) // 40):
        try:
            decode_sound(whole[:size], decoder, LIMITS, MOST)
        except MediaError as error:
            reasons.add(str(error))
    assert reasons and not any(word in reason for reason in reasons for word in ("permitted", "output", "End of file"))


def test_numbers_of_the_systems_errors_mean_damage():
    for error in (av.error.PermissionError(1, "Operation not permitted"), av.error.OSError(5, "Input/output error")):
        assert said_of_file(error) == "its data is damaged or cut off"
    assert said_of_file(av.error.EOFError(541478725, "End of file")) == "it ends too early"
    assert said_of_file(OSError("image file is truncated")) == "image file is truncated"
