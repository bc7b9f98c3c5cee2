"""Files of every format become what they show: the right sizes, lengths, colours and tones."""

import asyncio
import re
from functools import partial

import numpy as np
import pytest

from backend import SAMPLE_RATE
from handlers.media.formats import format_of
from handlers.media.limits import MediaError
from tests.handlers.media import corpus
from tests.handlers.media.corpus import FILMS, FRAMES, HEIGHT, RATE, SOUNDS, TONE, WIDTH

MOST = 1 << 28
PICTURES = corpus.pictures()


def decode(decoders, work):
    return asyncio.run(decoders.run(work))


def loudest(samples):
    """The frequency of the strongest tone, Hz."""
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return np.argmax(spectrum) * SAMPLE_RATE / len(samples)


def test_there_are_enough():
    assert len(PICTURES) + len(SOUNDS) + len(FILMS) >= 75


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_has_its_size_and_colours(decoders, name):
    data, media_type, colours, off = PICTURES[name]
    format = format_of(data, "image", media_type)
    pixels = decode(decoders, lambda decoding: decoding.picture(data, format.decoder, MOST))
    assert pixels.shape == (HEIGHT, WIDTH, 3) and pixels.dtype == np.uint8
    assert np.abs(np.array(corpus.centres(pixels)) - np.array(colours)).max() <= off


@pytest.mark.parametrize("name", SOUNDS)
def test_a_sound_has_its_length_tone_and_level(decoders, name):
    container, codec, rate, layout, kind = SOUNDS[name]
    data = corpus.sound(container, codec, rate, layout)
    format = format_of(data, "audio", f"audio/{kind}")
    samples = decode(decoders, lambda decoding: decoding.sound(data, format.decoder, MOST))
    assert samples.dtype == np.float32 and abs(len(samples) / SAMPLE_RATE - 1) < 0.11
    middle = samples[SAMPLE_RATE // 4 : 3 * SAMPLE_RATE // 4]
    assert abs(loudest(middle) - TONE) < 4
    channels = {"mono": 1, "stereo": 2, "5.1": 6}[layout]
    assert np.abs(middle).max() == pytest.approx(0.5 / channels, rel=0.15)


@pytest.mark.parametrize("name", FILMS)
def test_a_film_has_its_frames_at_their_times_and_its_sound(decoders, name):
    container, codec, pixels, options, sound, kind = FILMS[name]
    data = corpus.film(container, codec, pixels, options, sound)
    format = format_of(data, "video", f"{'image' if kind == 'gif' else 'video'}/{kind}")
    chosen = [0, 1, 7, 8, 15, FRAMES - 1]

    def work(decoding):
        info, has_sound = decoding.film(data, format.decoder.lower())
        return info, decoding.frames(chosen, MOST), decoding.film_sound(MOST) if has_sound else None

    info, frames, heard = decode(decoders, work)
    assert (info.height, info.width) == (HEIGHT, WIDTH) and frames.shape == (len(chosen), HEIGHT, WIDTH, 3)
    assert info.duration == pytest.approx(FRAMES / RATE, abs=0.1) and info.rate == pytest.approx(RATE, rel=0.02)
    if "hidden" not in name:
        assert info.times == pytest.approx(np.arange(FRAMES) / RATE, abs=0.006)
        for index, frame in zip(chosen, frames, strict=True):
            grey, red = corpus.frame_colour(index)
            left, right = frame[HEIGHT // 2, WIDTH // 4], frame[HEIGHT // 2, 3 * WIDTH // 4]
            off = 60 if name == "GIF" else 6  # of 256 colours
            assert np.abs(left.astype(int) - grey).max() <= off and abs(int(right[0]) - red) <= 2 * off
    assert (heard is not None) == (sound is not None)
    if heard is not None:
        assert len(heard) / SAMPLE_RATE == pytest.approx(FRAMES / RATE, abs=0.1)
        assert abs(loudest(heard[SAMPLE_RATE // 4 : SAMPLE_RATE]) - TONE) < 4


def test_what_is_said_of_a_file_that_is_cut_off_tells_nothing_of_this_machine(decoders):
    names = ("WAV, 16 bits", "CAF", "MP3", "Opus in Ogg", "FLAC")
    files = [("image", data) for data, *_ in PICTURES.values()]
    files += [("audio", corpus.sound(*SOUNDS[name][:4], seconds=0.1)) for name in names]

    def work(decoding, data, modality):
        decode = decoding.picture if modality == "image" else decoding.sound
        return decode(data, format_of(data, modality).decoder, MOST)

    refused = []
    for modality, data in files:
        for size in (10, 40, len(data) // 2):
            try:
                decode(decoders, partial(work, data=data[:size], modality=modality))
            except MediaError as error:
                refused.append(str(error))
    assert len(refused) > 100
    assert not [message for message in refused if re.search("0x|Errno|/|<", message)]
