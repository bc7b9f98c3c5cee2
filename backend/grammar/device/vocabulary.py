"""The tokens of a vocabulary, arranged so that a grammar can be run over all of them at once."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import jax
import numpy as np

BRACKETS = b"{}[]"
TRIE_DEPTH = 16


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Vocabulary:
    """V tokens. A token without brackets is a node of the trie or, past TRIE_DEPTH bytes, a tail; one with brackets has
    a lane of its own, as it may use the stack. Tokens of the same bytes share these. N nodes, X tails, K lanes.

    level_bytes, level_parents: for each depth, int32 [nodes there]: the last byte of a node; its parent in the level
    above. tail_parents: int32 [X], nodes of the deepest level. tail_bytes: uint8 [X, bytes after TRIE_DEPTH].
    lane_bytes: uint8 [K, longest lane]. tail_lengths, lane_lengths: int32 [X], [K].
    places: int32 [32 * W], for each token the index of its node, N + its tail or N + X + its lane; N + X + K for
    special tokens and the padding. W = ceil(V / 32).
    spelling: uint8 [total], the bytes of all tokens; token t has lengths[t] of them from offsets[t], int32 [V].
    size: V. longest: bytes of a token at most. closers, openers: how many `}]` and `{[` a token has at most.
    """

    level_bytes: tuple[Any, ...]
    level_parents: tuple[Any, ...]
    tail_parents: Any
    tail_bytes: Any
    tail_lengths: Any
    lane_bytes: Any
    lane_lengths: Any
    places: Any
    spelling: Any
    offsets: Any
    lengths: Any
    size: int = field(metadata={"static": True})
    longest: int = field(metadata={"static": True})
    closers: int = field(metadata={"static": True})
    openers: int = field(metadata={"static": True})

    @property
    def words(self) -> int:
        """uint32 words of a packed row: W."""
        return self.places.size // 32


def missing_bytes(tokens: Sequence[bytes]) -> list[int]:
    """Bytes that no token stands for alone. While there are none, no grammar can run out of tokens."""
    return sorted(set(range(256)) - {token[0] for token in tokens if len(token) == 1})


def build_vocabulary(tokens: Sequence[bytes]) -> Vocabulary:
    """A vocabulary of numpy arrays from what each token adds to a text; b"" for special tokens, never allowed."""
    distinct = sorted(set(tokens) - {b""})
    lanes = [token for token in distinct if any(bracket in token for bracket in BRACKETS)]
    plain = sorted(set(distinct) - set(lanes))
    trie = _Trie(plain)
    places = trie.places | {token: trie.size + lane for lane, token in enumerate(lanes)}
    lengths = np.asarray([len(token) for token in tokens], np.int32)
    padded = [*tokens, *[b""] * (-len(tokens) % 32)]
    return Vocabulary(
        level_bytes=trie.level_bytes,
        level_parents=trie.level_parents,
        tail_parents=trie.tail_parents,
        tail_bytes=_padded([token[TRIE_DEPTH:] for token in trie.tails]),
        tail_lengths=np.asarray([len(token) - TRIE_DEPTH for token in trie.tails], np.int32),
        lane_bytes=_padded(lanes),
        lane_lengths=np.asarray([len(token) for token in lanes], np.int32),
        places=np.asarray([places.get(token, trie.size + len(lanes)) for token in padded], np.int32),
        spelling=np.frombuffer(b"".join(tokens) or b"\0", np.uint8),
        offsets=np.cumsum(lengths, dtype=np.int32) - lengths,
        lengths=lengths,
        size=len(tokens),
        longest=max(map(len, distinct), default=0),
        closers=_most(lanes, b"}]"),
        openers=_most(lanes, b"{["),
    )


class _Trie:
    """Breadth first, so that each level is one gather from the level above. `plain`: sorted, without brackets."""

    def __init__(self, plain: list[bytes]) -> None:
        matrix = _padded([token[:TRIE_DEPTH] for token in plain])
        lengths = np.asarray([len(token) for token in plain], np.int64)
        self.tails = [token for token in plain if len(token) > TRIE_DEPTH]
        self.places: dict[bytes, int] = {}
        level_bytes, level_parents = [], []
        node, count = np.zeros(len(plain), np.int64), 0
        for depth in range(min(TRIE_DEPTH, lengths.max(initial=0))):
            here = np.flatnonzero(lengths > depth)
            paths, node[here] = np.unique(node[here] << 8 | matrix[here, depth], return_inverse=True)
            level_bytes.append((paths & 255).astype(np.int32))
            level_parents.append((paths >> 8).astype(np.int32))
            ends = np.flatnonzero(lengths == depth + 1)
            self.places |= {plain[i]: count + int(node[i]) for i in ends}
            count += len(paths)
        self.level_bytes, self.level_parents = tuple(level_bytes), tuple(level_parents)
        self.tail_parents = node[lengths > TRIE_DEPTH].astype(np.int32)
        self.places |= {token: count + tail for tail, token in enumerate(self.tails)}
        self.size = count + len(self.tails)


def _padded(tokens: list[bytes]) -> np.ndarray:
    """uint8 [tokens, longest of them], zero after each token's end."""
    longest = max(map(len, tokens), default=1)
    return np.frombuffer(b"".join(token.ljust(longest, b"\0") for token in tokens), np.uint8).reshape(-1, longest)


def _most(tokens: list[bytes], brackets: bytes) -> int:
    return max((sum(byte in brackets for byte in token) for token in tokens), default=0)
