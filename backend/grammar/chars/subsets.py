"""Nondeterministic to deterministic: the subset construction over sets of characters."""

from collections.abc import Iterable
from operator import itemgetter

from backend.grammar.chars.explore import explore
from backend.grammar.chars.minimise import Arc
from backend.grammar.chars.nfa import Nfa
from backend.grammar.chars.ranges import SCALARS, Ranges
from backend.grammar.errors import GrammarError
from backend.grammar.limits import Limits

_FINAL, _ALL = -1, -2
Subset = frozenset[int]


class Determinisation:
    """Subset construction. A subset holds states that read something; _FINAL: accepting, _ALL: so is whatever follows.

    accepted: which of the two stands for reaching the end of the pattern, no end anchor before it.
    """

    def __init__(self, nfa: Nfa, limits: Limits) -> None:
        self.nfa, self.limits = nfa, limits
        self.accepted = _ALL if nfa.search else _FINAL
        self.useful = nfa.useful()
        self.after: dict[int, Subset] = {}
        self.pieces: dict[frozenset[Ranges], list[tuple[Ranges, list[Ranges]]]] = {}
        self.work = 0

    def run(self) -> tuple[list[list[Arc]], list[bool]]:
        """Arcs and acceptance by state, start first; not minimal. Raises GrammarError over a limit."""
        start = self.closure(self.nfa.start, True)
        return explore(start, self.arcs, _accepts, self.limits.pattern_dfa_states, "the pattern")

    def arcs(self, subset: Subset) -> list[tuple[int, int, Subset]]:
        arcs = [(low, high, reached) for ranges, reached in self.moves(subset) for low, high in ranges]
        return sorted(arcs, key=itemgetter(0))

    def closure(self, state: int, at_start: bool) -> Subset:
        """Where silent moves lead from `state`; `at_start`: no character has been read yet."""
        out = set()
        pending, seen = [(state, False)], {(state, False)}
        while pending:
            at, ended = pending.pop()
            if at == self.nfa.final:
                out.add(_FINAL if ended else self.accepted)
            if at in self.useful and not ended:
                out.add(at)
            for target, anchor in self.nfa.silent[at]:
                move = (target, ended or anchor is False)
                if move not in seen and (at_start or not anchor):
                    seen.add(move)
                    pending.append(move)
        self.spend(len(seen))
        return frozenset((_ALL,)) if _ALL in out else frozenset(out)

    def spend(self, moves: int) -> None:
        self.work += moves
        if self.work > self.limits.pattern_work:
            raise GrammarError("the pattern is too ambiguous to be made deterministic")

    def reached(self, targets: Iterable[int]) -> Subset:
        found = []
        for target in targets:
            closure = self.after.get(target)
            if closure is None:
                closure = self.after[target] = self.closure(target, False)
            found.append(closure)
        self.spend(sum(map(len, found)))
        union = found[0] if len(found) == 1 else frozenset().union(*found)
        return frozenset((_ALL,)) if _ALL in union else union

    def moves(self, subset: Subset) -> list[tuple[Ranges, Subset]]:
        """(characters, subset they lead to), the sets of characters disjoint."""
        if _ALL in subset:
            return [(SCALARS, subset)]
        by_set: dict[Ranges, set[int]] = {}
        for state in subset:
            if state >= 0:
                for ranges, target in self.nfa.reads[state]:
                    by_set.setdefault(ranges, set()).add(target)
        reached = []
        for ranges, holders in self.partition(frozenset(by_set)):
            targets = by_set[holders[0]].union(*(by_set[holder] for holder in holders[1:]))
            found = self.reached(targets)
            if found:
                reached.append((ranges, found))
        return reached

    def partition(self, sets: frozenset[Ranges]) -> list[tuple[Ranges, list[Ranges]]]:
        """Disjoint sets of characters that cover `sets`, each with those of `sets` that hold it."""
        pieces = self.pieces.get(sets)
        if pieces is None:
            pieces = self.pieces[sets] = _partition(sets)
        return pieces


def _accepts(subset: Subset) -> bool:
    return _FINAL in subset or _ALL in subset


def _partition(sets: frozenset[Ranges]) -> list[tuple[Ranges, list[Ranges]]]:
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
