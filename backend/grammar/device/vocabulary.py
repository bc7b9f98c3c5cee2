"""The tokens of a vocabulary, arranged so that a grammar can be run over all of them at once."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

import jax
import numpy as np

from backend.grammar.device.trie import Trie, build_trie

BRACKETS = frozenset(b"{}[]")
TEXT = frozenset(range(0x20, 0x7F)) - frozenset(b'"\\')
"""Bytes below 0x80 that stand for themselves in a JSON string."""
NO_TEXT = 255
LANES = 1024


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Vocabulary:
    """V tokens, W = ceil(V / 32). Special tokens have no bytes and are in none of the lists.

    Text tokens are whole UTF-8 characters that stand for themselves in a JSON string; plain tokens have no brackets,
    so that they never use the stack.

    trie: of two sets, the plain tokens, and those of them that are not text. trie_places: int32 [32 * W], the place of
    each plain token in the first set, the trie's size for all others. other_tokens, other_trie_places: int32 [tokens of
    the second set], their ids and places.
    text_sizes: uint8 [32 * W], the characters of each text token, NO_TEXT for all others.
    brackets: int32 [bracket tokens], the tokens that are not plain; other_brackets: int32, those of them not text.
    bracket_places: int32 [32 * W], the place of each token in `brackets`, -1 for all others.
    ordered: int32 [tokens with bytes], all tokens by their bytes. Those with the same first two bytes are a range of
    it: range_starts, range_sizes, range_firsts, range_seconds, int32 [ranges]; second -1 for a token of one byte.
    spelling: uint8 [total], the bytes of all tokens; token t has lengths[t] of them from offsets[t], int32 [V].

    size: V. longest: bytes of a token at most. closers, openers: how many `}]` and `{[` a token has at most.
    lanes: tokens that are run one by one at most, no less than there are brackets.
    """

    trie: Trie
    trie_places: Any
    other_tokens: Any
    other_trie_places: Any
    text_sizes: Any
    brackets: Any
    other_brackets: Any
    bracket_places: Any
    ordered: Any
    range_starts: Any
    range_sizes: Any
    range_firsts: Any
    range_seconds: Any
    spelling: Any
    offsets: Any
    lengths: Any
    size: int = field(metadata={"static": True})
    longest: int = field(metadata={"static": True})
    closers: int = field(metadata={"static": True})
    openers: int = field(metadata={"static": True})
    lanes: int = field(metadata={"static": True})

    @property
    def words(self) -> int:
        """32-bit words of a token mask: W = ceil(V / 32)."""
        return self.text_sizes.size // 32


def build_vocabulary(tokens: Sequence[bytes]) -> Vocabulary:
    """A vocabulary of numpy arrays from what each token adds to a text; b"" for special tokens, never allowed."""
    words = -(-len(tokens) // 32)
    ids = [id for id, token in enumerate(tokens) if token]
    text_sizes = np.full(32 * words, NO_TEXT, np.uint8)
    text_sizes[ids] = [_text_size(tokens[id]) for id in ids]
    brackets = [id for id in ids if not BRACKETS.isdisjoint(tokens[id])]
    plain = sorted(set(ids) - set(brackets))
    other = [id for id in plain if text_sizes[id] == NO_TEXT]
    trie, (node_of, other_node_of) = build_trie([{tokens[id] for id in some} for some in (plain, other)])
    trie_places = np.full(32 * words, trie.size, np.int32)
    trie_places[plain] = [node_of[tokens[id]] for id in plain]
    bracket_places = np.full(32 * words, -1, np.int32)
    bracket_places[brackets] = np.arange(len(brackets))
    lengths = np.asarray([len(token) for token in tokens], np.int32)
    return Vocabulary(
        trie=trie,
        trie_places=trie_places,
        other_tokens=_int32(other),
        other_trie_places=_int32([other_node_of[tokens[id]] for id in other]),
        text_sizes=text_sizes,
        brackets=_int32(brackets),
        other_brackets=_int32([id for id in brackets if text_sizes[id] == NO_TEXT]),
        bracket_places=bracket_places,
        **_ranges(tokens, ids),
        spelling=np.frombuffer(b"".join(tokens), np.uint8),
        offsets=np.cumsum(lengths, dtype=np.int32) - lengths,
        lengths=lengths,
        size=len(tokens),
        longest=int(lengths.max(initial=0)),
        closers=_most(tokens, b"}]"),
        openers=_most(tokens, b"{["),
        lanes=max(1, len(brackets), min(LANES, len(ids) // 32)),
    )


def _text_size(token: bytes) -> int:
    try:
        size = len(token.decode())
    except UnicodeDecodeError:
        return NO_TEXT
    return min(size, NO_TEXT) if all(byte in TEXT or byte >= 0x80 for byte in token) else NO_TEXT


def _ranges(tokens: Sequence[bytes], ids: list[int]) -> dict[str, np.ndarray]:
    ordered = sorted(ids, key=lambda id: tokens[id])
    sizes = [(start, len(list(group))) for start, group in groupby(ordered, key=lambda id: tokens[id][:2])]
    starts = np.cumsum([0, *(size for _, size in sizes)], dtype=np.int32)[:-1]
    return {
        "ordered": _int32(ordered),
        "range_starts": starts,
        "range_sizes": _int32([size for _, size in sizes]),
        "range_firsts": _int32([start[0] for start, _ in sizes]),
        "range_seconds": _int32([start[1] if len(start) > 1 else -1 for start, _ in sizes]),
    }


def _most(tokens: Sequence[bytes], brackets: bytes) -> int:
    return max((sum(map(token.count, (brackets[:1], brackets[1:]))) for token in tokens), default=0)


def _int32(values: list[int]) -> np.ndarray:
    return np.asarray(values, np.int32)
