"""Messages between processes: a value of JSON, and bytes beside it."""

import json
from collections.abc import Iterable
from typing import IO, Any, NamedTuple

LENGTH_BYTES = 8


class Frame(NamedTuple):
    """text: JSON. rest: the bytes beside it."""

    text: bytes
    rest: memoryview

    def value(self) -> Any:
        """What the JSON says; raises as json.loads does."""
        return json.loads(self.text)


class FrameTooLong(Exception):
    """A frame announces more bytes than are taken."""


def write_frame(stream: IO[bytes], value: Any, parts: Iterable[bytes | memoryview] = ()) -> None:
    """Writes a frame; the bytes beside `value` are those of `parts`, in order."""
    head, rest = json.dumps(value).encode(), [memoryview(part) for part in parts]
    sizes = len(head), sum(part.nbytes for part in rest)
    stream.write(b"".join(size.to_bytes(LENGTH_BYTES) for size in sizes) + head)
    for part in rest:
        stream.write(part)
    stream.flush()


def read_frame(stream: IO[bytes], most: int | None = None) -> Frame | None:
    """The next frame, None where the stream has ended. Raises FrameTooLong beyond `most` bytes."""
    sizes = stream.read(2 * LENGTH_BYTES)
    if len(sizes) < 2 * LENGTH_BYTES:
        return None
    head, rest = (int.from_bytes(sizes[at : at + LENGTH_BYTES]) for at in (0, LENGTH_BYTES))
    if most is not None and head + rest > most:
        raise FrameTooLong(f"a frame of {head + rest:,} bytes, where {most:,} are taken")
    data = stream.read(head + rest)
    return None if len(data) < head + rest else Frame(data[:head], memoryview(data)[head:])
