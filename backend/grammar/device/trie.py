"""Sets of byte strings as trees of their prefixes, in blocks that are walked one after the other."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

DEPTH = 16
"""Bytes of a string that are nodes of a tree. The few longer strings each have a tail."""
BLOCKS = 96
SMALLEST_BLOCK = 512


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Trie:
    """One tree for each set, level by level; a level begins a new block, so parents are in earlier blocks.

    Node 0 is the root of all trees; block i has the nodes 1 + i * block size on.
    last_bytes: uint8 [blocks, block size], the last byte of each node. parents: int32 [blocks, block size].
    tail_parents: int32 [tails], the node of a tail's first DEPTH bytes. tail_bytes: uint8 [tails, longest tail].
    tail_lengths: int32 [tails]. blocks, tails: int32 [sets + 1], where those of each set begin.
    """

    last_bytes: Any
    parents: Any
    tail_parents: Any
    tail_bytes: Any
    tail_lengths: Any
    blocks: Any
    tails: Any

    @property
    def nodes(self) -> int:
        """How many nodes there are, the root and the padding of the blocks included."""
        return 1 + self.parents.size

    @property
    def size(self) -> int:
        """How many nodes (padding included) and tails there are."""
        return self.nodes + self.tail_lengths.size


def build_trie(sets: Sequence[set[bytes]]) -> tuple[Trie, list[dict[bytes, int]]]:
    """The trie of some sets of strings, none of them empty; for each set the place of each string: its node, or
    `nodes` + its tail.
    """
    ordered = [sorted(strings) for strings in sets]
    levels = [list(_levels(strings)) for strings in ordered]
    block = _block_size(sum(last_bytes.size for of_set in levels for last_bytes, _, _ in of_set))
    builder = _Builder(block)
    for strings, of_set in zip(ordered, levels, strict=True):
        builder.add(strings, of_set)
    return builder.trie(), builder.places()


class _Builder:
    """Collects the blocks and tails of one set after the other."""

    def __init__(self, block: int) -> None:
        self._block = block
        self._bytes, self._parents = [np.zeros(0, np.uint8)], [np.zeros(0, np.int32)]
        self._next = 1
        self._tails: list[tuple[bytes, int]] = []
        self._places: list[dict[bytes, int]] = []
        self._blocks_from, self._tails_from = [0], [0]

    def add(self, strings: list[bytes], levels: list[tuple[np.ndarray, np.ndarray, np.ndarray]]) -> None:
        above, nodes = 0, np.zeros(len(strings), np.int64)
        for depth, (last_bytes, parents, node) in enumerate(levels):
            padding = (0, -last_bytes.size % self._block)
            self._bytes.append(np.pad(last_bytes, padding))
            self._parents.append(np.pad(parents + above, padding))
            nodes = np.where([len(string) > depth for string in strings], self._next + node, nodes)
            above, self._next = self._next, self._next + self._bytes[-1].size
        places = dict(zip(strings, nodes.tolist(), strict=True))
        self._places.append({string: node for string, node in places.items() if len(string) <= DEPTH})
        self._tails += [(string, node) for string, node in places.items() if len(string) > DEPTH]
        self._blocks_from.append((self._next - 1) // self._block)
        self._tails_from.append(len(self._tails))

    def trie(self) -> Trie:
        return Trie(
            last_bytes=np.concatenate(self._bytes).astype(np.uint8).reshape(-1, self._block),
            parents=np.concatenate(self._parents).astype(np.int32).reshape(-1, self._block),
            tail_parents=np.asarray([node for _, node in self._tails], np.int32),
            tail_bytes=_padded([string[DEPTH:] for string, _ in self._tails]),
            tail_lengths=np.asarray([len(string) - DEPTH for string, _ in self._tails], np.int32),
            blocks=np.asarray(self._blocks_from, np.int32),
            tails=np.asarray(self._tails_from, np.int32),
        )

    def places(self) -> list[dict[bytes, int]]:
        bounds = zip(self._tails_from, self._tails_from[1:], strict=False)
        tails = [{self._tails[tail][0]: self._next + tail for tail in range(*bound)} for bound in bounds]
        return [nodes | of_set for nodes, of_set in zip(self._places, tails, strict=True)]


def _levels(strings: list[bytes]) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """By depth: last byte and parent of each node, int64 [nodes there]; for each string its node or that above it."""
    matrix = _padded([string[:DEPTH] for string in strings])
    lengths = np.asarray([min(DEPTH, len(string)) for string in strings], np.int64)
    node = np.zeros(len(strings), np.int64)
    for depth in range(lengths.max(initial=0)):
        here = lengths > depth
        paths, found = np.unique(node[here] << 8 | matrix[here, depth], return_inverse=True)
        node[here] = found
        yield paths & 255, paths >> 8, node.copy()


def _padded(strings: list[bytes]) -> np.ndarray:
    """uint8 [strings, longest of them], zero after the end of each."""
    longest = max(map(len, strings), default=1)
    return np.frombuffer(b"".join(s.ljust(longest, b"\0") for s in strings), np.uint8).reshape(-1, longest)


def _block_size(nodes: int) -> int:
    """A power of two: BLOCKS blocks or more in all, but no less than SMALLEST_BLOCK nodes in each."""
    return max(SMALLEST_BLOCK, 1 << (nodes // BLOCKS).bit_length() >> 1)
