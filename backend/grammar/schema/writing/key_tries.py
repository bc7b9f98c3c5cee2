"""Tries of the property names that may come next; each shares what it can with the one it was made from."""

import json

from backend.grammar.errors import GrammarError
from backend.grammar.graph import Graph


def key_bytes(name: str) -> bytes:
    """A name as it is written, quotes included. Raises GrammarError for a lone surrogate, which UTF-8 cannot hold."""
    try:
        return json.dumps(name, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise GrammarError(f"the property name {name!r} has a lone surrogate and cannot be written") from error


class KeyTrie:
    """A set of keys, each with the node to which it leads. Adding one copies only the nodes on its path, so that the
    tries of n names added one after the other take nodes for n names, not n squared."""

    __slots__ = ("_children", "_graph", "node")

    def __init__(self, graph: Graph, children: dict[int, "KeyTrie | int"] | None = None) -> None:
        self._graph, self.node = graph, graph.node()
        self._children = children or {}
        for byte, child in self._children.items():
            graph.edge(self.node, byte, byte, child if isinstance(child, int) else child.node)

    def with_key(self, key: bytes, target: int) -> "KeyTrie":
        """This trie and one more key, which begins and ends with a quote and is not yet in it."""
        path = [self]
        for byte in key[:-1]:
            below = path[-1]._children.get(byte)
            if not isinstance(below, KeyTrie):
                break
            path.append(below)
        child: KeyTrie | int = target
        for depth in range(len(key) - 1, -1, -1):
            here = path[depth]._children if depth < len(path) else {}
            child = KeyTrie(self._graph, {**here, key[depth]: child})
        assert isinstance(child, KeyTrie)
        return child
