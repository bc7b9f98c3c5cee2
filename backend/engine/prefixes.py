"""What the cache still knows: a radix tree over whole pages of tokens, from which prompts take their beginnings."""

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count

from backend.engine.pages import PagePool

Key = tuple[int, ...]


@dataclass(eq=False)
class _Node:
    """One page; its tokens are the key under which its parent has it."""

    key: Key
    page: int
    parent: "_Node | None"
    used: int = 0
    children: dict[Key, "_Node"] = field(default_factory=dict)


class PrefixTree:
    """Pages by the tokens that lead to them (Zheng et al., 2024, RadixAttention, with one page per node).

    The tree is one user of every page in it. Whoever uses a page of it is expected to use all before it as well, so
    that below a page that only the tree uses there are only such pages.
    """

    def __init__(self, pool: PagePool, page_tokens: int) -> None:
        self._pool, self._page_tokens = pool, page_tokens
        self._root = _Node((), -1, None)
        self._pages: set[int] = set()
        self._clock = count(1)
        self._leaves: list[tuple[int, int, _Node]] = []
        self._entries = count()

    @property
    def unused(self) -> int:
        """Pages that only the tree uses."""
        return sum(self._pool.users(page) == 1 for page in self._pages)

    def match(self, tokens: Sequence[int]) -> list[int]:
        """The pages of the longest known prefix of `tokens`; the caller is a further user of each."""
        pages, node = [], self._root
        for key in self._keys(tokens):
            child = node.children.get(key)
            if child is None:
                break
            self._pool.share(child.page)
            pages.append(child.page)
            node = child
        self._touch(node)
        return pages

    def insert(self, tokens: Sequence[int], pages: Sequence[int]) -> None:
        """Remember whole pages of `tokens`, in order; where the tree has a prefix already, its own pages stay."""
        node = self._root
        for key, page in zip(self._keys(tokens), pages, strict=False):
            child = node.children.get(key)
            if child is None:
                child = node.children[key] = _Node(key, page, node)
                self._pool.share(page)
                self._pages.add(page)
            node = child
        self._touch(node)

    def evict(self, wanted: int) -> int:
        """Release up to `wanted` pages that only the tree uses, the longest unused leaves first; how many it were."""
        evicted, kept = 0, []
        while evicted < wanted and self._leaves:
            entry = heapq.heappop(self._leaves)
            used, _, node = entry
            if not self._is_leaf(node, used):
                continue
            if self._pool.users(node.page) > 1:
                kept.append(entry)
                continue
            self._remove(node)
            evicted += 1
        for entry in kept:
            heapq.heappush(self._leaves, entry)
        return evicted

    def _keys(self, tokens: Sequence[int]) -> Iterator[Key]:
        size = self._page_tokens
        for start in range(0, len(tokens) - size + 1, size):
            yield tuple(tokens[start : start + size])

    def _touch(self, node: _Node) -> None:
        """Everything on the way to `node` was used now. Only leaves can be evicted, so only they are queued."""
        now, at = next(self._clock), node
        while at.parent is not None:
            at.used = now
            at = at.parent
        if node.parent is not None and not node.children:
            self._queue(node)

    def _queue(self, leaf: _Node) -> None:
        heapq.heappush(self._leaves, (leaf.used, next(self._entries), leaf))
        if len(self._leaves) > 64 + 4 * len(self._pages):
            self._leaves = [entry for entry in self._leaves if self._is_leaf(entry[2], entry[0])]
            heapq.heapify(self._leaves)

    def _is_leaf(self, node: _Node, used: int) -> bool:
        """Whether a queued entry still says the truth."""
        known = node.parent is not None and node.parent.children.get(node.key) is node
        return known and not node.children and node.used == used

    def _remove(self, leaf: _Node) -> None:
        parent = leaf.parent
        assert parent is not None
        del parent.children[leaf.key]
        self._pages.remove(leaf.page)
        self._pool.release(leaf.page)
        if parent.parent is not None and not parent.children:
            self._queue(parent)
