"""What the server and a process that compiles say to each other, in frames: eight bytes of length, and that many bytes.

The first frame to the process is the Alphabet of all constraints, as JSON; the first from it says that it is ready.
Then each frame to it, a Constraint as JSON, has one answer: a byte that says whether more will follow, a byte that says
what it is, and the rest.
"""

import json
import struct
from dataclasses import asdict
from typing import IO

from backend.grammar.alphabet import Alphabet
from backend.grammar.constraint import Constraint

MORE, LAST = b"+", b"."
READY, TABLES, REFUSED, MEMORY, FAULT = b"R", b"T", b"G", b"M", b"F"


def encode(constraint: Constraint) -> bytes:
    """The frame that asks for the compilation of `constraint`."""
    return json.dumps(asdict(constraint)).encode()


def decode(request: bytes) -> Constraint:
    """The constraint that a frame of `encode` asks for."""
    return Constraint(**json.loads(request))


def encode_alphabet(alphabet: Alphabet) -> bytes:
    """The frame with which everything begins."""
    return json.dumps([alphabet.single.hex(), alphabet.whole, alphabet.partial.hex()]).encode()


def decode_alphabet(frame: bytes) -> Alphabet:
    """The alphabet that a frame of `encode_alphabet` has."""
    single, whole, partial = json.loads(frame)
    return Alphabet(bytes.fromhex(single), whole, bytes.fromhex(partial))


def write_frame(stream: IO[bytes], data: bytes) -> None:
    """Send one frame. Raises OSError where the other side has gone."""
    stream.write(struct.pack("<Q", len(data)))
    stream.write(data)
    stream.flush()


def read_frame(stream: IO[bytes]) -> bytes | None:
    """Wait for one frame, and return what it holds; None where the stream ends, also in the middle of a frame."""
    head = stream.read(8)
    if len(head) < 8:
        return None
    size = struct.unpack("<Q", head)[0]
    data = stream.read(size)
    return data if len(data) == size else None
