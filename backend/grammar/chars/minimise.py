"""The smallest deterministic automaton of a language, numbered in one way: equal languages become equal tuples."""

from collections import defaultdict
from collections.abc import Sequence

Arc = tuple[int, int, int]
Row = Sequence[Arc]
Rows = tuple[tuple[Arc, ...], ...]

_DEAD = -1


def minimise(rows: Sequence[Row], accept: Sequence[bool]) -> tuple[Rows, tuple[bool, ...]]:
    """Trims, merges equivalent states and renumbers breadth first from state 0.

    rows: by state its arcs (low, high, target), sorted and disjoint. accept: by state.
    Returns the same pair, canonical; the empty language is one state without arcs.
    """
    sources = _sources(rows)
    block = _live_blocks(accept, sources)
    if block[0] == _DEAD:
        return ((),), (False,)
    _refine(rows, sources, block)
    return renumber(rows, accept, block)


def _sources(rows: Sequence[Row]) -> list[list[int]]:
    sources: list[list[int]] = [[] for _ in rows]
    for state, row in enumerate(rows):
        for _, _, target in row:
            sources[target].append(state)
    return sources


def _live_blocks(accept: Sequence[bool], sources: list[list[int]]) -> list[int]:
    """By state: 1 accepting, 0 other, _DEAD where nothing can be accepted any more."""
    block = [1 if accepting else _DEAD for accepting in accept]
    pending = [state for state, accepting in enumerate(accept) if accepting]
    while pending:
        for source in sources[pending.pop()]:
            if block[source] == _DEAD:
                block[source] = 0
                pending.append(source)
    return block


def _signature(row: Row, block: Sequence[int]) -> tuple[int, ...]:
    """(low, high, block) of the row's arcs, flat; neighbours that lead to one block are one."""
    out: list[int] = []
    low = high = target = _DEAD
    for start, end, state in row:
        reached = block[state]
        if reached == target and start == high + 1:
            high = end
            continue
        if target != _DEAD:
            out += (low, high, target)
        low, high, target = start, end, reached
    if target != _DEAD:
        out += (low, high, target)
    return tuple(out)


def _refine(rows: Sequence[Row], sources: list[list[int]], block: list[int]) -> None:
    """Splits `block` in place until the states of a block agree on every arc.

    Only states whose targets changed block are looked at again, and the largest part keeps the block's number, so
    that a state changes its number at most log2(states) times (Hopcroft's bound).
    """
    members: dict[int, set[int]] = defaultdict(set)
    for state, number in enumerate(block):
        if number != _DEAD:
            members[number].add(state)
    stale = set().union(*members.values())
    fresh = 2
    while stale:
        splits = _splits(rows, block, members, stale)
        stale = set()
        for number, part in splits:
            members[number] -= part
            members[fresh] = part
            for state in part:
                block[state] = fresh
                stale.update(sources[state])
            fresh += 1
        stale = {state for state in stale if block[state] != _DEAD}


def _splits(
    rows: Sequence[Row], block: list[int], members: dict[int, set[int]], stale: set[int]
) -> list[tuple[int, set[int]]]:
    """(block, part to split off) for every block whose states disagree, all judged by the present numbering."""
    groups: dict[int, dict[tuple[int, ...], set[int]]] = {}
    for state in stale:
        parts = groups.setdefault(block[state], {})
        parts.setdefault(_signature(rows[state], block), set()).add(state)
    splits = []
    for number, by_signature in groups.items():
        parts = list(by_signature.values())
        if sum(map(len, parts)) < len(members[number]):
            parts.append(members[number].difference(*parts))
        if len(parts) > 1:
            parts.remove(max(parts, key=len))
            splits += [(number, part) for part in parts]
    return splits


def renumber(
    rows: Sequence[Row], accept: Sequence[bool], block: Sequence[int], start: int = 0
) -> tuple[Rows, tuple[bool, ...]]:
    """One state per block reachable from `start`, numbered breadth first in the order of arcs."""
    representative = [start]
    number = {block[start]: 0}
    out: list[tuple[Arc, ...]] = []
    for state in representative:
        merged: list[Arc] = []
        flat = _signature(rows[state], block)
        targets = {block[target]: target for _, _, target in rows[state]}
        for at in range(0, len(flat), 3):
            reached = flat[at + 2]
            if reached not in number:
                number[reached] = len(representative)
                representative.append(targets[reached])
            merged.append((flat[at], flat[at + 1], number[reached]))
        out.append(tuple(merged))
    return tuple(out), tuple(bool(accept[state]) for state in representative)
