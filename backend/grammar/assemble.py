"""Automaton -> tables: byte classes, codes in one array, and what is known of every state ahead of time."""

from collections import defaultdict
from collections.abc import Iterable

import numpy as np

from backend.grammar.automaton import Automaton
from backend.grammar.errors import GrammarError
from backend.grammar.limits import DEFAULT, Limits
from backend.grammar.tables import ARGUMENT, COUNT, DEAD, POP, PUSH, SHIFT, Tables

FAR = 255


def assemble(automaton: Automaton, limits: Limits = DEFAULT) -> Tables:
    """The tables of an automaton. Raises GrammarError where they pass `limits` or need a deeper stack than there is."""
    graph = automaton._graph
    states, frames = len(automaton.threads), max(1, len(automaton.frames))
    classes, transitions = _transitions(automaton.arcs, limits)
    returns = np.full((frames, max(1, len(automaton.reasons))), DEAD, np.int32)
    for (frame, reason), state in automaton.returns.items():
        returns[frame, reason] = state
    facts = _Facts(automaton)
    need = facts.needs()
    if max(need) > limits.nesting:
        raise GrammarError(f"every value nests deeper than {limits.nesting} arrays and objects")
    frame_start = np.zeros(frames, np.int32)
    frame_start[: len(automaton.frames)] = automaton.frame_start
    frame_need = np.zeros(frames, np.int32)
    for frame in range(len(automaton.frames)):
        frame_need[frame] = min(FAR, facts.push_need(need, frame))
    accepting = np.asarray([automaton.accepting(state) for state in range(states)])
    watched = [min((graph.limits[n] for n, _ in threads if n >= 0 and graph.limits[n]), default=0)
               for threads in automaton.threads]
    return Tables(
        start=automaton.start,
        classes=classes,
        transitions=transitions,
        accepting=accepting,
        finished=accepting & np.asarray([not arcs for arcs in automaton.arcs]),
        need=np.asarray(need, np.int32),
        distance=np.asarray(facts.distances(), np.int32),
        limits=np.asarray(watched, np.int32),
        frame_start=frame_start,
        frame_need=frame_need,
        returns=returns,
        counters=np.asarray(automaton.counters, np.int32).reshape(-1, 3),
    )


def _transitions(arcs: list[list[tuple[int, int, int]]], limits: Limits) -> tuple[np.ndarray, np.ndarray]:
    """uint8 [256] byte classes and int32 [S, C] codes. A class is a run of bytes that no arc tells apart."""
    flat = np.asarray([(state, *arc) for state, of_state in enumerate(arcs) for arc in of_state], np.int64)
    state, low, high, code = flat.reshape(-1, 4).T
    starts = np.unique(np.concatenate([[0], low, high + 1]))
    starts = starts[starts < 256]
    classes = (np.searchsorted(starts, np.arange(256), side="right") - 1).astype(np.uint8)
    if len(arcs) * len(starts) * 4 > limits.table_bytes:
        raise GrammarError(f"the grammar's tables exceed {limits.table_bytes >> 20} MiB")
    first, widths = classes[low].astype(np.int64), classes[high].astype(np.int64) - classes[low] + 1
    offsets = np.arange(widths.sum()) - np.repeat(np.cumsum(widths) - widths, widths)
    table = np.full(len(arcs) * len(starts), DEAD, np.int32)
    table[np.repeat(state * len(starts) + first, widths) + offsets] = np.repeat(code, widths)
    return classes, table.reshape(len(arcs), len(starts))


class _Facts:
    """Walks the automaton backwards. A push counts as a move to every state that may follow its container."""

    def __init__(self, automaton: Automaton) -> None:
        self._automaton = automaton
        self._returns: defaultdict[int, list[int]] = defaultdict(list)
        for (frame, _), state in automaton.returns.items():
            if state != DEAD:
                self._returns[frame].append(state)
        self._before: list[list[int]] = [[] for _ in automaton.threads]
        self._pushes: list[tuple[int, int]] = []
        self._ends: list[int] = []
        for state, arcs in enumerate(automaton.arcs):
            for code in {arc[2] for arc in arcs}:
                self._read(state, code >> SHIFT, code & ARGUMENT)

    def _read(self, state: int, kind: int, argument: int) -> None:
        if kind == PUSH:
            self._pushes.append((state, argument))
        elif kind == POP:
            self._ends.append(state)
        else:
            targets = self._automaton.counters[argument][1:] if kind == COUNT else (argument,)
            for target in targets:
                self._before[target].append(state)

    def needs(self) -> list[int]:
        """By state: how much deeper the stack must get before the current container, or the word, can end."""
        states = len(self._before)
        need = [FAR] * states
        ends = self._ends + [state for state in range(states) if self._automaton.accepting(state)]
        self._spread(need, ends, 0)
        depth = 0
        while depth < FAR:
            left = [(state, frame) for state, frame in self._pushes if need[state] == FAR]
            if not left:
                break
            ready = [state for state, frame in left if self.push_need(need, frame) <= depth]
            if ready:
                self._spread(need, ready, depth)
            else:
                depth += 1
        return need

    def push_need(self, need: list[int], frame: int) -> int:
        """What a state needs that pushes `frame`: room inside, and room for whatever follows."""
        after = max((need[state] for state in self._returns[frame]), default=FAR)
        return max(1 + need[self._automaton.frame_start[frame]], after)

    def _spread(self, need: list[int], states: Iterable[int], depth: int) -> None:
        stack = list(states)
        while stack:
            state = stack.pop()
            if need[state] > depth:
                need[state] = depth
                stack += self._before[state]

    def distances(self) -> list[int]:
        """By state: at least how many bytes until the current container ends, its bracket included."""
        before = [list(states) for states in self._before]
        for state, frame in self._pushes:
            for after in self._returns[frame]:
                before[after].append(state)
        distance = [FAR] * len(before)
        level, bytes_ = list(set(self._ends)), 1
        while level and bytes_ < FAR:
            reached = [state for state in level if distance[state] == FAR]
            for state in reached:
                distance[state] = bytes_
            level = list({b for state in reached for b in before[state] if distance[b] == FAR})
            bytes_ += 1
        return distance
