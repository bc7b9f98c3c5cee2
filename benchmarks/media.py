"""Milliseconds from a file's bytes to arrays: a picture of a megapixel, ten seconds of sound, ten of film; by turns.

process: as the server decodes, in a process that can open nothing, the arrays sent back. here: by the same code in this
process. transformers: `load_image` and `load_video` with PyAV (torch is not involved); it reads the picture from base64
and the film from a file, in memory. Ratios are of the time of the first, medians of rounds; all three give one result,
which is checked.
"""

import argparse
import asyncio
import base64
import io
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from statistics import median
from typing import Any

import av
import numpy as np
from PIL import Image, ImageFilter
from rich.console import Console
from rich.table import Table

from handlers.media.decoding import Decoders, Decoding
from handlers.media.films import decode_frames, examine_film
from handlers.media.limits import DEFAULT_LIMITS
from handlers.media.pictures import decode_picture
from handlers.media.sounds import decode_sound

os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
SECONDS, RATE, SIZE, CHOSEN = 10, 25, (1280, 720), 32
LIMITS, MOST = DEFAULT_LIMITS, DEFAULT_LIMITS.decoded
Side = Callable[[], np.ndarray]


def main(argv: list[str] | None = None) -> None:
    """Measure every file."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.media", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=15, help="turns of each (%(default)s)")
    arguments = parser.parse_args(argv)
    decoders = Decoders(LIMITS, most=1)
    table = Table("file", "kB", "process, ms", "here", "transformers", title="From bytes to arrays")
    for name, size, sides in files(decoders):
        seconds = measure(sides, arguments.rounds)
        own = seconds.pop("process")
        ratios = [f"{seconds[side] / own:.2f}" if side in seconds else "" for side in ("here", "transformers")]
        table.add_row(name, f"{size / 1000:,.0f}", f"{1000 * own:.1f}", *ratios)
    decoders.close()
    Console().print(table)


def measure(sides: dict[str, Side], rounds: int, close: float = 0) -> dict[str, float]:
    """Seconds of each side, the median of its turns behind a first. Raises AssertionError where they differ.

    close: by how much of the largest number they may.
    """
    first = None
    for side in sides.values():
        made = side()
        first = made if first is None else first
        assert made.shape == first.shape, "the sides differ"
        assert np.abs(made - first).max() <= close * np.abs(first).max(), "the sides differ"
    taken: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(rounds):
        for name, side in sides.items():
            began = time.perf_counter()
            side()
            taken[name].append(time.perf_counter() - began)
    return {name: median(turns) for name, turns in taken.items()}


def files(decoders: Decoders) -> Iterator[tuple[str, int, dict[str, Side]]]:
    """Name, bytes and sides of each file."""

    def process(work: Callable[[Decoding], np.ndarray]) -> Side:
        return lambda: asyncio.run(decoders.run(work))

    for format in ("JPEG", "PNG", "WEBP", "AVIF"):
        yield format, *_picture(format, process)
    for name, (container, codec, decoder) in {
        "WAV": ("wav", "pcm_s16le", "wav"), "MP3": ("mp3", "libmp3lame", "mp3"), "FLAC": ("flac", "flac", "flac"),
        "Opus": ("ogg", "libopus", "ogg"),
    }.items():  # fmt: skip
        data = sound(container, codec)
        yield name, len(data), {
            "process": process(lambda decoding, data=data, decoder=decoder: decoding.sound(data, decoder, MOST)),
            "here": lambda data=data, decoder=decoder: decode_sound(data, decoder, LIMITS, MOST),
        }  # fmt: skip
    for name, codec in {"H.264, 720p": "libx264", "VP9, 720p": "libvpx-vp9"}.items():
        with _film(codec, process) as (size, sides):
            yield name, size, sides


def _picture(format: str, process: Callable[..., Side]) -> tuple[int, dict[str, Side]]:
    from transformers.image_utils import load_image

    file = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 256, (1000, 1000, 3), np.uint8)
    Image.fromarray(noise).filter(ImageFilter.GaussianBlur(4)).save(file, format)
    data = file.getvalue()
    text = base64.b64encode(data).decode()
    return len(data), {
        "process": process(lambda decoding: decoding.picture(data, format, MOST)),
        "here": lambda: decode_picture(data, format, LIMITS, MOST),
        "transformers": lambda: np.asarray(load_image(text)),
    }


@contextmanager
def _film(codec: str, process: Callable[..., Side]) -> Iterator[tuple[int, dict[str, Side]]]:
    from transformers.video_utils import load_video

    data = film(codec)
    chosen = [int(index) for index in np.linspace(0, SECONDS * RATE - 1, CHOSEN)]

    def frames(decoding: Decoding) -> np.ndarray:
        decoding.film(data, "matroska" if codec.startswith("libvpx") else "mov")
        return decoding.frames(chosen, MOST)

    def here() -> np.ndarray:
        decoder = "matroska" if codec.startswith("libvpx") else "mov"
        return decode_frames(data, decoder, examine_film(data, decoder, LIMITS), chosen, LIMITS, MOST)

    with in_memory(data, ".webm" if codec.startswith("libvpx") else ".mp4") as path:
        sides: dict[str, Side] = {"process": process(frames), "here": here}
        if not codec.startswith("libvpx"):  # of WebM it does not know how many frames there are
            sample = lambda **_: np.array(chosen)  # noqa: E731
            sides["transformers"] = lambda: load_video(path, sample_indices_fn=sample, backend="pyav")[0]
        yield len(data), sides


@contextmanager
def in_memory(data: bytes, suffix: str) -> Iterator[str]:
    """The path of a file with these bytes, in memory where there is a folder for that."""
    with tempfile.NamedTemporaryFile(suffix=suffix, dir=_memory()) as file:
        file.write(data)
        file.flush()
        yield file.name


def sound(container: str, codec: str) -> bytes:
    """Tones and noise in stereo, at 48 kHz."""
    samples = np.random.default_rng(0).normal(0, 0.05, (2, 48_000 * SECONDS)).astype(np.float32)
    samples += 0.3 * np.sin(np.arange(samples.shape[1]) / 20).astype(np.float32)
    frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout="stereo")
    frame.sample_rate = 48_000
    return _written(container, lambda out: (out.add_stream(codec, rate=48_000, layout="stereo"), [frame]))


def film(codec: str) -> bytes:
    """A picture that moves over another."""
    random = np.random.default_rng(0)
    ground = Image.fromarray(random.integers(0, 256, (90, 160, 3), np.uint8)).resize(SIZE)
    sprite = Image.fromarray(random.integers(0, 256, (30, 40, 3), np.uint8)).resize((320, 240))

    def stream(out: Any) -> tuple[Any, Iterator[Any]]:
        options = {"preset": "fast"} if codec == "libx264" else {"cpu-used": "8", "deadline": "realtime"}
        made = out.add_stream(codec, rate=RATE, options=options)
        made.width, made.height, made.pix_fmt = *SIZE, "yuv420p"
        return made, frames()

    def frames() -> Iterator[Any]:
        for index in range(SECONDS * RATE):
            image = ground.copy()
            image.paste(sprite, (3 * index, 2 * index % 480))
            frame = av.VideoFrame.from_image(image)
            frame.pts, frame.time_base = index, Fraction(1, RATE)
            yield frame

    return _written("webm" if codec.startswith("libvpx") else "mp4", stream)


def _written(container: str, stream: Callable[[Any], tuple[Any, Any]]) -> bytes:
    file = io.BytesIO()
    with av.open(file, "w", format=container) as out:
        made, frames = stream(out)
        for frame in (*frames, None):
            out.mux([packet for packet in made.encode(frame) if packet.size])
    return file.getvalue()


def _memory() -> str | None:
    return "/dev/shm" if os.path.isdir("/dev/shm") else None  # noqa: PTH112


if __name__ == "__main__":
    main()
