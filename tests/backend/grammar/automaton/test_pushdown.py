"""The automaton and its tables against a recogniser that runs the graph itself, on every short word."""

import itertools
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from backend.grammar.automaton.assemble import assemble
from backend.grammar.automaton.graph import Graph, Rule
from backend.grammar.automaton.pushdown import PushdownAutomaton
from backend.grammar.automaton.run import Configuration, Runner
from backend.grammar.automaton.tables import ARGUMENT, FRAME, META, SHIFT, AutomatonTables
from backend.grammar.errors import GrammarError

ALPHABET = b"ab[]"
LONGEST = 6
Stack = tuple[tuple[int, int | None], ...]


def graph_words(graph: Graph, root: Rule, longest: int) -> set[bytes]:
    """All words of at most `longest` bytes: breadth first over (node, stack of (node to return to, closing byte))."""
    words: set[bytes] = set()
    level: dict[bytes, set[tuple[int, Stack]]] = {b"": closed(graph, root, {(root.start, ())})}
    for _ in range(longest + 1):
        following: dict[bytes, set[tuple[int, Stack]]] = {}
        for word, threads in level.items():
            if (root.end, ()) in threads:
                words.add(word)
            for byte in ALPHABET:
                after = closed(graph, root, set(moved(graph, threads, byte, longest - len(word))))
                if after:
                    following[word + bytes([byte])] = after
        level = following
    return {word for word in words if len(word) <= longest}


def moved(graph: Graph, threads: set[tuple[int, Stack]], byte: int, room: int) -> Iterator[tuple[int, Stack]]:
    ends = {rule.end for rule in graph.rules}
    for node, stack in threads:
        yield from ((e.target, stack) for e in graph.edges[node] if e.low <= byte <= e.high)
        if sum(closing is not None for _, closing in stack) < room:
            yield from ((r.start, (*stack, (to, r.close))) for r, to in graph.enters[node] if r.open == byte)
        if node in ends and stack and stack[-1][1] == byte:
            yield stack[-1][0], stack[:-1]


def closed(graph: Graph, root: Rule, threads: set[tuple[int, Stack]]) -> set[tuple[int, Stack]]:
    ends = {rule.end for rule in graph.rules}
    work = list(threads)
    while work:
        node, stack = work.pop()
        reached = [(to, stack) for to in graph.epsilons[node]]
        reached += [(rule.start, (*stack, (to, None))) for rule, to in graph.calls[node]]
        if node in ends and stack and stack[-1][1] is None:
            reached.append((stack[-1][0], stack[:-1]))
        for thread in reached:
            if thread not in threads:
                threads.add(thread)
                work.append(thread)
    return threads


@st.composite
def graphs(draw: st.DrawFn) -> tuple[Graph, Rule]:
    """A few rules with random moves; plain rules call only later ones, containers may be entered from anywhere."""
    graph = Graph()
    rules = [graph.rule()]
    for _ in range(draw(st.integers(0, 3))):
        rules.append(graph.container(b"[]") if draw(st.booleans()) else graph.rule())
    nodes = {r.index: [r.start, *(graph.node() for _ in range(draw(st.integers(0, 2)))), r.end] for r in rules}
    for rule in rules:
        own = st.sampled_from(nodes[rule.index])
        for _ in range(draw(st.integers(1, 5))):
            a, b = draw(own), draw(own)
            usable = [r for r in rules if r.open is not None or r.index > rule.index]
            kind = draw(st.sampled_from(["edge", "edge", "epsilon", *(["use", "use"] if usable else [])]))
            if kind == "edge":
                low = draw(st.sampled_from(b"ab"))
                graph.edge(a, low, draw(st.sampled_from([low, ord("b")])), b)
            elif kind == "epsilon":
                graph.epsilon(a, b)
            else:
                used = draw(st.sampled_from(usable))
                (graph.call if used.open is None else graph.enter)(a, used, b)
    return graph, rules[0]


def runner_words(tables: AutomatonTables, longest: int) -> set[bytes]:
    runner = Runner(tables)
    return {
        bytes(word)
        for length in range(longest + 1)
        for word in itertools.product(ALPHABET, repeat=length)
        if runner.accepts(bytes(word))
    }


@given(graphs())
@settings(max_examples=150, deadline=None)
def test_the_tables_accept_what_the_graph_generates(made: tuple[Graph, Rule]) -> None:
    graph, root = made
    words = graph_words(graph, root, LONGEST)
    try:
        tables = assemble(PushdownAutomaton(graph, root))
    except GrammarError:
        assert not words
        return
    tables.check()
    assert runner_words(tables, LONGEST) == words


@given(graphs(), st.integers(0, 3), st.data())
@settings(max_examples=150, deadline=None)
def test_within_a_stack_limit_no_walk_gets_stuck(made: tuple[Graph, Rule], depth: int, data: st.DataObject) -> None:
    graph, root = made
    try:
        tables = assemble(PushdownAutomaton(graph, root))
    except GrammarError:
        assume(False)
    assume(tables.min_closing_depth[tables.start] <= depth)
    runner = Runner(tables, depth)
    at = runner.start
    for _ in range(12):
        following = [after for byte in ALPHABET if (after := runner.step(at, byte)) is not None]
        assert following or runner.complete(at)
        if not following:
            break
        assert len(at.stack) <= depth
        at = data.draw(st.sampled_from(following))
    assert can_end(runner, at)


