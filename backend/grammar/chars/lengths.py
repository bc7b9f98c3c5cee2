"""How long the texts of a language are, state by state."""

import math
from collections.abc import Sequence

from backend.grammar.chars.dfa import CharDfa
from backend.grammar.chars.ranges import Ranges
from backend.grammar.errors import GrammarError
from backend.grammar.limits import DEFAULT_LIMITS

Edges = Sequence[Sequence[tuple[Ranges, int]]]
"""By state, sets of characters and the states to which they lead."""


def _sources(edges: Edges) -> list[list[int]]:
    sources: list[list[int]] = [[] for _ in edges]
    for state, of_state in enumerate(edges):
        for _, target in of_state:
            sources[target].append(state)
    return sources


def shortest_completions(edges: Edges, accept: Sequence[bool]) -> list[float]:
    """By state, the fewest characters that lead to an accepting one; infinity where none do."""
    sources = _sources(edges)
    found = [0.0 if accepting else math.inf for accepting in accept]
    order = [state for state, accepting in enumerate(accept) if accepting]
    for state in order:
        for source in sources[state]:
            if found[source] == math.inf:
                found[source] = found[state] + 1
                order.append(source)
    return found


def completions_from(edges: Edges, shortest: Sequence[float], least: int, most: int | None) -> list[frozenset[int]]:
    """By number n up to `least`, the states from which n to n + most - least characters lead to an accepting one.

    The list ends where these are all states that lead to one at all, or none, and so for every larger number.
    Raises GrammarError where it has too many states.
    """
    sources, slack = _sources(edges), math.inf if most is None else most - least
    live = frozenset(state for state, length in enumerate(shortest) if length < math.inf)
    sets, total = [frozenset(state for state in live if shortest[state] <= slack)], 0
    while len(sets) <= least and sets[-1]:
        before = frozenset(source for state in sets[-1] for source in sources[state])
        if before == live == sets[-1]:
            break
        sets.append(before)
        total += len(before)
        if total > 10 * DEFAULT_LIMITS.product_states:
            raise GrammarError(f"a length of {least} is too much to count to in the texts of these patterns or formats")
    return sets


def has_length(language: CharDfa, least: int, most: int | None) -> bool:
    """Whether a text has `least` to `most` characters. Raises GrammarError where that takes too many states to tell."""
    if most is not None and most < least:
        return False
    edges = [language.edges(state) for state in range(len(language))]
    return 0 in completions_from(edges, shortest_completions(edges, language.accept), least, most)[-1]
