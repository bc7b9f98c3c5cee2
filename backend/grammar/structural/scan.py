"""Any bytes up to one of several markers (Aho and Corasick, "Efficient string matching", 1975), as nodes of a graph."""

from collections import deque
from collections.abc import Mapping
from itertools import groupby
from types import MappingProxyType

from backend.grammar.automaton.graph import Graph
from backend.grammar.structural.control import CUT

WHITE = frozenset(b" \t\r\n")
AWAY = -1
"""The text has begun, and with nothing that opens."""
State = tuple[int, int]
"""What was read last of the markers, and what was read at first of those that open; or AWAY."""


def write_scan(
    graph: Graph,
    a: int,
    markers: Mapping[bytes, int],
    openings: Mapping[bytes, int] = MappingProxyType({}),
    stop: int | None = None,
    in_reasoning: bool = False,
    cut: int | None = None,
) -> None:
    """From a, any bytes; each marker leads to its node as soon as it is complete, the longest where several are.

    openings: markers that count at the beginning only, white space before them aside. stop: where the scan may end at
    any time. in_reasoning: the nodes between are marked as such. cut: where CUT leads, None for nowhere special. No
    marker is empty.
    """
    anywhere, first = _Tree(markers), _Tree(openings)
    start: State = (0, 0 if openings else AWAY)
    nodes, work = {start: graph.node()}, [start]
    graph.epsilon(a, nodes[start])
    while work:
        state = work.pop()
        node = nodes[state]
        if stop is not None:
            graph.epsilon(node, stop)
        if in_reasoning:
            graph.in_reasoning.add(node)
        targets: list[int] = []
        for byte in range(256):
            after, found = _step(anywhere, first, state, byte)
            if found is not None:
                targets.append(found)
                continue
            if after not in nodes:
                nodes[after] = graph.node()
                work.append(after)
            targets.append(nodes[after])
        if cut is not None:
            targets[CUT] = cut
        for target, run in groupby(range(256), key=targets.__getitem__):
            bytes_ = list(run)
            graph.edge(node, bytes_[0], bytes_[-1], target)


def _step(anywhere: "_Tree", first: "_Tree", state: State, byte: int) -> tuple[State, int | None]:
    """The state after a byte, and where the marker leads that it completes, one that opens before any other."""
    at, begun = anywhere.after(state[0], byte), state[1]
    if begun != AWAY and not (begun == 0 and byte in WHITE):
        begun = first.child(begun, byte)
    opened = None if begun == AWAY else first.found[begun]
    return (at, begun), anywhere.found[at] if opened is None else opened


class _Tree:
    """The prefixes of the markers. found: by node, where the longest marker that ends there leads, None for none."""

    def __init__(self, markers: Mapping[bytes, int]) -> None:
        self._children: list[dict[int, int]] = [{}]
        self._fallback = [0]
        self.found: list[int | None] = [None]
        for marker, target in markers.items():
            self.found[self._insert(marker)] = target
        queue = deque(self._children[0].values())
        while queue:
            node = queue.popleft()
            for byte, child in self._children[node].items():
                self._fallback[child] = self.after(self._fallback[node], byte)
                if self.found[child] is None:
                    self.found[child] = self.found[self._fallback[child]]
                queue.append(child)

    def child(self, node: int, byte: int) -> int:
        """The prefix that is longer by a byte, AWAY if there is none."""
        return self._children[node].get(byte, AWAY)

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
