"""Sets of characters as trees of bytes: UTF-8, and the escapes that JSON strings want."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from backend.grammar.chars.ranges import Ranges, union

Sequence = tuple[tuple[int, int], ...]
"""Byte ranges, one per byte; it stands for their product."""

SHORT_ESCAPES = {8: "b", 9: "t", 10: "n", 12: "f", 13: "r", 34: '"', 92: "\\"}
_LENGTH_BOUNDS = (0x7F, 0x7FF, 0xFFFF, 0x10FFFF)


@dataclass(frozen=True, eq=False)
class ByteTree:
    """Deterministic: the ranges of its branches are disjoint. No branches: the character is complete.

    Equal trees are one object (as long as the cache holds them), so identity will do as a key.
    """

    branches: tuple[tuple[Ranges, "ByteTree"], ...]


@lru_cache(8192)
def encode_ranges(ranges: Ranges, escape: bool) -> ByteTree:
    """One character of `ranges`, code points without surrogates.

    escape: as inside a JSON string: the short escapes, \\u00XX for other control characters, everything else as it is.
    """
    return _tree(frozenset(_sequences(ranges, escape)))


@lru_cache(8192)
def _tree(sequences: frozenset[Sequence]) -> ByteTree:
    if sequences <= {()}:
        return _interned(())
    cuts = sorted({edge for (low, high), *_ in sequences for edge in (low, high + 1)})
    branches: dict[ByteTree, list[tuple[int, int]]] = {}
    for low, after in pairwise(cuts):
        tails = frozenset(s[1:] for s in sequences if s[0][0] <= low and after - 1 <= s[0][1])
        if tails:
            branches.setdefault(_tree(tails), []).append((low, after - 1))
    return _interned(tuple((union(firsts), tree) for tree, firsts in branches.items()))


@lru_cache(65536)
def _interned(branches: tuple[tuple[Ranges, ByteTree], ...]) -> ByteTree:
    return ByteTree(branches)


def _sequences(ranges: Ranges, escape: bool) -> Iterator[Sequence]:
    for low, high in ranges:
        if not escape:
            yield from utf8_sequences(low, high)
            continue
        for character in range(low, min(high, 92) + 1):
            if character < 32 or character in SHORT_ESCAPES:
                for spelling in escapes(character):
                    yield tuple((byte, byte) for byte in spelling)
        for plain_low, plain_high in ((32, 33), (35, 91), (93, 0x10FFFF)):
            yield from utf8_sequences(max(low, plain_low), min(high, plain_high))


def escapes(character: int) -> Iterable[bytes]:
    """The accepted escapes of a character that must be escaped."""
    if character in SHORT_ESCAPES:
        return (b"\\" + SHORT_ESCAPES[character].encode(),)
    return {f"\\u{character:04x}".encode(), b"\\u" + f"{character:04X}".encode()}


def utf8_sequences(low: int, high: int) -> Iterator[Sequence]:
    """Code points low..high as sequences of byte ranges."""
    if low > high:
        return
    for bound in _LENGTH_BOUNDS:
        if low <= bound < high:
            yield from utf8_sequences(low, bound)
            yield from utf8_sequences(bound + 1, high)
            return
    if high <= 0x7F:
        yield ((low, high),)
        return
    for mask in (0x3F, 0xFFF, 0x3FFFF):
        if low & ~mask != high & ~mask:
            if low & mask:
                yield from utf8_sequences(low, low | mask)
                yield from utf8_sequences((low | mask) + 1, high)
                return
            if high & mask != mask:
                yield from utf8_sequences(low, (high & ~mask) - 1)
                yield from utf8_sequences(high & ~mask, high)
                return
    yield tuple(zip(chr(low).encode(), chr(high).encode(), strict=True))
