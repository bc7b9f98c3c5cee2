"""Files of the corpus with bytes turned, cut, doubled and mixed: decoded or refused in a sentence, nothing else."""

import asyncio
import random
import time
from contextlib import contextmanager

import psutil
import pytest
from hypothesis import strategies as st

from handlers.media.decoding import Decoders
from handlers.media.formats import format_of
from handlers.media.limits import MediaError, MediaLimits
from tests.handlers.media import corpus

pytestmark = [pytest.mark.fuzz, pytest.mark.timeout(0)]
LIMITS = MediaLimits(
    pixels=1 << 20, decoded=16 << 20, duration=20.0, frames=500, decode_seconds=5, memory=512 << 20
)  # fmt: skip
CHOSEN = 4


@pytest.fixture(scope="module")
def files():
    """(modality, bytes) of the whole corpus."""
    sounds = [("audio", corpus.sound(*spec[:4], seconds=0.3)) for spec in corpus.SOUNDS.values()]
    films = [("video", corpus.film(*spec[:5], count=8)) for spec in corpus.FILMS.values()]
    return [*(("image", data) for data, *_ in corpus.pictures().values()), *sounds, *films]


def damaged(data, other, draw):
    """Some bytes of a file changed; its first ones, by which its format is told, seldom."""
    found = bytearray(data)
    first = draw.choice([0, 16, 16, 16])
    for _ in range(draw.choice([1, 1, 2, 4, 16, 64])):
        at, size = draw.randrange(first, max(first + 1, len(found))), draw.choice([1, 1, 2, 4, 8, 100])
        match draw.randrange(6):
            case 0:
                found[at : at + size] = draw.randbytes(size)
            case 1:
                found[at : at + size] = draw.choice([b"\0", b"\xff", b"\x7f", b"\x80"]) * size
            case 2:
                del found[at : at + size]
            case 3:
                found[at:at] = found[at : at + size] * draw.choice([1, 2, 50])
            case 4:
                found[at : at + size] = other[at : at + size]
            case 5 if draw.random() < 0.1:
                del found[at:]
    return bytes(found)


def decode(decoding, data, modality):
    format = format_of(data, modality)
    if modality == "image":
        pixels = decoding.picture(data, format.decoder, LIMITS.decoded)
        assert pixels.size <= 3 * LIMITS.pixels
    elif modality == "audio":
        samples = decoding.sound(data, format.decoder, LIMITS.decoded)
        assert samples.nbytes <= LIMITS.decoded
    else:
        info, has_sound = decoding.film(data, format.decoder.lower())
        chosen = range(0, len(info.times), max(1, len(info.times) // CHOSEN))
        frames = decoding.frames(list(chosen), LIMITS.decoded)
        assert frames.shape[1:] == (info.height, info.width, 3) and len(frames) == len(chosen)
        if has_sound:
            decoding.film_sound(LIMITS.decoded - frames.nbytes)


def test_whatever_is_done_to_files_they_are_decoded_or_refused(files, fuzz):
    decoders = Decoders(LIMITS, most=1)
    decoders.warm()
    memory = psutil.Process().memory_info().rss

    def check(seed):
        draw = random.Random(seed)
        (modality, data), (_, other) = draw.choice(files), draw.choice(files)
        data, began = damaged(data, other, draw), time.monotonic()
        with suppress_refusal():
            asyncio.run(decoders.run(lambda decoding: decode(decoding, data, modality)))
        assert time.monotonic() - began < 60

    fuzz(st.integers(0, 2**64), check)
    assert psutil.Process().memory_info().rss < memory + (256 << 20)
    decoders.close()


@contextmanager
def suppress_refusal():
    """A file may be refused, in a sentence, and by what is wrong with it."""
    try:
        yield
    except MediaError as error:
        assert len(str(error)) < 700 and "Traceback" not in str(error)
        # A library that opens a file would find out in one of these how it is confined; a crash is looked at.
        assert not any(words in str(error) for words in ("Too many open files", "crash")), error
