"""Any bytes up to one of several markers (Aho and Corasick, "Efficient string matching", 1975), as nodes of a graph."""

from collections import deque
from collections.abc import Mapping
from itertools import groupby

from backend.grammar.graph import Graph

WHITE = frozenset(b" \t\r\n")
AWAY = -1
"""The text has begun, and not with the opening marker."""
State = tuple[int, int]
"""A node of the tree of markers, and how much of the opening marker was read, or AWAY."""


def write_scan(
    graph: Graph,
    a: int,
    markers: Mapping[bytes, int],
    opening: tuple[bytes, int] | None = None,
    stop: int | None = None,
    inside: bool = False,
) -> None:
    """From a, any bytes; each marker leads to its node as soon as it is complete, the longest where several are.

    opening: a marker that counts at the beginning only, white space before it aside. stop: where the scan may end at
    any time. inside: the nodes between are marked as such. No marker is empty.
    """
    tree = _Tree(list(markers))
    start: State = (0, 0 if opening else AWAY)
    nodes, work = {start: graph.node()}, [start]
    graph.epsilon(a, nodes[start])
    while work:
        state = work.pop()
        node = nodes[state]
        if stop is not None:
            graph.epsilon(node, stop)
        if inside:
            graph.inside.add(node)
        targets: list[int] = []
        for byte in range(256):
            after, found = _step(tree, opening, state, byte)
            if found is not None:
                targets.append(found if isinstance(found, int) else markers[found])
                continue
            if after not in nodes:
                nodes[after] = graph.node()
                work.append(after)
            targets.append(nodes[after])
        for target, run in groupby(range(256), key=targets.__getitem__):
            bytes_ = list(run)
            graph.edge(node, bytes_[0], bytes_[-1], target)


def _step(
    tree: "_Tree", opening: tuple[bytes, int] | None, state: State, byte: int
) -> tuple[State, bytes | int | None]:
    """The state after a byte; and the marker that it completes, or the node to which the opening marker leads."""
    at, progress = state
    after = tree.after(at, byte)
    if opening is not None and progress != AWAY:
        if byte == opening[0][progress]:
            if progress + 1 == len(opening[0]):
                return state, opening[1]
            progress += 1
        elif progress > 0 or byte not in WHITE:
            progress = AWAY
    return (after, progress), tree.found[after]


class _Tree:
    """The prefixes of the markers. found: by node, the longest marker that ends there, None for none."""

    def __init__(self, markers: list[bytes]) -> None:
        self._children: list[dict[int, int]] = [{}]
        self._fallback = [0]
        self.found: list[bytes | None] = [None]
        for marker in markers:
            self.found[self._insert(marker)] = marker
        queue = deque(self._children[0].values())
        while queue:
            node = queue.popleft()
            for byte, child in self._children[node].items():
                self._fallback[child] = self.after(self._fallback[node], byte)
                self.found[child] = self.found[child] or self.found[self._fallback[child]]
                queue.append(child)

    def after(self, node: int, byte: int) -> int:
        """The longest suffix of what was read that begins a marker."""
        while byte not in self._children[node]:
            if node == 0:
                return 0
            node = self._fallback[node]
        return self._children[node][byte]

    def _insert(self, marker: bytes) -> int:
        assert marker
        node = 0
        for byte in marker:
            child = self._children[node].get(byte)
            if child is None:
                child = self._children[node][byte] = len(self._children)
                self._children.append({})
                self._fallback.append(0)
                self.found.append(None)
            node = child
        return node
