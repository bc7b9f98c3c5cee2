"""White space between the tokens of a container: none, one space, or a line break and a bounded indentation."""

from backend.grammar.automaton.graph import RESET, Graph

MAX_INDENT = 120
LINE_BREAK, SPACE = b"\n "


def space(graph: Graph, a: int, spaced: bool) -> int:
    """White space before an item or a closing bracket leads from a to the node returned; none unless `spaced`.

    The indentation is counted in the register that counts characters of strings: the states do not grow with it.
    """
    if not spaced:
        return a
    indented, end = graph.node(MAX_INDENT), graph.node()
    graph.epsilon(a, end)
    graph.character(a, SPACE, end)
    graph.character(a, LINE_BREAK, indented, RESET)
    graph.character(indented, SPACE, indented, MAX_INDENT, end)
    graph.epsilon(indented, end)
    return end


def separator(graph: Graph, a: int, text: bytes, spaced: bool) -> int:
    """`text`, such as a comma, from after a value to before the next item."""
    return space(graph, graph.literal(_blank(graph, a, spaced), text), spaced)


def introduction(graph: Graph, a: int, text: bytes, spaced: bool) -> int:
    """`text`, such as a colon, from after a name to before its value."""
    return _blank(graph, graph.literal(_blank(graph, a, spaced), text), spaced)


def _blank(graph: Graph, a: int, spaced: bool) -> int:
    if not spaced:
        return a
    end = graph.node()
    graph.epsilon(a, end)
    graph.character(a, SPACE, end)
    return end
