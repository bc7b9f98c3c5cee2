"""The look of containers: what the layout register lets stand between brackets, items and separators.

See backend/grammar/automaton/tables.py for the layouts; where there is no white space (`spaced` false) none counts.
"""

from backend.grammar.automaton.graph import Graph, Indentation, Loosening, Rule, Separator
from backend.grammar.automaton.tables import INDENTATION

LINE_BREAK, SPACE = b"\n "


def opening(graph: Graph, rule: Rule, spaced: bool) -> int:
    """The node before the first item of a container; that of a plain rule is its start."""
    if not spaced or rule.open is None:
        return rule.start
    first, broken, wider = graph.node(), graph.node(), graph.node()
    graph.epsilon(rule.start, first)
    graph.epsilon(rule.opened, first)
    graph.lay_out(rule.opened, Loosening(LINE_BREAK, broken))
    graph.lay_out(broken, Loosening(SPACE, wider))
    graph.lay_out(wider, Loosening(SPACE, wider))
    graph.epsilon(wider, first)
    _indent(graph, rule.indented, first, closing=False)
    return first


def end_empty(graph: Graph, rule: Rule) -> None:
    """The container may end where it starts."""
    for start in {rule.start} if rule.open is None else set(rule.starts):
        graph.epsilon(start, rule.end)


def closing(graph: Graph, rule: Rule, spaced: bool) -> int:
    """The node at which a container may end behind an item."""
    if not spaced or rule.open is None:
        return rule.end
    node = graph.node()
    graph.epsilon(node, rule.flat_end)
    _indent(graph, node, rule.end, closing=True)
    return node


def separator(
    graph: Graph, a: int, text: bytes, spaced: bool, counted: bool = True, limit: int = 0, reached: int | None = None
) -> int:
    """`text`, such as a comma, leads from after a value to before the next item, which is the node returned.

    counted: whether one byte of text is an item in the count of the container; where that becomes `limit`, it leads to
    before `reached` instead.
    """
    if not spaced and not counted:
        return graph.literal(a, text)
    (byte,) = text
    after = graph.node()
    targets = _behind_separator(graph, after, spaced)
    at_limit = targets if reached is None else _behind_separator(graph, reached, spaced)
    graph.lay_out(a, Separator(byte, targets, limit if counted else -1, at_limit))
    return after


def introduction(graph: Graph, a: int, text: bytes, spaced: bool) -> int:
    """`text`, such as a colon, leads from after a name to before its value, which is the node returned."""
    if not spaced:
        return graph.literal(a, text)
    (byte,) = text
    value = graph.node()
    loose, spaced_out = _loosened(graph, value), graph.node()
    graph.character(spaced_out, SPACE, value)
    graph.lay_out(a, Separator(byte, (value, spaced_out, loose, spaced_out)))
    return value


def _behind_separator(graph: Graph, item: int, spaced: bool) -> tuple[int, int, int, int]:
    """Where a separator before `item` leads, by layout."""
    if not spaced:
        return item, item, item, item
    spaced_out, broken = graph.node(), graph.node()
    graph.character(spaced_out, SPACE, item)
    _indent(graph, broken, item, closing=False)
    return item, spaced_out, _loosened(graph, item), broken


def _loosened(graph: Graph, b: int) -> int:
    """The node at which a space decides that one stands behind every separator."""
    node = graph.node()
    graph.epsilon(node, b)
    graph.lay_out(node, Loosening(SPACE, b))
    return node


def _indent(graph: Graph, a: int, b: int, *, closing: bool) -> None:
    """A line break and the indentation lead from a to b."""
    inside = graph.node(INDENTATION - closing)
    graph.lay_out(a, Indentation(LINE_BREAK, closing, True, inside, b))
    graph.lay_out(inside, Indentation(SPACE, closing, False, inside, b))
