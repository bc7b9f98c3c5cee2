"""Files that would take memory or time without end: each is refused by its limit, and memory stays where it was."""

import asyncio
import json
import os
import signal
import struct
import subprocess
import sys
import time
import zlib
from dataclasses import asdict, replace
from pathlib import Path

import psutil
import pytest
from PIL import Image

from handlers.media.decoding import Decoders
from handlers.media.limits import MediaError, MediaLimits
from handlers.processes.frames import read_frame, write_frame
from tests.handlers.media import corpus
from tests.handlers.media.corpus import saved

LIMITS = MediaLimits(
    pixels=1_000_000, duration=2.0, frames=100, channels=2, decoded=8 << 20, decode_seconds=2, memory=256 << 20
)
GROWTH = 48 << 20


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width, height, rows=b"", *, depth=8, colour=2):
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def wav(channels=1, rate=8000, bits=16, announced=None, data=b"", kind=1):
    block = max(1, channels * bits // 8)
    form = struct.pack("<HHIIHH", kind, channels, rate, min(rate * block, 2**32 - 1), block % 65536, bits)
    size = len(data) if announced is None else announced
    return (
        b"RIFF"
        + struct.pack("<I", size)
        + b"WAVEfmt "
        + struct.pack("<I", 16)
        + form
        + b"data"
        + struct.pack("<I", size)
        + data
    )


def gif(frames, width=1, height=1):
    """So many frames of one pixel, written by hand: 24 bytes each."""
    head = b"GIF89a" + struct.pack("<HHBBB", width, height, 0x80, 0, 0) + bytes(6)
    frame = b"\x21\xf9\x04\0\x01\0\0\0," + struct.pack("<HHHHB", 0, 0, 1, 1, 0) + b"\x02\x02\x44\x01\0"
    return head + frame * frames + b";"


def patched(data, old, new):
    assert old in data
    return data.replace(old, new, 1)


def webp(width, height):
    """A WebP whose header has another size (VP8X)."""
    data = saved(corpus.over_white(), "WEBP", lossless=True)
    at = data.find(b"VP8X")
    if at < 0:
        bits = (width - 1) | (height - 1) << 14
        at = data.index(b"VP8L") + 9
        return data[:at] + struct.pack("<I", bits | 1 << 28) + data[at + 4 :]
    return data[: at + 12] + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little") + data[at + 18 :]


def huge_tiff():
    return patched(
        saved(Image.new("L", (10, 10)), "TIFF"),
        struct.pack("<HHII", 256, 4, 1, 10), struct.pack("<HHII", 256, 4, 1, 2**30),
    )  # fmt: skip


def huge_jpeg():
    data = saved(Image.new("L", (16, 16)), "JPEG")
    at = data.index(b"\xff\xc0") + 5
    return data[:at] + struct.pack(">HH", 65500, 65500) + data[at + 4 :]


def huge_bmp():
    data = saved(Image.new("L", (4, 4)), "BMP")
    return data[:18] + struct.pack("<ii", 2**30, 2**30) + data[26:]


def huge_mp4():
    """A film whose frames are more than its header says: 1,280 x 1,024 in place of 64 x 48."""
    return corpus.film("mp4", "libx264", count=3, size=(1280, 1024))


SILENCE = corpus.sound("flac", "flac", 8000, seconds=30)
PICTURES = {
    "100,000 x 100,000": (png(100_000, 100_000), "PNG", "has 100,000 x 100,000 pixels, more than the 1,000,000"),
    "2^31 x 2^31": (png(2**31 - 1, 2**31 - 1), "PNG", "pixels"),
    "no width": (png(0, 10), "PNG", "no PNG that can be read|has 0 x"),
    "1 x 2,000,000": (png(1, 2_000_000), "PNG", "more than the 1,000,000"),
    "JPEG": (huge_jpeg(), "JPEG", "more than the 1,000,000"),
    "BMP": (huge_bmp(), "BMP", "more than the 1,000,000|no BMP"),
    "TIFF": (huge_tiff(), "TIFF", "more than the 1,000,000|no TIFF"),
    "WebP": (webp(16_000, 16_000), "WEBP", "more than the 1,000,000|no WEBP"),
    "GIF": (gif(1, 65_000, 65_000), "GIF", "more than the 1,000,000"),
    "text of zeros": (
        patched(png(1, 1, bytes(4)), chunk(b"IEND", b""), chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(200 << 20)))),
        "PNG", "Decompressed data too large",
    ),
    "profile of zeros": (
        patched(png(1, 1, bytes(4)), b"IDAT", b"IDAT")[:33]
        + chunk(b"iCCP", b"a\0\0" + zlib.compress(bytes(200 << 20))) + png(1, 1, bytes(4))[33:],
        "PNG", "Decompressed data too large",
    ),
    "more pixels than its size": (png(10, 10, bytes(100 << 20)), "PNG", None),
    "fewer pixels than its size": (png(900, 900, bytes(100)), "PNG", "no PNG that can be read"),
}  # fmt: skip
SOUNDS = {
    "a header that announces 4 GB": (wav(announced=2**32 - 1, data=bytes(1600)), "wav", None),
    "one sample per second": (wav(rate=1, data=bytes(200_000)), "wav", "samples per second|longer than"),
    "four thousand million samples per second": (wav(rate=2**32 - 1, data=bytes(2000)), "wav", "."),
    "1,000 channels": (wav(channels=1000, data=bytes(4000)), "wav", "."),
    "6 channels": (corpus.sound("wav", "pcm_s16le", 48_000, "5.1"), "wav", "has 6 channels, and 1 to 2 are taken"),
    "30 s": (SILENCE, "flac", "lasts longer than the 2 s that are taken"),
    "no data": (wav(), "wav", "has no sound that can be decoded"),
    "no format": (b"RIFF\0\0\0\0WAVE", "wav", "cannot be decoded|no sound"),
}
FILMS = {
    "a million frames": (gif(1_000_000), "gif", "more than the 100 frames|lasts longer"),
    "a long film": (corpus.film("matroska", "ffv1", "yuv444p", count=30), "matroska", "lasts longer than the 2 s"),
    "large frames": (huge_mp4(), "mov", "has 1,280 x 1,024 pixels, more than the 1,000,000"),
    "one pixel of a large canvas": (gif(2, 65_000, 65_000), "gif", "."),
}


