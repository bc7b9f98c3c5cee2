"""What the cache still knows: a radix tree over whole pages of content, from which prompts take their beginnings."""

import heapq
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from itertools import count

from backend.engine.page_pool import PagePool

PageKey = Hashable
"""All that the keys and values of one page depend on, apart from the pages before it; see `request_state.page_key`."""


@dataclass(eq=False)
class _Node:
    """One page; `key` is what its parent has it under."""

    key: PageKey
    page: int
    parent: "_Node | None"
    used: int = 0
    children: dict[PageKey, "_Node"] = field(default_factory=dict)


class RadixCache:
    """Pages by the content that leads to them (Zheng et al., 2024, RadixAttention, with one page per node).

    Whoever references a page of the tree is expected to reference all before it as well, so that below a page that
    nobody references there are only such pages.
    """

    def __init__(self, pool: PagePool) -> None:
        self._pool = pool
        self._root = _Node((), -1, None)
        self._size = 0
        self._clock = count(1)
        self._leaves: list[tuple[int, int, _Node]] = []
        self._entries = count()

    def depth(self, keys: Sequence[PageKey]) -> int:
        """How many pages the longest prefix of `keys` has that is cached."""
        node: _Node | None = self._root
        pages = 0
        while pages < len(keys) and (node := node.children.get(keys[pages])) is not None:  # type: ignore[union-attr]
            pages += 1
        return pages

    def match(self, keys: Sequence[PageKey]) -> list[int]:
        """The pages of the longest prefix of `keys` that is cached; the caller gets a reference to each."""
        pages, node = [], self._root
        for key in keys:
            child = node.children.get(key)
            if child is None:
                break
            self._pool.retain(child.page)
            pages.append(child.page)
            node = child
        self._touch(node)
        return pages

    def insert(self, keys: Sequence[PageKey], pages: Sequence[int]) -> None:
        """Keep the pages of `keys`, in order, each referenced; where the tree has a prefix already, its own stay."""
        node = self._root
        for key, page in zip(keys, pages, strict=False):
            child = node.children.get(key)
            if child is None:
                child = node.children[key] = _Node(key, page, node)
                self._pool.keep(page)
                self._size += 1
            node = child
        self._touch(node)

    def evict(self, pages: int) -> int:
        """Free up to `pages` pages without references, least recently used leaves first; gives how many it freed."""
        evicted, referenced = 0, []
        while evicted < pages and self._leaves:
            entry = heapq.heappop(self._leaves)
            used, _, node = entry
            if not self._is_leaf(node, used):
                continue
            if self._pool.ref_count(node.page):
                referenced.append(entry)
                continue
            self._remove(node)
            evicted += 1
        for entry in referenced:
            heapq.heappush(self._leaves, entry)
        return evicted

    def forget(self, keys: Sequence[PageKey]) -> None:
        """Keep no page that begins like `keys` any longer: nobody will find them again, and who has them keeps them."""
        child = self._root.children.get(keys[0]) if keys else None
        rest = [child] if child is not None else []
        while rest:
            node = rest.pop()
            rest += node.children.values()
            node.children = {}
            if node.parent is not None:
                node.parent.children.pop(node.key, None)
            self._size -= 1
            self._pool.forget(node.page)

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
        if len(self._leaves) > 64 + 4 * self._size:
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
        self._size -= 1
        self._pool.evict(leaf.page)
        if parent.parent is not None and not parent.children:
            self._queue(parent)
