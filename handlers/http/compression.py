"""Bodies of requests that come compressed: undone within the limit that holds for what is in them."""

import io
import zlib
from collections.abc import Callable

import brotli
import zstandard

from handlers.http.errors import APIError, invalid

ZSTD_WINDOW = 8 << 20
"""Bytes that a decoder must keep at most (RFC 9659)."""


class TooLong(Exception):
    """There is more in a body than may be."""


def decompress(body: bytes, encodings: str, most: int) -> bytes:
    """What is in a body of a Content-Encoding, at most `most` bytes; raises TooLong where there is more.

    encodings: the header, in the order in which they were applied; "" for none. Raises APIError 415 for one that is not
    known, which names those that are, and 422 where the body is not of its encoding.
    """
    names = [part.strip().lower().removeprefix("x-") for part in encodings.split(",")]
    names = [name for name in names if name not in ("", "identity")]
    if len(names) > 1 or any(name not in DECODERS for name in names):
        raise APIError(
            415,
            f"Content-Encoding is {encodings!r}; use one of {', '.join(DECODERS)}, or none",
            headers={"Accept-Encoding": ", ".join(DECODERS)},
        )
    for name in names:
        try:
            body = DECODERS[name](body, most)
        except (zlib.error, brotli.error, zstandard.ZstdError, EOFError) as error:
            raise invalid(f"the body is not valid {name}, as its Content-Encoding says: {error}") from error
    return body


def _gzip(body: bytes, most: int) -> bytes:
    """Of one member or several, as RFC 1952 has it."""
    whole = b""
    while body or not whole:
        member = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
        whole += _inflate(member, body, most - len(whole))
        body = member.unused_data.lstrip(b"\0")  # padding
        if not body:
            break
    return whole


def _deflate(body: bytes, most: int) -> bytes:
    """In zlib's frame, as RFC 9110 has it, or without, as some clients do."""
    member = zlib.decompressobj()
    try:
        found = _inflate(member, body, most)
    except zlib.error:
        member = zlib.decompressobj(wbits=-zlib.MAX_WBITS)
        found = _inflate(member, body, most)
    if member.unused_data:
        raise EOFError("something stands behind its end")
    return found


def _inflate(member: "zlib._Decompress", body: bytes, most: int) -> bytes:
    found = member.decompress(body, most + 1)
    if len(found) > most:
        raise TooLong
    if not member.eof:
        raise EOFError("its end is missing")
    return found


def _brotli(body: bytes, most: int) -> bytes:
    decoder, found = brotli.Decompressor(), bytearray()
    found += decoder.process(body, output_buffer_limit=most + 1)
    while not decoder.can_accept_more_data() and len(found) <= most:
        found += decoder.process(b"", output_buffer_limit=most + 1 - len(found))
    if len(found) > most:
        raise TooLong
    if not decoder.is_finished():
        raise EOFError("its end is missing")
    return bytes(found)


def _zstd(body: bytes, most: int) -> bytes:
    reader = zstandard.ZstdDecompressor(max_window_size=ZSTD_WINDOW).stream_reader(
        io.BytesIO(body), read_across_frames=True
    )
    found = bytearray()
    while len(found) <= most and (more := reader.read(most + 1 - len(found))):
        found += more
    if len(found) > most:
        raise TooLong
    if not found:
        raise EOFError("its end is missing")
    return bytes(found)


DECODERS: dict[str, Callable[[bytes, int], bytes]] = {
    "gzip": _gzip,
    "deflate": _deflate,
    "br": _brotli,
    "zstd": _zstd,
}
