"""Sets of characters as trees of bytes: UTF-8, and the escapes that JSON strings want."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np

from backend.grammar.alphabet import COMPLETE, Alphabet
from backend.grammar.chars.ranges import Ranges, intersection, union

Sequence = tuple[tuple[int, int], ...]
"""Byte ranges, one per byte; it stands for their product."""

SHORT_ESCAPES = {8: "b", 9: "t", 10: "n", 12: "f", 13: "r", 34: '"', 92: "\\"}
UNESCAPED: Ranges = ((32, 33), (35, 91), (93, 0x10FFFF))
"""Characters that need no escape in a JSON string."""
MOST_ESCAPED = 128
"""Characters of one range that are escaped for want of tokens; where there are more, states would be too many."""
_LENGTH_BOUNDS = (0x7F, 0x7FF, 0xFFFF, 0x10FFFF)


@dataclass(frozen=True, eq=False)
class ByteTree:
    """Deterministic: the ranges of its branches are disjoint. No branches: the character is complete.

    Equal trees are one object (as long as the cache holds them), so identity will do as a key.
    """

    branches: tuple[tuple[Ranges, "ByteTree"], ...]


@lru_cache(8192)
def encode_ranges(ranges: Ranges, escape: bool, alphabet: Alphabet = COMPLETE) -> ByteTree:
    """One character of `ranges`, code points without surrogates; no branches where `alphabet` can write none of them.

    escape: as inside a JSON string: the short escapes, \\u00XX for other control characters, everything else as it is,
    or as \\uXXXX where it lacks tokens, unless more than MOST_ESCAPED of its range do.
    Wherever a token may end in the tree, others go on. Otherwise bytes that no token leads to are no harm: the tree may
    have characters that cannot be written beside those that can, and is then the same for most alphabets.
    """
    if alphabet.complete:
        return _tree(frozenset(_sequences(ranges, escape)))
    plain = intersection(ranges, UNESCAPED) if escape else ranges
    some = any(alphabet.writable[low : high + 1].any() for low, high in plain)
    sequences = set(_sequences(plain, False)) if some else set()
    if escape:
        sequences.update(_escaped(ranges, plain, alphabet))
    return _with_ways_on(_tree(frozenset(sequences)), alphabet)[0]


def json_content(text: str, alphabet: Alphabet) -> str:
    """What stands between the quotes of the JSON string of `text`, written as `encode_ranges` has it."""
    return "".join(_json_character(ord(char), alphabet) for char in text)


def _json_character(code: int, alphabet: Alphabet) -> str:
    plain = any(low <= code <= high for low, high in UNESCAPED)
    if plain and (0xD800 <= code <= 0xDFFF or alphabet.writable[code]):
        return chr(code)
    own = escapes(code, alphabet) or ([] if plain else escapes(code))
    return own[0].decode() if own else chr(code)


def _escaped(ranges: Ranges, plain: Ranges, alphabet: Alphabet) -> Iterator[Sequence]:
    """The escapes of those characters of `ranges` that must have them, and of those of `plain` that want tokens."""
    missing = [low + np.flatnonzero(~alphabet.writable[low : high + 1]) for low, high in plain]
    codes = [code for codes in missing if len(codes) <= MOST_ESCAPED for code in codes.tolist()]
    for code in [*_must_be_escaped(ranges), *codes]:
        yield from map(_exactly, escapes(code, alphabet))


@lru_cache(65536)
def _with_ways_on(tree: ByteTree, alphabet: Alphabet) -> tuple[ByteTree, bool]:
    """`tree` without the bytes with which a token may end where no other goes on; whether single bytes lead through."""
    if not tree.branches:
        return tree, True
    kept: dict[ByteTree, list[tuple[int, int]]] = {}
    through = False
    for firsts, rest in tree.branches:
        after, goes_on = _with_ways_on(rest, alphabet)
        some = {byte for low, high in firsts for byte in range(low, high + 1)}
        through |= goes_on and not some.isdisjoint(alphabet.single)
        if not goes_on:
            some.difference_update(alphabet.partial if after.branches else some)
        if some:
            kept.setdefault(after, []).extend((byte, byte) for byte in some)
    return _interned(tuple((union(firsts), after) for after, firsts in kept.items())), through


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
        for character in _must_be_escaped(((low, high),)):
            yield from map(_exactly, escapes(character))
        for plain_low, plain_high in UNESCAPED:
            yield from utf8_sequences(max(low, plain_low), min(high, plain_high))


def _must_be_escaped(ranges: Ranges) -> list[int]:
    return [code for low, high in ranges for code in range(low, min(high, 92) + 1) if code < 32 or code in (34, 92)]


def _exactly(spelling: bytes) -> Sequence:
    return tuple((byte, byte) for byte in spelling)


def escapes(character: int, alphabet: Alphabet = COMPLETE) -> list[bytes]:
    """The accepted escapes of a character, none twice: the short one, else \\uXXXX in small and in capital digits."""
    short = b"\\" + SHORT_ESCAPES.get(character, "").encode()
    if len(short) > 1 and not alphabet.lacking(short):
        return [short]
    units = memoryview(chr(character).encode("utf-16-be")).hex("-", 2).split("-")
    forms = ["".join(f"\\u{unit}" for unit in form).encode() for form in (units, [unit.upper() for unit in units])]
    return [form for form in dict.fromkeys(forms) if not alphabet.lacking(form)]


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
