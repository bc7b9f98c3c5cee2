"""Nondeterministic to deterministic: the subset construction over sets of characters.

A thread is a state of the NFA and what the rest of the text must be, which the look-aheads on its way have said: a set
of obligations, each a state of a deterministic automaton that moves along. What look-behinds ask is known of every
beginning of the text by the automata of lookaround.py, whose states are its context.
"""

from collections.abc import Iterable
from operator import itemgetter

from backend.grammar.chars.explore import explore
from backend.grammar.chars.lookaround import ANYWHERE, Context, Lookarounds, Obligations
from backend.grammar.chars.minimise import Arc
from backend.grammar.chars.nfa import AT_END, AT_START, Guard, Nfa
from backend.grammar.chars.partition import partition
from backend.grammar.chars.ranges import SCALARS, Ranges
from backend.grammar.chars.syntax import Look
from backend.grammar.errors import GrammarError
from backend.grammar.limits import Limits

_FINAL, _ALL = -1, -2
Subset = frozenset[int]
State = tuple[Context, Subset]


class Determinisation:
    """Subset construction. A subset holds threads that read something, each as state + states of the NFA * number of
    its obligations; _FINAL: accepting, _ALL: so is whatever follows.
    """

    def __init__(self, nfa: Nfa, looks: Lookarounds, limits: Limits) -> None:
        self.nfa, self.looks, self.limits = nfa, looks, limits
        self.states = len(nfa.reads)
        self.useful = nfa.useful() | {nfa.rest}
        self.after: dict[tuple[int, Context], Subset] = {}
        self.obligations: list[Obligations] = [frozenset()]
        self.numbers: dict[Obligations, int] = {frozenset(): 0}
        self.pieces: dict[frozenset[Ranges], list[tuple[Ranges, list[Ranges]]]] = {}
        self.work = self.found = 0

    def run(self, context: Context) -> tuple[list[list[Arc]], list[bool]]:
        """Arcs and acceptance by state, start first; not minimal. context: what is known of the text before.

        Raises GrammarError over a limit.
        """
        start = (context, self.closure(self.nfa.start, context))
        return explore(start, self.arcs, _accepts, self.limits.pattern_dfa_states, "the pattern")

    def arcs(self, state: State) -> list[tuple[int, int, State]]:
        arcs = [(low, high, reached) for ranges, reached in self.moves(*state) for low, high in ranges]
        self.found += len(arcs)
        if self.found > self.limits.pattern_arcs:
            raise GrammarError(f"the pattern needs more than {self.limits.pattern_arcs} ranges of characters")
        return sorted(arcs, key=itemgetter(0))

    # Silent moves

    def closure(self, state: int, context: Context) -> Subset:
        """Where silent moves lead from `state` after a text of this context."""
        out: set[int] = set()
        pending: list[tuple[int, bool, Obligations]] = [(state, False, frozenset())]
        seen = set(pending)
        while pending:
            at, ended, obligations = pending.pop()
            if at == self.nfa.final:
                self.finish(out, ended, obligations)
            elif at in self.useful and not ended:
                out.add(self.thread(at, obligations))
            for target, guard in self.nfa.silent[at]:
                for owed in self.passed(guard, context, obligations):
                    move = (target, ended or guard == AT_END, owed)
                    if move not in seen:
                        seen.add(move)
                        pending.append(move)
        self.spend(len(seen))
        return _without_needless(out)

    def passed(self, guard: Guard, context: Context, obligations: Obligations) -> list[Obligations]:
        """The obligations behind a silent move; empty where it cannot be made."""
        if guard is None or guard == AT_END:
            return [obligations]
        if guard == AT_START:
            return [obligations] if context.at_start else []
        assert isinstance(guard, Look)
        if not guard.ahead:
            return [obligations] if self.looks.holds_before(guard, context) else []
        owed = self.looks.obligation(guard, context)
        return [] if owed is None else [obligations | owed]

    def thread(self, state: int, obligations: Obligations) -> int:
        if not obligations:
            return state
        number = self.numbers.setdefault(obligations, len(self.obligations))
        if number == len(self.obligations):
            self.obligations.append(obligations)
        return state + self.states * number

    def finish(self, out: set[int], ended: bool, obligations: Obligations) -> None:
        """Adds what the end of the pattern is, which the end of the text follows if `ended`."""
        if self.looks.fulfilled(obligations):
            out.add(_FINAL)
        if self.nfa.after and not ended:
            out.add(self.thread(self.nfa.rest, obligations) if obligations else _ALL)

    # Moves

    def moves(self, context: Context, subset: Subset) -> list[tuple[Ranges, State]]:
        """(characters, state they lead to), the sets of characters disjoint."""
        if _ALL in subset:
            return [(SCALARS, (ANYWHERE, subset))]
        by_set: dict[Ranges, set[int]] = {}
        for thread in subset:
            if thread < 0:
                continue
            number, state = divmod(thread, self.states) if thread >= self.states else (0, thread)
            for ranges, target in self.nfa.reads[state]:
                by_set.setdefault(ranges, set()).add(target + self.states * number)
            if number:
                for ranges in self.looks.told_apart(self.obligations[number]):
                    by_set.setdefault(ranges, set())
        if context.trackers:
            for ranges in self.looks.told_apart(context.trackers):
                by_set.setdefault(ranges, set())
        reached = []
        for ranges, holders in self.partition(frozenset(by_set)):
            targets = by_set[holders[0]].union(*(by_set[holder] for holder in holders[1:]))
            after = self.looks.advanced(context, ranges[0][0])
            found = self.reached(targets, after, ranges[0][0]) if targets else frozenset()
            if found:
                reached.append((ranges, (ANYWHERE if _ALL in found else after, found)))
        return reached

    def reached(self, targets: Iterable[int], context: Context, code: int) -> Subset:
        """Where the threads are that come to `targets` by a character. context: after it."""
        found = []
        for target in targets:
            closure = self.after.get((target, context))
            if target < self.states:
                if closure is None:
                    closure = self.after[target, context] = self.closure(target, context)
                found.append(closure)
            else:
                found.append(self.owing(target, context, code))
        self.spend(sum(map(len, found)))
        union = found[0] if len(found) == 1 else frozenset().union(*found)
        return frozenset((_ALL,)) if _ALL in union else self.without_stricter(union)

    def owing(self, target: int, context: Context, code: int) -> Subset:
        """`reached` for one thread with obligations, as they were before the character."""
        number, state = divmod(target, self.states)
        owed = self.looks.after(self.obligations[number], code)
        if owed is None:
            return frozenset()
        if not owed:
            return frozenset((_ALL,)) if state == self.nfa.rest else self.reached([state], context, code)
        out: set[int] = set()
        for thread in self.closure(state, context):
            if thread < 0:
                self.finish(out, thread == _FINAL, owed)
            else:
                added, at = divmod(thread, self.states)
                out.add(self.thread(at, owed | self.obligations[added]))
        if state == self.nfa.rest and self.looks.fulfilled(owed):
            out.add(_FINAL)
        return frozenset(out)

    def without_stricter(self, subset: Subset) -> Subset:
        """Without the threads that owe more than another one in the same state."""
        if max(subset, default=0) < self.states:
            return subset
        by_state: dict[int, list[Obligations]] = {}
        for thread in subset:
            if thread >= 0:
                number, state = divmod(thread, self.states)
                by_state.setdefault(state, []).append(self.obligations[number])
        kept = [
            self.thread(state, owed)
            for state, all_owed in by_state.items()
            for owed in all_owed
            if not any(other < owed for other in all_owed)
        ]
        return frozenset(kept) | {thread for thread in subset if thread < 0}

    def spend(self, moves: int) -> None:
        self.work += moves
        if self.work > self.limits.pattern_work:
            raise GrammarError("the pattern is too ambiguous to be made deterministic")

    def partition(self, sets: frozenset[Ranges]) -> list[tuple[Ranges, list[Ranges]]]:
        pieces = self.pieces.get(sets)
        if pieces is None:
            pieces = self.pieces[sets] = partition(sets)
        return pieces


def _accepts(state: State) -> bool:
    return _FINAL in state[1] or _ALL in state[1]


def _without_needless(subset: set[int]) -> Subset:
    return frozenset((_ALL,)) if _ALL in subset else frozenset(subset)
