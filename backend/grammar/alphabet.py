"""What the tokens of a vocabulary can write: a grammar has no words but those."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

CODE_POINTS = 0x110000
UTF8_BYTES = bytes([*range(0xC0), *range(0xC2, 0xF5)])
"""All bytes that well-formed UTF-8 uses (Unicode 16.0, table 3-7)."""


@dataclass(frozen=True)
class Alphabet:
    """The characters that a vocabulary can write: those whose every byte is a token, and those that are one token.

    single: the bytes of UTF-8 that are tokens by themselves. whole: the other characters that are tokens. partial: last
    bytes of tokens that end inside a character. All in order. A character is `whole` only where none of its beginnings
    that end like such a token lacks single bytes to go on with.
    """

    single: bytes
    whole: str = ""
    partial: bytes = b""

    @cached_property
    def complete(self) -> bool:
        """Whether every character can be written."""
        return self.single == UTF8_BYTES

    @cached_property
    def writable(self) -> np.ndarray:
        """bool [CODE_POINTS], whether each code point is a character that can be written."""
        single = np.isin(np.arange(256), np.frombuffer(self.single, np.uint8))
        codes = np.arange(CODE_POINTS, dtype=np.int32)
        last, third, second = (single[0x80 | codes >> shift & 0x3F] for shift in (0, 6, 12))
        sizes = [codes < bound for bound in (0x80, 0x800, 0x10000)]
        two, three = single[0xC0 | codes >> 6 & 0x1F] & last, single[0xE0 | codes >> 12 & 0xF] & third & last
        found = np.select(sizes, [single[codes & 0x7F], two, three], single[0xF0 | codes >> 18] & second & third & last)
        found[0xD800:0xE000] = False
        found[[ord(character) for character in self.whole]] = True
        return found

    def without(self, text: str) -> "Alphabet":
        """The same but for the characters of `text`, each of which is ASCII or a token by itself."""
        if not text:
            return self
        single = bytes(byte for byte in self.single if chr(byte) not in text or byte >= 0x80)
        return Alphabet(single, "".join(char for char in self.whole if char not in text), self.partial)

    def lacking(self, text: bytes) -> str:
        """The characters of `text` that cannot be written; what is no UTF-8 stands for control tokens, and can be."""
        if self.complete:
            return ""
        found = text.decode(errors="surrogateescape")
        return "".join(char for char in found if not ("\ud800" <= char <= "\udfff" or self.writable[ord(char)]))


COMPLETE = Alphabet(UTF8_BYTES)
"""Every character."""


def alphabet_of(tokens: Iterable[bytes]) -> Alphabet:
    """What can be written with tokens of these bytes, b"" for special ones.

    Tokens of several characters add nothing to it: those of all known tokenizers consist of characters that can be
    written without them.
    """
    known = set(tokens) - {b""}
    single = bytes(byte for byte in UTF8_BYTES if bytes([byte]) in known)
    if single == UTF8_BYTES:
        return COMPLETE
    partial = {token[-1] for token in known if token[-1] >= 0x80 and not _ends_with_a_character(token)}
    characters = sorted(char for token in known if len(token) <= 4 and (char := _character(token)))
    whole = "".join(char for char in characters if _is_whole(char.encode(), frozenset(single), partial))
    return Alphabet(single, whole, bytes(sorted(partial)))


def _is_whole(char: bytes, single: frozenset[int], partial: set[int]) -> bool:
    """Whether a token's character is not made of single bytes, and goes on wherever another token may end in it."""
    inside = range(1, len(char))
    return not single.issuperset(char) and all(
        char[at - 1] not in partial or single.issuperset(char[at:]) for at in inside
    )


def _ends_with_a_character(token: bytes) -> bool:
    return any(_character(token[-size:]) for size in range(1, 5))


def _character(token: bytes) -> str:
    """The one character that `token` is, "" if it is anything else."""
    try:
        text = token.decode()
    except UnicodeDecodeError:
        return ""
    return text if len(text) == 1 else ""
