"""Graph -> deterministic visibly pushdown automaton (Alur and Madhusudan, "Visibly pushdown languages", 2004).

A state is the set of threads that read the same bytes since the current container opened. A thread is a node and a
continuation, the nodes to return to in calls of plain rules; a continuation ends at the container, so recursion through
containers gives finitely many states. A frame keeps, per container that was entered, the threads that entered it.
"""

from itertools import pairwise

from backend.grammar.automaton.graph import RESET as RESET_EDGE
from backend.grammar.automaton.graph import Graph, Indentation, LayoutEdge, Loosening, Rule, Separator
from backend.grammar.automaton.modules import Modules
from backend.grammar.automaton.productive import prune
from backend.grammar.automaton.tables import (
    CLOSING,
    COUNT,
    DEAD,
    FLAT_POP,
    INDENT,
    LOOSEN,
    NEXT,
    POP,
    PUSH,
    RESET,
    RESETS,
    SEPARATE,
    SHIFT,
)
from backend.grammar.errors import GrammarError
from backend.grammar.limits import DEFAULT_LIMITS, Limits

Thread = tuple[int, int]
"""A node and a continuation; node ENDED: the container of the continuation's bottom may end; FLAT_ENDED: unless it is
indented."""
Threads = frozenset[Thread]
ENDED, FLAT_ENDED = -1, -2
Arc = tuple[int, int, int]
"""First byte, last byte, code."""
Move = tuple[int, int, int, int, int, int]
"""The fields of an edge, and a continuation."""


class BracketConflict(GrammarError):
    """A bracket of a container can be read in another way at the same place.

    byte: the bracket. opens: whether it opens the container.
    """

    def __init__(self, byte: int, rules: list[Rule], opens: bool) -> None:
        self.byte, self.opens = byte, opens
        names = list(dict.fromkeys(rule.name or "a JSON value" for rule in rules))
        super().__init__(
            f"{chr(byte)!r}, which {'opens' if opens else 'closes'} a part of {' and of '.join(names)}, can be read in "
            "another way at the same place; use other characters around the part, or for the other use"
        )


