"""Tries of the property names that may come next; each shares what it can with the one it was made from."""

from backend.grammar.automaton.graph import Graph


class KeyTrie:
    """A set of keys, each with the node to which it leads. Adding one copies only the nodes on its path, so that the
    tries of n names added one after the other take nodes for n names, not n squared."""

    __slots__ = ("_children", "_graph", "_unwritten", "node")

    def __init__(
        self,
        graph: Graph,
        children: dict[int, "KeyTrie | int"] | None = None,
        unwritten: tuple[tuple[bytes, int], ...] = (),
    ) -> None:
        """unwritten: keys that the graph cannot write, and where they would lead."""
        self._graph, self.node = graph, graph.node()
        self._children, self._unwritten = children or {}, unwritten
        for byte, child in self._children.items():
            graph.edge(self.node, byte, byte, child if isinstance(child, int) else child.node)
        for key, target in unwritten:
            graph.can_write(self.node, key, target)

    def with_key(self, key: bytes, target: int) -> "KeyTrie":
        """This trie and one more key, which neither begins a key that is in it nor begins with one; the same keys if
        the graph cannot write it.
        """
        if self._graph.alphabet.lacking(key):
            return KeyTrie(self._graph, self._children, (*self._unwritten, (key, target)))
        path = [self]
        for byte in key[:-1]:
            below = path[-1]._children.get(byte)
            if not isinstance(below, KeyTrie):
                break
            path.append(below)
        child: KeyTrie | int = target
        for depth in range(len(key) - 1, -1, -1):
            here = path[depth]._children if depth < len(path) else {}
            child = KeyTrie(self._graph, {**here, key[depth]: child}, () if depth else self._unwritten)
        assert isinstance(child, KeyTrie)
        return child
