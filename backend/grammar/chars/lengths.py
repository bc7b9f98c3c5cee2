"""How long the texts of a language are, state by state, and whether a bound on the length leaves any."""

import math
from collections.abc import Sequence

from backend.grammar.chars.dfa import CharDfa
from backend.grammar.chars.ranges import Ranges

Edges = Sequence[Sequence[tuple[Ranges, int]]]
"""By state, sets of characters and the states to which they lead."""


def shortest_completions(edges: Edges, accept: Sequence[bool]) -> list[float]:
    """By state, the fewest characters that lead to an accepting one; infinity where none do."""
    sources: list[list[int]] = [[] for _ in edges]
    for state, of_state in enumerate(edges):
        for _, target in of_state:
            sources[target].append(state)
    found = [0.0 if accepting else math.inf for accepting in accept]
    order = [state for state, accepting in enumerate(accept) if accepting]
    for state in order:
        for source in sources[state]:
            if found[source] == math.inf:
                found[source] = found[state] + 1
                order.append(source)
    return found


def any_length_goes_on(edges: Edges, shortest: Sequence[float], least: int, most: int | None) -> bool:
    """Whether every beginning of up to `least` characters of some text is one of a text of `least` to `most`."""
    live = [state for state, length in enumerate(shortest) if length < math.inf]
    endless = all(any(shortest[target] < math.inf for _, target in edges[state]) for state in live)
    return bool(live) and endless and (most is None or max(shortest[state] for state in live) <= most - least)


def with_least(language: CharDfa, least: int) -> CharDfa:
    """Its texts of at least so many characters. Raises GrammarError where they need too many states."""
    return language & CharDfa.lengths(least, None)


def has_length(language: CharDfa, least: int, most: int | None) -> bool:
    """Whether a text has `least` to `most` characters. Raises GrammarError where that takes too many states to tell."""
    if language.is_empty:
        return False
    if language.shortest() < least:
        edges = [language.edges(state) for state in range(len(language))]
        if any_length_goes_on(edges, shortest_completions(edges, language.accept), least, most):
            return True
        language = with_least(language, least)
    return not language.is_empty and (most is None or language.shortest() <= most)