@pytest.fixture(scope="module")
def small():
    decoders = Decoders(LIMITS, most=1)
    decoders.warm()
    yield decoders
    decoders.close()


@pytest.fixture(autouse=True)
def flat(small):
    """Memory of this process, and that which the one that decodes ever had."""
    before = psutil.Process().memory_info().rss
    yield
    assert psutil.Process().memory_info().rss - before < GROWTH
    for process in small.processes:
        status = dict(line.split(":", 1) for line in Path(f"/proc/{process}/status").read_text().splitlines())
        assert int(status["VmHWM"].split()[0]) << 10 < LIMITS.memory


def decode(decoders, work):
    return asyncio.run(decoders.run(work))


def expect(message, act):
    if message is None:
        act()
    else:
        with pytest.raises(MediaError, match=message):
            act()


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_that_is_too_large_is_refused_before_its_pixels_are_there(small, name):
    data, decoder, message = PICTURES[name]
    expect(message, lambda: decode(small, lambda decoding: decoding.picture(data, decoder, LIMITS.decoded)))


@pytest.mark.parametrize("name", SOUNDS)
def test_a_sound_that_is_too_long_or_wide_is_refused(small, name):
    data, decoder, message = SOUNDS[name]
    expect(message, lambda: decode(small, lambda decoding: decoding.sound(data, decoder, LIMITS.decoded)))


@pytest.mark.parametrize("name", FILMS)
def test_a_film_that_is_too_long_or_large_is_refused(small, name):
    data, decoder, message = FILMS[name]
    expect(message, lambda: decode(small, lambda decoding: decoding.film(data, decoder)))


def test_the_first_frame_of_a_million_is_a_picture(small):
    assert decode(small, lambda decoding: decoding.picture(gif(1_000_000), "GIF", 3)).shape == (1, 1, 3)


@pytest.mark.parametrize("most", [0, 9000])
def test_what_is_decoded_is_limited_whatever_the_size_of_the_file(small, most):
    data = saved(corpus.quadrants(), "PNG")
    film = corpus.film("matroska", "ffv1", "yuv444p", count=4)
    for work in (
        lambda decoding: decoding.picture(data, "PNG", most),
        lambda decoding: decoding.film(film, "matroska") and decoding.frames([0, 1], most),
        lambda decoding: decoding.sound(corpus.sound("wav", "pcm_s16le", 8000), "wav", most),
    ):
        with pytest.raises(MediaError, match="bytes once it is decoded, more than the"):
            decode(small, work)


