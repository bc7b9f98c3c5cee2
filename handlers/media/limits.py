"""What the media of a request may be and take, and how what is wrong with one is said."""

import re
import threading
from dataclasses import dataclass


class MediaError(ValueError):
    """A medium that cannot be had: what is wrong with it, and the limit where there is one. Foreign text is cut."""


_OBJECT = re.compile(r" ?<[^<>]* object at 0x[0-9a-f]+>")


def said_of_file(error: BaseException | None) -> str:
    """What a library says of a file, without what is of this machine: paths, addresses, errors of its system.

    FFmpeg's decoders give numbers of the system's errors for data that they cannot read: "Operation not permitted".
    """
    if isinstance(error, EOFError):
        return "it ends too early"
    if isinstance(error, OSError) and error.errno is not None:
        return "its data is damaged or cut off"
    text = getattr(error, "strerror", None) or str(error)
    return _OBJECT.sub("", text.partition(": '")[0])[:200]


@dataclass(frozen=True)
class MediaLimits:
    """bytes: of all files of a request together. decoded: bytes of all that is decoded of them.

    parts: media of a request. pixels: of a picture, and of a film's frame. frames: of a film, before any are chosen.
    channels: of a sound. duration: seconds of a sound or film. fetch_seconds: from the first look-up of a URL's name to
    the last byte. decode_seconds: of a processor, for a medium; WALL times as many may pass. memory: bytes that
    decoding one may use, enforced on Linux.
    """

    bytes: int = 32 << 20
    decoded: int = 256 << 20
    parts: int = 64
    pixels: int = 50_000_000
    frames: int = 50_000
    channels: int = 8
    duration: float = 600.0
    fetch_seconds: float = 20.0
    decode_seconds: int = 30
    memory: int = 1536 << 20

    @classmethod
    def of(cls, *, bytes: int, pixels: int, duration: float, fetch_seconds: float) -> "MediaLimits":
        """With room for one picture of so many pixels, whatever its number of channels."""
        decoded = max(cls.decoded, RGB * pixels)
        memory = cls.memory + WORKING * max(0, pixels - cls.pixels)
        return cls(
            bytes, decoded, pixels=pixels, duration=duration, fetch_seconds=fetch_seconds, memory=memory
        )  # fmt: skip


RGB, WORKING = 3, 24
"""Bytes of a pixel once it is decoded, and those that decoding it takes: as it comes, in four bytes, over white."""
WALL = 4
DEFAULT_LIMITS = MediaLimits()


def pixels_fit(width: int, height: int, limits: MediaLimits) -> None:
    """Raises MediaError for a picture or frame that has none, or more than the limit."""
    if width < 1 or height < 1:
        raise MediaError(f"has {width} x {height} pixels")
    if width * height > limits.pixels:
        raise MediaError(f"has {width:,} x {height:,} pixels, more than the {limits.pixels:,} that are taken")


def decoded_fits(size: int, most: int) -> None:
    """Raises MediaError where the media of a request become more bytes than they may; `most` is what is left."""
    if size > most:
        raise MediaError(
            f"is {size:,} bytes once it is decoded, more than the {most:,} that are left for the media of this request"
        )


def duration_fits(seconds: float, limits: MediaLimits) -> None:
    """Raises MediaError for what lasts longer than the limit."""
    if not seconds <= limits.duration:
        raise MediaError(f"lasts longer than the {limits.duration:g} s that are taken")


class Budget:
    """Bytes that the files of a request may still have, before any of them are held. May be used by any thread."""

    def __init__(self, most: int) -> None:
        self._most = self._left = most
        self._lock = threading.Lock()

    def take(self, size: int) -> None:
        """Raises MediaError where fewer are left."""
        with self._lock:
            if size > self._left:
                raise MediaError(f"makes the files of this request more than {self._most:,} bytes together")
            self._left -= size
