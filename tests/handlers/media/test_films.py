"""Which frames of a film are decoded, and when they are shown."""

import io
import struct

import av
import numpy as np
import pytest

from handlers.media.films import decode_frames, examine_film
from handlers.media.limits import MediaError, MediaLimits
from handlers.media.sounds import decode_sound
from tests.handlers.media import corpus
from tests.handlers.media.corpus import FRAMES, HEIGHT, RATE, WIDTH

LIMITS, MOST = MediaLimits(), 1 << 28


def chosen_frames(data, decoder, chosen):
    return decode_frames(data, decoder, examine_film(data, decoder, LIMITS), chosen, LIMITS, MOST)


def every_frame(data, decoder):
    """As FFmpeg gives them, one after the other."""
    with av.open(io.BytesIO(data), format=decoder) as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])


@pytest.mark.parametrize("name", ["MP4, H.264", "MP4, H.264 with short runs", "MP4, H.264 with open runs", "WebM, VP8"])
def test_chosen_frames_are_those_of_the_whole_film_bit_for_bit(name):
    container, codec, pixels, options, _, _ = corpus.FILMS[name]
    decoder = "matroska" if container == "webm" else "mov"
    data = corpus.film(container, codec, pixels, options)
    whole = every_frame(data, decoder)
    random = np.random.default_rng(0)
    for size in (1, 1, 1, 2, 3, 5, FRAMES):
        chosen = sorted(map(int, random.choice(FRAMES, size, replace=False)))
        assert np.array_equal(chosen_frames(data, decoder, chosen), whole[chosen]), chosen


def test_runs_of_packets_that_no_chosen_frame_needs_are_not_decoded(monkeypatch):
    container, codec, pixels, options, _, _ = corpus.FILMS["MP4, H.264 with short runs"]
    data = corpus.film(container, codec, pixels, options)
    seen = []
    monkeypatch.setattr("handlers.media.films.Tolerance.decode", lambda self, packet: seen.append(1) or packet.decode())
    film = examine_film(data, "mov", LIMITS)
    seen.clear()
    decode_frames(data, "mov", film, [FRAMES - 1], LIMITS, MOST)
    assert len(seen) <= 5 < len(np.unique(film.stamps))


def test_a_film_of_no_constant_rate_has_the_times_it_has():
    times = [0, 1, 2, 6, 7, 20, 21, 22]
    data = corpus.film("matroska", "ffv1", "yuv444p", times=times, count=len(times))
    info = examine_film(data, "matroska", LIMITS).info
    assert info.times == pytest.approx(np.array(times) / RATE, abs=0.002)
    assert info.rate == pytest.approx(len(times) / info.duration, rel=0.02)


def test_a_film_that_was_held_upright_is_upright():
    data = bytearray(corpus.film("mp4", "libx264"))
    at = data.index(b"tkhd") + 44
    data[at : at + 36] = struct.pack(">9i", 0, 1 << 16, 0, -(1 << 16), 0, 0, HEIGHT << 16, 0, 1 << 30)
    film = examine_film(bytes(data), "mov", LIMITS)
    (frame,) = decode_frames(bytes(data), "mov", film, [10], LIMITS, MOST)
    assert (film.info.height, film.info.width) == (WIDTH, HEIGHT) == frame.shape[:2]
    grey, red = corpus.frame_colour(10)
    assert np.abs(frame[WIDTH // 4, HEIGHT // 2].astype(int) - grey).max() <= 6
    assert abs(int(frame[3 * WIDTH // 4, HEIGHT // 2, 0]) - red) <= 12


@pytest.mark.parametrize("codec", ["mpeg4", "mjpeg", "libx264", "ffv1", "libvpx"])
def test_a_frame_may_have_all_the_pixels_that_it_may_have(codec):
    pixels = {"mjpeg": "yuvj420p", "ffv1": "yuv444p"}.get(codec, "yuv420p")
    for width, height in ((64, 48), (1024, 16), (512, 384)):
        data = corpus.film("matroska", codec, pixels, count=2, size=(width, height))
        exact = MediaLimits(pixels=width * height)
        assert decode_frames(data, "matroska", examine_film(data, "matroska", exact), [1], exact, MOST).size
        with pytest.raises(MediaError, match="pixels, more than the"):
            examine_film(data, "matroska", MediaLimits(pixels=width * height - 1))


def test_a_film_that_is_cut_off_has_the_frames_before():
    data = corpus.film("mpegts", "libx264", options={"g": "4", "bf": "0"})
    cut = data[: len(data) * 2 // 3 // 188 * 188]
    film = examine_film(cut, "mpegts", LIMITS)
    assert 5 < len(film.shown) < FRAMES
    assert decode_frames(cut, "mpegts", film, [0, 5], LIMITS, MOST).shape[0] == 2


def test_what_has_no_film_or_no_sound_says_so():
    heard, seen = corpus.sound("matroska", "pcm_s16le", 8000), corpus.film("matroska", "ffv1", "yuv444p")
    with pytest.raises(MediaError, match="has no film"):
        examine_film(heard, "matroska", LIMITS)
    with pytest.raises(MediaError, match="has no sound"):
        decode_sound(seen, "matroska", LIMITS, MOST)


def test_lists_of_other_files_and_references_to_them_lead_nowhere(tmp_path):
    secret = tmp_path / "secret.wav"
    secret.write_bytes(corpus.sound("wav", "pcm_s16le", 8000))
    lists = [
        f"#EXTM3U\n#EXTINF:1,\nfile://{secret}\n#EXT-X-ENDLIST\n", f"ffconcat version 1.0\nfile {secret}\n",
        f"v=0\ns=x\nc=IN IP4 127.0.0.1\nm=audio 5004 RTP/AVP 0\na=x:{secret}\n",
    ]  # fmt: skip
    for text in lists:
        for decoder in ("mov", "matroska", "wav", "mp3", "ogg", "mpegts", "aac"):
            with pytest.raises(MediaError):
                decode_sound(text.encode(), decoder, LIMITS, MOST)
