"""What of a graph can lead to a whole string: the rest is removed before anything is built on it."""

from backend.grammar.automaton.graph import NAMED, Graph, Rule
from backend.grammar.errors import GrammarError

MOST_TRIED = 32
"""Characters of which it is found out whether an answer would do without."""
Sites = list[list[tuple[int, int]]]
"""By node: who comes to it by a string of a rule, and that rule's first node."""


def prune(graph: Graph, root: Rule) -> list[bool]:
    """Remove every move from which no string can be finished; by node, whether one can. Of the nodes to which one move
    leads by layout some may be left dead.

    Raises GrammarError where nothing is left.
    """
    before, sites = _predecessors(graph)
    alive = _alive(graph, before, sites)
    if not alive[root.start]:
        raise emptiness(graph, root)
    dead = [node for node, lives in enumerate(alive) if not lives]
    users = {user for node in dead for user in (*before[node], *(user for user, _ in sites[node]))}
    users |= {user for uses in sites for user, start in uses if not alive[start]}
    for user in users:
        _remove_moves(graph, user, alive)
    return alive


def productive(graph: Graph) -> list[bool]:
    """By node, whether a string of its rule can be finished from there."""
    return _alive(graph, *_predecessors(graph))


def emptiness(graph: Graph, rule: Rule, otherwise: str = "no finite value satisfies the schema") -> GrammarError:
    """The error for a rule of which no string can be finished: where, and which characters one would need, if it is
    that."""
    return GrammarError(_why_empty(graph, rule, otherwise), _where_empty(graph, rule))


def _where_empty(graph: Graph, rule: Rule) -> str:
    """The place of the innermost rule without which `rule` has no string; "" where none has a place."""
    alive, seen, place = productive(graph), set(), rule.place
    needed: Rule | None = rule
    while needed is not None and needed.index not in seen:
        seen.add(needed.index)
        place = needed.place or place
        needed = _needed(graph, needed, alive)
    return place


def _needed(graph: Graph, rule: Rule, alive: list[bool]) -> Rule | None:
    """A rule without a string that every string of `rule` needs; None if it has none for another reason."""
    reached, called = _through(graph, rule, None)
    ends = {rule.end, rule.flat_end}
    if reached.isdisjoint(ends):
        return None
    empty = [callee for callee in called if not alive[callee.start]]
    return next((callee for callee in empty if ends.isdisjoint(_through(graph, rule, callee)[0])), None)


def _through(graph: Graph, rule: Rule, without: Rule | None) -> tuple[set[int], list[Rule]]:
    """The nodes of a rule that can be reached, and the rules used on the way, if all but one of them had strings."""
    starts = set(rule.starts) - {-1}
    reached, stack, called = set(starts), [*starts], dict[int, Rule]()
    while stack:
        node = stack.pop()
        after = [*graph.epsilons[node], *(edge.target for edge in graph.edges[node])]
        after += [edge.reached for edge in graph.edges[node] if edge.limit > 0]
        after += [to for edge in graph.layouts.get(node, ()) for to in edge.leads_to]
        for callee, target in (*graph.calls[node], *graph.enters[node]):
            if callee is not without:
                called[callee.index] = callee
                after.append(target)
        new = set(after) - reached
        reached |= new
        stack += new
    return reached, list(called.values())


def _why_empty(graph: Graph, rule: Rule, otherwise: str) -> str:
    """Which characters a string of a rule would need, if it is that."""
    before, sites = _predecessors(graph)
    moves = [(node, frozenset(text), after) for node, missing in graph.lacking.items() for text, after in missing]

    def suffice(characters: frozenset[str]) -> bool:
        """Whether strings could be finished if these could be written."""
        possible = [(node, after) for node, needed, after in moves if needed <= characters]
        for node, after in possible:
            before[after].append(node)
        found = _alive(graph, before, sites)[rule.start]
        for _, after in possible:
            before[after].pop()
        return found

    needed = frozenset().union(*(characters for _, characters, _ in moves))
    if not suffice(needed):
        return otherwise
    for character in sorted(needed)[:MOST_TRIED]:
        needed = needed - {character} if suffice(needed - {character}) else needed
    named = ", ".join(map(_named, sorted(needed)[:NAMED])) + (", ..." if len(needed) > NAMED else "")
    return f"an answer would need {named}, for which the model's vocabulary has no tokens"


def _named(character: str) -> str:
    code = f"U+{ord(character):04X}"
    return f"{character!r} ({code})" if character.isprintable() else code


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
        for edge in graph.layouts.get(node, ()):
            for after in edge.leads_to:
                before[after].append(node)
        for rule, after in graph.calls[node]:
            sites[after].append((node, rule.start))
        for rule, after in graph.enters[node]:
            sites[after] += [(node, start) for start in set(rule.starts)]
    return before, sites


def _alive(graph: Graph, before: list[list[int]], sites: Sites) -> list[bool]:
    """Nodes from which the end of their rule can be reached, each rule that is used on the way having a string."""
    alive = [False] * len(graph.edges)
    stack = [end for rule in graph.rules for end in (rule.end, rule.flat_end) if end >= 0]
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
    if node in graph.layouts:
        graph.layouts[node] = [e for e in graph.layouts[node] if any(alive[after] for after in e.leads_to)]
    graph.calls[node] = [(rule, after) for rule, after in graph.calls[node] if alive[after] and alive[rule.start]]
    graph.enters[node] = [
        (rule, after) for rule, after in graph.enters[node] if alive[after] and any(alive[at] for at in rule.starts)
    ]