def can_end(runner: Runner, at: Configuration) -> bool:
    seen, level = {at}, [at]
    while level:
        here = level.pop()
        if runner.complete(here):
            return True
        for byte in ALPHABET:
            after = runner.step(here, byte)
            if after is not None and after not in seen and len(seen) < 20_000:
                seen.add(after)
                level.append(after)
    return False


@given(graphs())
@settings(max_examples=60, deadline=None)
def test_an_image_says_what_the_tables_say(made: tuple[Graph, Rule]) -> None:
    graph, root = made
    try:
        tables = assemble(PushdownAutomaton(graph, root))
    except GrammarError:
        assume(False)
    base = 1000
    cells = np.concatenate([np.full(base, -7, np.int32), tables.image(base)])
    assert cells.size == base + tables.image_size
    width = META + tables.transitions.shape[1]
    for word in itertools.product(ALPHABET, repeat=4):
        at, state, stack = Runner(tables).start, tables.state_at(base, tables.start), []
        for byte in word:
            after = Runner(tables).step(at, byte)
            code = cells[state + cells[base + 1 + byte]]
            kind, argument = code >> SHIFT, code & ARGUMENT
            assert (after is None) == (code == -1)
            if after is None:
                break
            if kind == 1:
                stack.append(argument)
                argument = cells[argument + FRAME - 2]
            elif kind == 2:
                argument = cells[stack.pop() + FRAME + argument]
            at, state = after, argument
            assert (state - base - 257) % width == 0 and (state - base - 257) // width == at.state
            assert bool(cells[state] & 1) == bool(tables.accepting[at.state])
            assert cells[state] >> 8 & 255 == tables.min_closing_depth[at.state]


@given(st.integers(0, 4), st.integers(0, 5) | st.none(), st.integers(0, 4), st.integers(0, 5) | st.none())
@settings(max_examples=60, deadline=None)
def test_counted_strings_count_also_when_two_are_read_at_once(
    low: int, high: int | None, other_low: int, other_high: int | None
) -> None:
    graph, bounds = Graph(), [(low, high), (other_low, other_high)]
    bounds = [(least, most) for least, most in bounds if most is None or least <= most]
    assume(bounds)
    root, ends = graph.rule(), []
    for byte, (least, most) in zip(b"xy", bounds, strict=False):
        after = graph.node()
        graph.string(root.start, None, after, least, most)
        graph.edge(after, byte, byte, root.end)
        ends.append(byte)
    runner = Runner(assemble(PushdownAutomaton(graph, root)))
    for length, character in itertools.product(range(8), ["a", "é", "😀", "\\n", '\\"', "\\u0001"]):
        for byte, (least, most) in zip(ends, bounds, strict=True):
            word = f'"{character * length}"'.encode() + bytes([byte])
            assert runner.accepts(word) == (least <= length and (most is None or length <= most))


def test_a_counted_string_has_as_many_states_for_any_length() -> None:
    sizes = []
    for most in (10, 10_000):
        graph = Graph()
        root = graph.rule()
        graph.string(root.start, None, root.end, 5, most)
        sizes.append(len(PushdownAutomaton(graph, root).threads))
    assert sizes[0] == sizes[1] < 60


def test_a_rule_that_calls_itself_and_goes_on_is_refused() -> None:
    graph = Graph()
    root = graph.rule()
    inner = graph.rule()
    graph.call(root.start, inner, root.end)
    middle = graph.node()
    graph.call(inner.start, inner, middle)
    graph.literal(middle, b"b", inner.end)
    graph.literal(inner.start, b"a", inner.end)
    with pytest.raises(GrammarError, match=r"\$ref"):
        PushdownAutomaton(graph, root)


def test_what_must_nest_for_ever_has_no_word() -> None:
    graph = Graph()
    root = graph.rule()
    inner = graph.container(b"[]")
    graph.enter(root.start, inner, root.end)
    graph.enter(inner.start, inner, inner.end)
    with pytest.raises(GrammarError, match="no finite value"):
        PushdownAutomaton(graph, root)


@given(graphs())
@settings(max_examples=40, deadline=None)
@example((lambda g: (g, g.rule()))(Graph()))
def test_tables_survive_the_way_to_bytes_and_back(made: tuple[Graph, Rule]) -> None:
    graph, root = made
    try:
        tables = assemble(PushdownAutomaton(graph, root))
    except GrammarError:
        return
    again = AutomatonTables.from_bytes(tables.to_bytes())
    assert again.start == tables.start
    assert np.array_equal(again.image(300), tables.image(300))


@given(st.binary(max_size=200))
def test_other_bytes_are_not_taken_for_tables(data: bytes) -> None:
    with pytest.raises(ValueError, match="not the tables"):
        AutomatonTables.from_bytes(data)
