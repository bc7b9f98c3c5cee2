"""Containers of sound and film, opened so that they lead nowhere else. Imported by the process that decodes alone."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import av
from av.container import InputContainer

from handlers.media.limits import MediaError, MediaLimits, said_of_file

MOST_STREAMS = 32
UNREADABLE = 10
"""Of the packets of a stream one in so many may be broken, as where a file is cut off or has a tag at its end."""


@contextmanager
def opened(data: bytes, decoder: str) -> Iterator[InputContainer]:
    """A file as the container that FFmpeg calls `decoder`, and as no other.

    Nothing is guessed, and no protocol is known: lists of other files, and references to them, lead nowhere. Raises
    MediaError for what is no such file, whatever of it is read in the block.
    """
    options = {"protocol_whitelist": "", "format_whitelist": decoder, "max_streams": str(MOST_STREAMS)}
    try:
        with av.open(io.BytesIO(data), "r", format=decoder, options=options, metadata_errors="replace") as container:
            yield container
    except (MediaError, MemoryError):
        raise
    except (av.error.FFmpegError, ValueError, EOFError, OverflowError, ZeroDivisionError) as error:
        raise MediaError(f"cannot be decoded: {said_of_file(error)}") from error


def limited(stream: Any, limits: MediaLimits) -> None:
    """Sets what bounds the stream's decoder: one thread, and pixels, so that frames may not grow without end later.

    Some decoders count room around frames as pixels of theirs, so that these are more than a frame may have.
    """
    context = stream.codec_context
    if context is None:
        raise MediaError(f"has a stream of {stream.type} in a codec that is not known here")
    context.thread_count = 1
    context.options = {"max_pixels": str(4 * limits.pixels + (1 << 20))}


class Tolerance:
    """Counts packets of a stream that cannot be decoded, of which there may be a few."""

    def __init__(self) -> None:
        self._packets = self._broken = 0
        self._last: Exception | None = None

    def decode(self, packet: Any) -> list[Any]:
        """The frames of a packet, none where it is broken."""
        self._packets += 1
        try:
            return packet.decode()
        except av.error.InvalidDataError as error:
            self._broken, self._last = self._broken + 1, error
            return []

    def check(self) -> None:
        """Raises MediaError where too many were broken."""
        if self._broken * UNREADABLE > self._packets:
            raise MediaError(f"cannot be decoded: {said_of_file(self._last)}")
