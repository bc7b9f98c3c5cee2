"""Automaton -> tables: byte classes, codes in one array, and what is known of every state ahead of time."""

from collections import defaultdict

import numpy as np

from backend.grammar.automaton.graph import Graph
from backend.grammar.automaton.pushdown import PushdownAutomaton, Threads
from backend.grammar.automaton.tables import ARGUMENT, COUNT, DEAD, INDENT, OPEN, SEPARATE, SHIFT, AutomatonTables
from backend.grammar.errors import GrammarError
from backend.grammar.limits import DEFAULT_LIMITS, Limits

FAR = 255


def assemble(automaton: PushdownAutomaton, limits: Limits = DEFAULT_LIMITS, layout: int = OPEN) -> AutomatonTables:
    """The tables of an automaton. layout: with which it begins.

    Raises GrammarError where they pass `limits` or need a deeper stack than there is.
    """
    graph = automaton._graph
    states, frames = len(automaton.threads), max(1, len(automaton.frames))
    reasons = max(1, len(automaton.reasons))
    classes, transitions = _transitions(automaton.arcs, limits)
    _check_size(frames * reasons, limits)
    returns = np.full((frames, reasons), DEAD, np.int32)
    for (frame, reason), state in automaton.returns.items():
        returns[frame, reason] = state
    facts = _Facts(automaton)
    depths = facts.min_closing_depths()
    if max(depths) > limits.nesting:
        raise GrammarError(f"every value nests deeper than {limits.nesting} arrays and objects")
    frame_start = np.full((frames, 3), DEAD, np.int32)
    frame_start[: len(automaton.frames)] = np.reshape(automaton.frame_start, (-1, 3))
    after_push = np.zeros(frames, np.int32)
    for frame in range(len(automaton.frames)):
        after_push[frame] = min(FAR, facts.push_min_closing_depth(depths, frame))
    accepting = np.asarray([automaton.accepting(state) for state in range(states)])
    limits_by_node = [*graph.limits, 0, 0]  # ENDED and FLAT_ENDED find the last
    watched = [
        min(filter(None, [limits_by_node[node] for node, _ in threads]), default=0) for threads in automaton.threads
    ]
    watches = facts.watches()
    frame_watches = np.zeros(frames, np.int32)
    for frame in range(len(automaton.frames)):
        frame_watches[frame] = facts.least_after(watches, frame)
    tables = AutomatonTables(
        start=automaton.start,
        layout=layout,
        classes=classes,
        transitions=transitions,
        accepting=accepting,
        finished=accepting & np.asarray([not arcs for arcs in automaton.arcs]),
        in_reasoning=np.asarray([_is_reasoning(threads, graph) for threads in automaton.threads]),
        min_closing_depth=np.asarray(depths, np.int32),
        limits=np.asarray(watched, np.int32),
        watches=np.asarray(watches, np.int32),
        frame_start=frame_start,
        push_min_closing_depth=after_push,
        frame_watches=frame_watches,
        returns=returns,
        counters=np.asarray([*automaton.records[COUNT]], np.int32).reshape(-1, 3),
        separators=np.asarray([*automaton.records[SEPARATE]], np.int32).reshape(-1, 9),
        indentations=np.asarray([*automaton.records[INDENT]], np.int32).reshape(-1, 3),
    )
    _check_size(tables.image_size, limits)
    return tables


def _is_reasoning(threads: Threads, graph: Graph) -> bool:
    return any(node in graph.in_reasoning for node, _ in threads)


def _check_size(cells: int, limits: Limits) -> None:
    if cells * 4 > limits.table_bytes:
        raise GrammarError(f"the grammar's tables exceed {limits.table_bytes >> 20} MiB")


def _transitions(arcs: list[list[tuple[int, int, int]]], limits: Limits) -> tuple[np.ndarray, np.ndarray]:
    """uint8 [256] byte classes and int32 [states, classes] codes. A class is a run of bytes that no arc tells apart."""
    flat = np.asarray([(state, *arc) for state, of_state in enumerate(arcs) for arc in of_state], np.int64)
    state, low, high, code = flat.reshape(-1, 4).T
    starts = np.unique(np.concatenate([[0], low, high + 1]))
    starts = starts[starts < 256]
    classes = (np.searchsorted(starts, np.arange(256), side="right") - 1).astype(np.uint8)
    _check_size(len(arcs) * len(starts), limits)
    first, widths = classes[low].astype(np.int64), classes[high].astype(np.int64) - classes[low] + 1
    offsets = np.arange(widths.sum()) - np.repeat(np.cumsum(widths) - widths, widths)
    table = np.full(len(arcs) * len(starts), DEAD, np.int32)
    table[np.repeat(state * len(starts) + first, widths) + offsets] = np.repeat(code, widths)
    return classes, table.reshape(len(arcs), len(starts))


