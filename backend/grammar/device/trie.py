"""A set of byte strings as a tree of their prefixes, in blocks that are walked one after the other."""

from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

DEPTH = 16
"""Bytes of a string that are nodes of the tree. The few longer strings each have a tail."""
BLOCKS = 64


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Trie:
    """Level by level, each beginning a new block of Y nodes, so that a node's parent is in an earlier block.

    Node 0 is the root; block i has the nodes 1 + i * Y on. last_bytes: uint8 [blocks, Y], the last byte of each node.
    parents: int32 [blocks, Y]. tail_parents: int32 [X], the node of a tail's first DEPTH bytes. tail_bytes: uint8
    [X, longest tail]. tail_lengths: int32 [X].
    """

    last_bytes: Any
    parents: Any
    tail_parents: Any
    tail_bytes: Any
    tail_lengths: Any

    @property
    def nodes(self) -> int:
        """Nodes, the root and the padding of the blocks included."""
        return 1 + self.parents.size

    @property
    def size(self) -> int:
        """Nodes and tails."""
        return self.nodes + self.tail_lengths.size


def build_trie(strings: set[bytes]) -> tuple[Trie, dict[bytes, int]]:
    """The trie of `strings`, none of them empty, and the place of each: its node, or `nodes` + its tail."""
    ordered = sorted(strings)
    matrix, lengths = padded([string[:DEPTH] for string in ordered]), np.asarray([len(s) for s in ordered], np.int64)
    levels = list(_levels(matrix, np.minimum(lengths, DEPTH)))
    block = _block_size([last_bytes.size for last_bytes, _, _ in levels])
    blocks_of = [-(-last_bytes.size // block) for last_bytes, _, _ in levels]
    begins = (1 + block * np.concatenate([[0], np.cumsum(blocks_of)])).astype(np.int64)
    nodes = np.zeros(len(ordered), np.int64)
    all_bytes, all_parents = [np.zeros(0, np.uint8)], [np.zeros(0, np.int32)]
    for depth, (last_bytes, parents, node) in enumerate(levels):
        padding = (0, blocks_of[depth] * block - last_bytes.size)
        all_bytes.append(np.pad(last_bytes, padding))
        all_parents.append(np.pad(parents + (begins[depth - 1] if depth else 0), padding))
        nodes = np.where(lengths > depth, begins[depth] + node, nodes)
    long = np.flatnonzero(lengths > DEPTH)
    trie = Trie(
        last_bytes=np.concatenate(all_bytes).astype(np.uint8).reshape(-1, block),
        parents=np.concatenate(all_parents).astype(np.int32).reshape(-1, block),
        tail_parents=nodes[long].astype(np.int32),
        tail_bytes=padded([ordered[i][DEPTH:] for i in long]),
        tail_lengths=(lengths[long] - DEPTH).astype(np.int32),
    )
    nodes[long] = trie.nodes + np.arange(long.size)
    return trie, dict(zip(ordered, nodes.tolist(), strict=True))


def padded(strings: list[bytes]) -> np.ndarray:
    """uint8 [strings, longest of them], zero after the end of each."""
    longest = max(map(len, strings), default=1)
    return np.frombuffer(b"".join(s.ljust(longest, b"\0") for s in strings), np.uint8).reshape(-1, longest)


def _levels(matrix: np.ndarray, lengths: np.ndarray):
    """By depth: last byte and parent of each node, int64 [nodes there]; for each string its node or that above it."""
    node = np.zeros(len(lengths), np.int64)
    for depth in range(lengths.max(initial=0)):
        here = lengths > depth
        paths, found = np.unique(node[here] << 8 | matrix[here, depth], return_inverse=True)
        node[here] = found
        yield paths & 255, paths >> 8, node.copy()


def _block_size(levels: list[int]) -> int:
    """A power of two: about BLOCKS blocks in all, but no less than 512 nodes in each."""
    return 1 << max(9, (sum(levels) // BLOCKS).bit_length())