class PushdownAutomaton:
    """The automaton of `graph` from rule `root`. Raises GrammarError where it is empty or passes `limits`.

    By state: arcs, and what they lead to: the states following, the frames of pushes, the reasons of pops.
    By frame: its first states in frame_start, and in frames for each rule that was entered who entered it.
    returns: (frame, reason) to state. records: by kind of code, a number and states, as in the tables.
    """

    def __init__(self, graph: Graph, root: Rule, limits: Limits = DEFAULT_LIMITS) -> None:
        self._alive = prune(graph, root)
        self._graph, self._limits, self._root = graph, limits, root.index
        self._return_to: list[int] = []
        self._parent: list[int] = []
        self._calls_deep: list[int] = []
        self._continuations: dict[tuple[int, int], int] = {}
        self._closures: dict[Thread, Threads] = {}
        self._local: dict[int, tuple[list[int], list[tuple[Rule, int]], bool]] = {}
        self._ends = {rule.end for rule in graph.rules}
        self._flat_ends = {rule.flat_end for rule in graph.rules} - self._ends
        stops = self._ends | self._flat_ends | graph.layouts.keys()
        self._moves_only = [
            bool(edges) and not (graph.epsilons[node] or graph.calls[node] or graph.enters[node] or node in stops)
            for node, edges in enumerate(graph.edges)
        ]
        self._ids: dict[Threads, int] = {}
        self._by_thread: dict[Thread, int] = {}
        self._by_threads: dict[Threads, int] = {}
        self.threads: list[Threads] = []
        self.arcs: list[list[Arc]] = []
        self.following: list[list[int]] = []
        self.pushes: list[list[int]] = []
        self.pops: list[list[int]] = []
        self.frames: list[dict[int, Threads]] = []
        self.frame_start: list[list[int]] = []
        self._frame_ids: dict[frozenset, int] = {}
        self.reasons: list[frozenset[int]] = []
        self._reason_ids: dict[frozenset[int], int] = {}
        self.records: dict[int, dict[tuple[int, ...], int]] = {COUNT: {}, SEPARATE: {}, INDENT: {}}
        self.returns: dict[tuple[int, int], int] = {}
        self._end = (ENDED, self._bottom(root.index))
        self.start = self._state(self._closure((root.start, self._bottom(root.index))))
        self._explore()

    def accepting(self, state: int) -> bool:
        """Whether a string of the root may end in `state`."""
        return self._end in self.threads[state]

    # Threads and their closures

    def _bottom(self, container: int) -> int:
        """The continuation that ends with a container (or the root)."""
        return self._continuation(-1 - container, -1)

    def _continuation(self, node: int, parent: int) -> int:
        key = (node, parent)
        index = self._continuations.get(key)
        if index is None:
            index = self._continuations[key] = len(self._return_to)
            deep = 0 if parent < 0 else self._calls_deep[parent] + 1
            if deep > len(self._graph.rules):
                raise GrammarError("a $ref leads back to itself without an object or array in between")
            self._return_to.append(node)
            self._parent.append(parent)
            self._calls_deep.append(deep)
        return index

    def _local_closure(self, node: int) -> tuple[list[int], list[tuple[Rule, int]], bool]:
        """What `node` reaches silently in its rule: nodes with moves of their own, calls, whether the rule's end."""
        known = self._local.get(node)
        if known is not None:
            return known
        graph, seen, stack = self._graph, {node}, [node]
        moving: list[int] = []
        calls: list[tuple[Rule, int]] = []
        ends = False
        while stack:
            at = stack.pop()
            if graph.edges[at] or graph.enters[at] or at in graph.layouts or at in self._flat_ends:
                moving.append(at)
            calls += graph.calls[at]
            ends = ends or at in self._ends
            for after in graph.epsilons[at]:
                if after not in seen:
                    seen.add(after)
                    stack.append(after)
        self._local[node] = moving, calls, ends
        return self._local[node]

    def _closure(self, thread: Thread) -> Threads:
        known = self._closures.get(thread)
        if known is not None:
            return known
        seen, stack, found = {thread}, [thread], set()
        while stack:
            node, continuation = stack.pop()
            moving, calls, ends = self._local_closure(node)
            found.update([(FLAT_ENDED if at in self._flat_ends else at, continuation) for at in moving])
            reached = [(rule.start, self._after_call(after, continuation)) for rule, after in calls]
            if ends:
                if self._return_to[continuation] < 0:
                    found.add((ENDED, continuation))
                else:
                    reached.append((self._return_to[continuation], self._parent[continuation]))
            for new in reached:
                if new not in seen:
                    seen.add(new)
                    stack.append(new)
            if len(seen) > self._limits.threads:
                raise GrammarError(f"the grammar needs more than {self._limits.threads} alternatives at one place")
        self._closures[thread] = result = frozenset(found)
        return result

    def _after_call(self, node: int, continuation: int) -> int:
        """A call whose return leads to nothing but the end of its own rule hands its continuation on."""
        moving, calls, ends = self._local_closure(node)
        return continuation if ends and not moving and not calls else self._continuation(node, continuation)

    # States

    def _state(self, threads: Threads) -> int:
        index = self._ids.get(threads)
        if index is None:
            index = self._ids[threads] = len(self.threads)
            if index >= self._limits.states:
                raise GrammarError(f"the grammar needs more than {self._limits.states} states")
            if len(threads) > self._limits.threads:
                raise GrammarError(f"the grammar needs more than {self._limits.threads} alternatives at one place")
            self.threads.append(threads)
            self.arcs.append([])
            self.following.append([])
            self.pushes.append([])
            self.pops.append([])
        return index

    def _target(self, threads: Threads) -> int:
        """The state after moves that led to `threads`."""
        state = self._by_threads.get(threads)
        if state is None:
            closures = [self._closure(thread) for thread in threads]
            state = self._by_threads[threads] = self._state(frozenset().union(*closures))
        return state

    def _target_of_one(self, thread: Thread) -> int:
        state = self._by_thread.get(thread)
        if state is None:
            closure = frozenset([thread]) if self._moves_only[thread[0]] else self._closure(thread)
            state = self._by_thread[thread] = self._state(closure)
        return state

    def _expand(self, state: int) -> None:
        """Find the arcs of a state, and what they lead to."""
        if len(self.threads[state]) == 1 and self._expand_plain(state):
            return
        graph = self._graph
        moves: list[Move] = []
        entered: dict[int, dict[int, set[Thread]]] = {}
        ended: dict[tuple[int, int], set[int]] = {}
        laid_out: dict[int, list[tuple[LayoutEdge, int]]] = {}
        for node, continuation in self.threads[state]:
            if node < 0:
                container = -1 - self._return_to[continuation]
                closing = graph.rules[container].close
                if closing is not None:
                    ended.setdefault((closing, POP if node == ENDED else FLAT_POP), set()).add(container)
                continue
            moves += [(*edge, continuation) for edge in graph.edges[node]]
            for edge in graph.layouts.get(node, ()):
                laid_out.setdefault(edge.byte, []).append((edge, continuation))
            for rule, after in graph.enters[node]:
                assert rule.open is not None
                entered.setdefault(rule.open, {}).setdefault(rule.index, set()).add((after, continuation))
        self._targets: set[int] = set()
        arcs = self._byte_arcs(moves)
        self._check_brackets(arcs, entered, ended)
        if any(low <= byte <= high for byte in laid_out for low, high, _ in arcs):
            raise GrammarError("a separator or white space of JSON may be text at the same place")
        arcs += [(byte, byte, self._layout_code(edges)) for byte, edges in laid_out.items()]
        self.following[state] = list(self._targets - {DEAD})
        for byte, entrants in entered.items():
            frame = self._frame(entrants)
            self.pushes[state].append(frame)
            arcs.append((byte, byte, PUSH << SHIFT | frame))
        for (byte, kind), containers in ended.items():
            reason = self._reason(frozenset(containers))
            self.pops[state].append(reason)
            arcs.append((byte, byte, kind << SHIFT | reason))
        self.arcs[state] = arcs

    def _check_brackets(
        self, arcs: list[Arc], entered: dict[int, dict[int, set[Thread]]], ended: dict[tuple[int, int], set[int]]
    ) -> None:
        """Raises BracketConflict where a bracket is also text, both opens and closes, or closes in two ways."""
        closing = [byte for byte, _ in ended]
        for byte in (*entered, *closing):
            ways = (byte in entered) + closing.count(byte) + any(low <= byte <= high for low, high, _ in arcs)
            if ways > 1:
                closed = [index for (one, _), containers in ended.items() if one == byte for index in containers]
                rules = [self._graph.rules[index] for index in entered.get(byte, closed)]
                raise BracketConflict(byte, rules, byte in entered)

    def _expand_plain(self, state: int) -> bool:
        """`_expand` for one thread whose node has ordinary edges only, which is most of them; False for another.

        Their code is the state that they lead to, as NEXT is 0.
        """
        ((node, continuation),) = self.threads[state]
        if node < 0 or self._graph.enters[node] or node in self._graph.layouts:
            return False
        edges = self._graph.edges[node]
        if len(edges) > 1:
            edges = sorted(edges)
            if not all(a[1] < b[0] for a, b in pairwise(edges)):
                return False
        if any(edge[3] for edge in edges):
            return False
        arcs = [(low, high, self._target_of_one((target, continuation))) for low, high, target, _, _ in edges]
        self.arcs[state] = arcs
        self.following[state] = list({after for _, _, after in arcs})
        return True

    def _byte_arcs(self, moves: list[Move]) -> list[Arc]:
        by_range: dict[tuple[int, int], list[Move]] = {}
        for move in moves:
            by_range.setdefault(move[:2], []).append(move)
        ranges = sorted(by_range)
        if all(a[1] < b[0] for a, b in pairwise(ranges)):
            return [(low, high, self._code(by_range[low, high])) for low, high in ranges]
        cuts = sorted({cut for low, high in ranges for cut in (low, high + 1)})
        arcs: list[Arc] = []
        for low, after in pairwise(cuts):
            together = [move for a, b in ranges if a <= low <= b for move in by_range[a, b]]
            if together:
                arcs.append((low, after - 1, self._code(together)))
        return arcs

    def _code(self, moves: list[Move]) -> int:
        """The code of a byte on which all `moves` are taken at once."""
        if len(moves) == 1 and moves[0][3] == 0:
            _, _, target, _, _, continuation = moves[0]
            return NEXT << SHIFT | self._follow(self._target_of_one((target, continuation)))
        limit = min((move[3] for move in moves if move[3] > 0), default=0)
        same = self._target(frozenset([(target, c) for _, _, target, _, _, c in moves]))
        if limit == 0:
            resets = any(move[3] == RESET_EDGE for move in moves)
            if resets and any(move[3] != RESET_EDGE and self._counts(move[2]) for move in moves):
                raise GrammarError("two parts whose characters are counted may begin at different places of one text")
            return (RESET if resets else NEXT) << SHIFT | self._follow(same)
        reached = self._target(frozenset([(after if own == limit else to, c) for _, _, to, own, after, c in moves]))
        return self._record(COUNT, limit, same, reached)

    def _layout_code(self, edges: list[tuple[LayoutEdge, int]]) -> int:
        """The code of a byte on which all `edges` are taken at once: they are of one kind, as what was read before says
        where in the layout one is."""
        loosened = [(edge.target, c) for edge, c in edges if isinstance(edge, Loosening)]
        indented = [(edge, c) for edge, c in edges if isinstance(edge, Indentation)]
        separated = [(edge, c) for edge, c in edges if isinstance(edge, Separator)]
        assert len(edges) in (len(loosened), len(indented), len(separated)), "a byte has two places in the layout"
        if loosened:
            return LOOSEN << SHIFT | self._follow(self._together(loosened))
        if indented:
            flags = CLOSING * indented[0][0].closing + RESETS * indented[0][0].resets
            same = self._together([(edge.same, c) for edge, c in indented])
            return self._record(INDENT, flags, same, self._together([(edge.reached, c) for edge, c in indented]))
        return self._separator_code(separated)

    def _separator_code(self, edges: list[tuple[Separator, int]]) -> int:
        limit = min((edge.limit for edge, _ in edges if edge.limit > 0), default=edges[0][0].limit)
        below = [self._together([(edge.targets[i], c) for edge, c in edges]) for i in range(4)]
        at = below
        if limit > 0:
            ends = [(edge.reached if edge.limit == limit else edge.targets, c) for edge, c in edges]
            at = [self._together([(targets[i], c) for targets, c in ends]) for i in range(4)]
        return self._record(SEPARATE, limit, *below, *at)

    def _together(self, threads: list[Thread]) -> int:
        """The state after moves to the live ones of `threads`, DEAD where none is."""
        if len(threads) == 1:
            return self._target_of_one(threads[0]) if self._alive[threads[0][0]] else DEAD
        live = frozenset([thread for thread in threads if self._alive[thread[0]]])
        return self._target(live) if live else DEAD

    def _record(self, kind: int, number: int, *states: int) -> int:
        """The code of a kind whose argument is a record."""
        self._targets.update(states)
        records = self.records[kind]
        return kind << SHIFT | records.setdefault((number, *states), len(records))

    def _counts(self, node: int) -> bool:
        """Whether characters are being counted at `node`."""
        return any(self._graph.limits[at] for at in self._local_closure(node)[0])

    def _follow(self, state: int) -> int:
        self._targets.add(state)
        return state

    # Containers

    def _frame(self, entrants: dict[int, set[Thread]]) -> int:
        frozen = {rule: frozenset(threads) for rule, threads in entrants.items()}
        key = frozenset(frozen.items())
        index = self._frame_ids.get(key)
        if index is None:
            index = self._frame_ids[key] = len(self.frames)
            if index >= self._limits.frames:
                raise GrammarError(f"the grammar needs more than {self._limits.frames} stack symbols")
            self.frames.append(frozen)
            self.frame_start.append([DEAD, self._start_of(index, 1), self._start_of(index, 2)])
        return index

    def _start_of(self, frame: int, layout: int) -> int:
        """The first state inside where the layout is open (0), flat (1) or indented (2); DEAD where it is never."""
        rules = [self._graph.rules[container] for container in self.frames[frame]]
        return self._together([(rule.starts[layout], self._bottom(rule.index)) for rule in rules])

    def _reason(self, containers: frozenset[int]) -> int:
        index = self._reason_ids.setdefault(containers, len(self.reasons))
        if index == len(self.reasons):
            self.reasons.append(containers)
        return index

    def _return(self, frame: int, reason: int) -> int:
        """The state after the containers of `reason` ended at once, for those who entered them with `frame`."""
        state = self.returns.get((frame, reason))
        if state is None:
            entrants = self.frames[frame]
            threads = frozenset().union(*[entrants.get(rule, ()) for rule in self.reasons[reason]])
            state = self.returns[frame, reason] = self._target(threads) if threads else DEAD
        return state

    def _explore(self) -> None:
        """Expand every state that can be reached, with every return that can happen.

        A module is what lies between two brackets, named by its first state; its states are explored once per module,
        because who may return from it depends on the frames that start it.
        """
        modules = Modules(self)
        modules.add(self.start, self.start)
        expanded = 0
        while modules.work:
            module, state = modules.work.pop()
            if state >= expanded:
                while expanded < len(self.threads):
                    self._expand(expanded)
                    expanded += 1
            modules.visit(module, state)