class _Facts:
    """Walks the automaton backwards. A push counts as a move to every state that may follow its container."""

    def __init__(self, automaton: PushdownAutomaton) -> None:
        self._automaton = automaton
        self._returns: defaultdict[int, list[int]] = defaultdict(list)
        for (frame, _), state in automaton.returns.items():
            if state != DEAD:
                self._returns[frame].append(state)
        self._before: list[list[int]] = [[] for _ in automaton.threads]
        for state, following in enumerate(automaton.following):
            for after in following:
                self._before[after].append(state)
        self._pushes = [(state, frame) for state, frames in enumerate(automaton.pushes) for frame in frames]
        self._ends = [i for i, pops in enumerate(automaton.pops) if pops or automaton.accepting(i)]

    def min_closing_depths(self) -> list[int]:
        """By state: how much deeper the stack must get before the container, or the output, can end; FAR: never.

        A push is taken only if every state that may follow its container has no larger depth than the state before it,
        so that whoever keeps to the depths never gets stuck.
        """
        depths, starts = [FAR] * len(self._before), self._automaton.frame_start
        pushes: list[tuple[int, int]] = []
        for depth in range(FAR):
            reached = self._finishing(pushes)
            for state in reached:
                depths[state] = min(depths[state], depth)
            inside = [max(depths[start] for start in of_frame if start != DEAD) for of_frame in starts]
            possible = [(state, frame) for state, frame in self._pushes if inside[frame] <= depth]
            if len(reached) == len(depths) or (depth > 0 and len(possible) == len(pushes)):
                break
            pushes = possible
        return depths

    def _finishing(self, pushes: list[tuple[int, int]]) -> set[int]:
        """States that reach an end by bytes and by those of `pushes` whose every return does, too."""
        while True:
            pushing: defaultdict[int, list[int]] = defaultdict(list)
            for state, frame in pushes:
                for after in self._returns[frame]:
                    pushing[after].append(state)
            reached: set[int] = set()
            stack = list(self._ends)
            while stack:
                state = stack.pop()
                if state not in reached:
                    reached.add(state)
                    stack += self._before[state]
                    stack += pushing.get(state, ())
            safe = [(state, frame) for state, frame in pushes if reached.issuperset(self._returns[frame])]
            if len(safe) == len(pushes):
                return reached
            pushes = safe

    def push_min_closing_depth(self, depths: list[int], frame: int) -> int:
        """The depth of a state if it pushes `frame`: room inside, and room for whatever follows."""
        after = max((depths[state] for state in self._returns[frame]), default=FAR)
        inside = max(depths[start] for start in self._automaton.frame_start[frame] if start != DEAD)
        return max(1 + inside, after)

    def watches(self) -> list[int]:
        """By state: the least count of items at which something else follows, there or later in the same container;
        0 for none."""
        of_separators = [limit for limit, *_ in self._automaton.records[SEPARATE]]
        if max(of_separators, default=0) <= 0:
            return [0] * len(self._before)
        seeds: defaultdict[int, list[int]] = defaultdict(list)
        for state, arcs in enumerate(self._automaton.arcs):
            for _, _, code in arcs:
                if code >> SHIFT == SEPARATE and of_separators[code & ARGUMENT] > 0:
                    seeds[of_separators[code & ARGUMENT]].append(state)
        users: defaultdict[int, list[int]] = defaultdict(list)
        for state, frame in self._pushes:
            for after in self._returns[frame]:
                users[after].append(state)
        watches = [0] * len(self._before)
        for limit in sorted(seeds):
            stack = seeds[limit]
            while stack:
                state = stack.pop()
                if not watches[state]:
                    watches[state] = limit
                    stack += [*self._before[state], *users.get(state, ())]
        return watches

    def least_after(self, watches: list[int], frame: int) -> int:
        """The least of `watches` that some state after `frame` has, 0 where none has any."""
        return min(filter(None, (watches[state] for state in self._returns[frame])), default=0)
