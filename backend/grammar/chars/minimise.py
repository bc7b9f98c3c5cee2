"""The smallest deterministic automaton of a language, numbered in one way: equal languages become equal tuples."""

from collections.abc import Sequence

Arc = tuple[int, int, int]
Arcs = Sequence[Arc]
Transitions = tuple[tuple[Arc, ...], ...]

_DEAD = -1


def minimise(transitions: Sequence[Arcs], accept: Sequence[bool]) -> tuple[Transitions, tuple[bool, ...]]:
    """Trims, merges equivalent states and renumbers breadth first from state 0.

    transitions: by state its arcs (low, high, target), sorted and disjoint. accept: by state.
    Returns the same pair, canonical; the empty language is one state without arcs.
    """
    sources = _sources(transitions)
    block = _live_blocks(accept, sources)
    if block[0] == _DEAD:
        return ((),), (False,)
    _refine(transitions, sources, block)
    representative = {number: state for state, number in enumerate(block) if number != _DEAD}
    merged = [_merged(transitions[representative[number]], block) for number in range(len(representative))]
    return breadth_first(merged, [accept[representative[number]] for number in range(len(merged))], block[0])


def _sources(transitions: Sequence[Arcs]) -> list[list[int]]:
    sources: list[list[int]] = [[] for _ in transitions]
    for state, arcs in enumerate(transitions):
        for _, _, target in arcs:
            sources[target].append(state)
    return sources


def _live_blocks(accept: Sequence[bool], sources: list[list[int]]) -> list[int]:
    """By state: 0 accepting, 1 other, _DEAD where nothing can be accepted any more."""
    block = [0 if accepting else _DEAD for accepting in accept]
    pending = [state for state, accepting in enumerate(accept) if accepting]
    while pending:
        for source in sources[pending.pop()]:
            if block[source] == _DEAD:
                block[source] = 1
                pending.append(source)
    return block


def _merged(arcs: Arcs, block: Sequence[int]) -> tuple[Arc, ...]:
    """Arcs to live blocks; neighbours that lead to one block are one."""
    out: list[Arc] = []
    low = high = target = _DEAD
    for start, end, state in arcs:
        reached = block[state]
        if reached == target and start == high + 1:
            high = end
            continue
        if target != _DEAD:
            out.append((low, high, target))
        low, high, target = start, end, reached
    if target != _DEAD:
        out.append((low, high, target))
    return tuple(out)


def _refine(transitions: Sequence[Arcs], sources: list[list[int]], block: list[int]) -> None:
    """Splits `block` in place until the states of a block agree on every arc; blocks come out numbered from 0.

    Only states whose targets changed block are looked at again, and the largest part keeps the block's number, so
    that a state changes its number at most log2(states) times (Hopcroft's bound).
    """
    members: list[set[int]] = [set() for _ in range(max(block) + 1)]
    for state, number in enumerate(block):
        if number != _DEAD:
            members[number].add(state)
    stale = set().union(*members)
    while stale:
        splits = _splits(transitions, block, members, stale)
        stale = set()
        for number, part in splits:
            members[number] = members[number].difference(part)
            for state in part:
                block[state] = len(members)
                stale.update(sources[state])
            members.append(set(part))
        stale = {state for state in stale if block[state] != _DEAD}


def _splits(
    transitions: Sequence[Arcs], block: list[int], members: list[set[int]], stale: set[int]
) -> list[tuple[int, list[int]]]:
    """(block, part to split off) for every block whose states disagree, all judged by the present numbering."""
    groups: dict[tuple[int, tuple[Arc, ...]], list[int]] = {}
    for state in stale:
        groups.setdefault((block[state], _merged(transitions[state], block)), []).append(state)
    by_block: dict[int, list[list[int]]] = {}
    for (number, _), part in groups.items():
        by_block.setdefault(number, []).append(part)
    splits = []
    for number, parts in by_block.items():
        if sum(map(len, parts)) < len(members[number]):
            parts.append(list(members[number].difference(*parts)))
        if len(parts) > 1:
            parts.remove(max(parts, key=len))
            splits += [(number, part) for part in parts]
    return splits


def breadth_first(
    transitions: Sequence[Arcs], accept: Sequence[bool], start: int
) -> tuple[Transitions, tuple[bool, ...]]:
    """The states that `start` reaches, renumbered breadth first in the order of arcs; nothing else is changed."""
    number = [-1] * len(transitions)
    number[start] = 0
    order = [start]
    out = []
    for state in order:
        arcs = []
        for low, high, target in transitions[state]:
            at = number[target]
            if at < 0:
                at = number[target] = len(order)
                order.append(target)
            arcs.append((low, high, at))
        out.append(tuple(arcs))
    return tuple(out), tuple(bool(accept[state]) for state in order)