def test_what_takes_too_long_is_ended_and_the_next_is_decoded(small):
    # Passes over a million pixels: progressive JPEG may have any number of them.
    data = saved(Image.new("L", (1000, 1000), 90), "JPEG", progressive=True)
    scan = data[data.rindex(b"\xff\xda") : -2]
    bomb = data[:-2] + scan * 60_000 + b"\xff\xd9"
    began = time.monotonic()
    with pytest.raises(MediaError, match="takes too much time to decode: more than [28] s"):
        decode(small, lambda decoding: decoding.picture(bomb, "JPEG", LIMITS.decoded))
    assert time.monotonic() - began < 60
    ok = saved(corpus.quadrants(), "PNG")
    assert decode(small, lambda decoding: decoding.picture(ok, "PNG", LIMITS.decoded)).shape == (48, 64, 3)


def test_what_takes_too_much_memory_is_refused():
    decoders = Decoders(replace(LIMITS, memory=24 << 20, pixels=10_000_000, decoded=30_000_000), most=1)
    data = saved(Image.new("RGBA", (3000, 3000), (1, 2, 3, 4)), "PNG")
    with pytest.raises(MediaError, match="takes too much memory to decode"):
        decode(decoders, lambda decoding: decoding.picture(data, "PNG", 30_000_000))
    small_one = saved(corpus.quadrants(), "PNG")
    assert decode(decoders, lambda decoding: decoding.picture(small_one, "PNG", 10_000)).shape == (48, 64, 3)
    decoders.close()


def test_limits_that_an_operator_sets_have_room_for_one_picture():
    given = {"bytes": 1, "duration": 1.0, "fetch_seconds": 1.0}
    small, large = (MediaLimits.of(pixels=pixels, **given) for pixels in (8, 10**9))
    assert small.decoded == MediaLimits().decoded and small.memory == MediaLimits().memory
    assert large.decoded == 3 * 10**9 and large.memory > 7 * large.decoded


def test_a_process_that_ends_or_is_stopped_is_the_files_error_and_is_replaced():
    decoders = Decoders(replace(LIMITS, decode_seconds=1), most=1)
    decoders.warm()
    data = saved(corpus.quadrants(), "PNG")
    for sent, message in ((signal.SIGKILL, "makes the decoder crash"), (signal.SIGSTOP, "too much time")):
        process = decoders.processes[0]
        os.kill(process, sent)
        with pytest.raises(MediaError, match=message):
            decode(decoders, lambda decoding: decoding.picture(data, "PNG", 10_000))
        assert decode(decoders, lambda decoding: decoding.picture(data, "PNG", 10_000)).shape == (48, 64, 3)
        assert decoders.processes != [process]
    decoders.close()


def test_who_does_not_wait_any_more_ends_the_decoding():
    decoders = Decoders(LIMITS, most=1)
    decoders.warm()
    process = psutil.Process(decoders.processes[0])
    process.suspend()

    async def leave():
        task = asyncio.create_task(decoders.run(lambda decoding: decoding.picture(b"", "PNG", 1)))
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(leave())
    assert not process.is_running() and not decoders.processes
    decoders.close()


def test_what_decoders_print_of_a_file_is_in_no_log():
    data = saved(corpus.quadrants(), "TIFF", compression="tiff_lzw")
    broken = data[:8] + b"\xff" * 60 + data[68:]  # libtiff says so on standard error
    command = [sys.executable, "-m", "handlers.media.decode_process", json.dumps(asdict(LIMITS))]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        write_frame(process.stdin, ["picture", ["TIFF", LIMITS.decoded]], [broken])
        assert read_frame(process.stdout).value()[0] == "refused"
        process.stdin.close()
        assert process.stderr.read() == b""


def test_a_process_has_no_secrets_and_opens_nothing(monkeypatch):
    monkeypatch.setenv("JAXCHAT_API_KEY", "a secret")
    decoders = Decoders(LIMITS, most=1)
    decoders.warm()
    process = psutil.Process(decoders.processes[0])
    assert "JAXCHAT_API_KEY" not in process.environ() and "a secret" not in str(process.environ())
    assert process.rlimit(psutil.RLIMIT_NOFILE) == (0, 0) and process.rlimit(psutil.RLIMIT_FSIZE) == (0, 0)
    assert not process.open_files() and not process.net_connections()
    decoders.close()


def test_an_answer_that_is_no_array_is_not_believed(small, monkeypatch):
    def lies(self, value, parts=()):
        frame = ask(self, value, parts)
        return frame._replace(text=b'["done", [1000000, 1000000, 3]]')

    from handlers.processes.bounded import BoundedProcess

    ask = BoundedProcess.ask
    monkeypatch.setattr(BoundedProcess, "ask", lies)
    data = saved(corpus.quadrants(), "PNG")
    with pytest.raises(MediaError, match="makes the decoder crash"):
        decode(small, lambda decoding: decoding.picture(data, "PNG", LIMITS.decoded))
