"""What of a graph can lead to a whole string: the rest is removed before anything is built on it."""

from backend.grammar.automaton.graph import NAMED, Graph, Rule
from backend.grammar.errors import GrammarError

Sites = list[list[tuple[int, int]]]
"""By node: who comes to it by a string of a rule, and that rule's first node."""


def prune(graph: Graph, root: Rule) -> None:
    """Remove every move from which no string can be finished.

    Raises GrammarError where nothing is left.
    """
    before, sites = _predecessors(graph)
    alive = _alive(graph, before, sites)
    if not alive[root.start]:
        raise GrammarError(why_empty(graph, root))
    dead = [node for node, lives in enumerate(alive) if not lives]
    users = {user for node in dead for user in (*before[node], *(user for user, _ in sites[node]))}
    users |= {user for uses in sites for user, start in uses if not alive[start]}
    for user in users:
        _remove_moves(graph, user, alive)


def productive(graph: Graph) -> list[bool]:
    """By node, whether a string of its rule can be finished from there."""
    return _alive(graph, *_predecessors(graph))


def why_empty(graph: Graph, rule: Rule) -> str:
    """What to say of a rule of which no string can be finished: which characters all of them lack, if it is that."""
    before, sites = _predecessors(graph)
    alive = _alive(graph, before, sites)
    for node, missing in graph.lacking.items():
        for _, after in missing:
            before[after].append(node)
    written_alive = _alive(graph, before, sites)
    if not written_alive[rule.start]:
        return "no finite value satisfies the schema"
    lacking = [
        text
        for node in _reached(graph, rule, alive)
        for text, after in graph.lacking.get(node, ())
        if written_alive[after]
    ]
    characters = sorted(set("".join(lacking)))
    named = ", ".join(map(_named, characters[:NAMED])) + (", ..." if characters[NAMED:] else "")
    return f"the model's vocabulary has no tokens for {named}, without which there is no answer"


def _named(character: str) -> str:
    code = f"U+{ord(character):04X}"
    return f"{character!r} ({code})" if character.isprintable() else code


def _reached(graph: Graph, rule: Rule, alive: list[bool]) -> set[int]:
    """The nodes that strings of a rule can begin to lead to."""
    seen, stack = {rule.start}, [rule.start]
    while stack:
        node = stack.pop()
        uses = [*graph.calls[node], *graph.enters[node]]
        following = [edge.target for edge in graph.edges[node]] + graph.epsilons[node]
        following += [edge.reached for edge in graph.edges[node] if edge.limit > 0]
        following += [used.start for used, _ in uses] + [after for used, after in uses if alive[used.start]]
        fresh = set(following) - seen
        seen |= fresh
        stack += fresh
    return seen


def _predecessors(graph: Graph) -> tuple[list[list[int]], Sites]:
    before: list[list[int]] = [[] for _ in graph.edges]
    sites: Sites = [[] for _ in graph.edges]
    for node, edges in enumerate(graph.edges):
        for _, _, target, limit, reached in edges:
            before[target].append(node)
            if limit > 0:
                before[reached].append(node)
        for after in graph.epsilons[node]:
            before[after].append(node)
        for rule, after in graph.calls[node]:
            sites[after].append((node, rule.start))
        for rule, after in graph.enters[node]:
            sites[after].append((node, rule.start))
    return before, sites


def _alive(graph: Graph, before: list[list[int]], sites: Sites) -> list[bool]:
    """Nodes from which the end of their rule can be reached, each rule that is used on the way having a string."""
    alive = [False] * len(graph.edges)
    stack = [rule.end for rule in graph.rules]
    waiting: dict[int, list[int]] = {}
    while stack:
        node = stack.pop()
        if alive[node]:
            continue
        alive[node] = True
        stack += before[node]
        stack += waiting.get(node, ())
        for user, start in sites[node]:
            if alive[start]:
                stack.append(user)
            else:
                waiting.setdefault(start, []).append(user)
    return alive


def _remove_moves(graph: Graph, node: int, alive: list[bool]) -> None:
    graph.edges[node] = [e for e in graph.edges[node] if alive[e.target] or (e.limit > 0 and alive[e.reached])]
    graph.epsilons[node] = [after for after in graph.epsilons[node] if alive[after]]
    for uses in (graph.calls, graph.enters):
        uses[node] = [(rule, after) for rule, after in uses[node] if alive[after] and alive[rule.start]]
