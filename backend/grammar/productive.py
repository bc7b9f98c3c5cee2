"""What of a graph can lead to a word: the rest is removed before anything is built on it."""

from collections import defaultdict

from backend.grammar.errors import GrammarError
from backend.grammar.graph import Graph, Rule


def prune(graph: Graph, root: Rule) -> None:
    """Remove every move from which no word can be finished.

    Raises GrammarError where nothing is left.
    """
    alive = _alive(graph)
    if not alive[root.start]:
        raise GrammarError("no finite value satisfies the schema")
    if not all(alive):
        _remove_dead(graph, alive)


def _alive(graph: Graph) -> list[bool]:
    """Nodes from which the end of their rule can be reached, each rule that is used on the way having a word."""
    before: defaultdict[int, list[int]] = defaultdict(list)
    sites: defaultdict[int, list[tuple[int, int]]] = defaultdict(list)
    for node, edges in enumerate(graph.edges):
        for edge in edges:
            before[edge.target].append(node)
            if edge.limit > 0:
                before[edge.reached].append(node)
        for after in graph.epsilons[node]:
            before[after].append(node)
        for uses in (graph.calls[node], graph.enters[node]):
            for rule, after in uses:
                sites[after].append((node, rule.start))
    alive = [False] * len(graph.edges)
    stack = [rule.end for rule in graph.rules]
    waiting: defaultdict[int, list[int]] = defaultdict(list)
    while stack:
        node = stack.pop()
        if alive[node]:
            continue
        alive[node] = True
        stack += before.get(node, ())
        stack += waiting.get(node, ())
        for user, start in sites.get(node, ()):
            if alive[start]:
                stack.append(user)
            else:
                waiting[start].append(user)
    return alive


def _remove_dead(graph: Graph, alive: list[bool]) -> None:
    for node in range(len(alive)):
        graph.edges[node] = [e for e in graph.edges[node] if alive[e.target] or (e.limit > 0 and alive[e.reached])]
        graph.epsilons[node] = [after for after in graph.epsilons[node] if alive[after]]
        for uses in (graph.calls, graph.enters):
            uses[node] = [(rule, after) for rule, after in uses[node] if alive[after] and alive[rule.start]]

