"""Sets of characters in disjoint pieces."""

from backend.grammar.chars.ranges import Ranges


def partition(sets: frozenset[Ranges]) -> list[tuple[Ranges, list[Ranges]]]:
    """Disjoint sets of characters that cover `sets`, each with those of `sets` that hold it."""
    if len(sets) == 1:
        return [(ranges, [ranges]) for ranges in sets]
    borders: dict[int, list[Ranges]] = {}
    for ranges in sets:
        for low, high in ranges:
            borders.setdefault(low, []).append(ranges)
            borders.setdefault(high + 1, []).append(ranges)
    grouped: dict[frozenset[Ranges], list[tuple[int, int]]] = {}
    open_sets: set[Ranges] = set()
    previous = 0
    for border in sorted(borders):
        if open_sets:
            grouped.setdefault(frozenset(open_sets), []).append((previous, border - 1))
        open_sets.symmetric_difference_update(borders[border])
        previous = border
    return [(tuple(ranges), list(holders)) for holders, ranges in grouped.items()]
