"""The three ways to compute a token mask, and when each is taken."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from backend.grammar.automaton.graph import SCALARS, Graph
from backend.grammar.automaton.run import Runner
from backend.grammar.automaton.tables import META, OPEN, AutomatonTables
from backend.grammar.chars.parse import pattern
from backend.grammar.device.arena import Arena, Placement
from backend.grammar.device.lanes import Start
from backend.grammar.device.machine import Place, columns_of
from backend.grammar.device.packing import pack, pack_flags, pack_tokens, unpack
from backend.grammar.device.text import text_room
from backend.grammar.device.token_mask import _beginnings, compute_mask
from backend.grammar.device.vocabulary import Vocabulary, build_vocabulary
from tests.backend.grammar.device.samples import counted, small_vocabulary, tables_of

TOKENS = small_vocabulary()
VOCABULARY = jax.device_put(build_vocabulary(TOKENS))
ROOM = jnp.int32(60)
computed = jax.jit(compute_mask)
ENOUGH = 50
room = jax.jit(partial(text_room, enough=ENOUGH))


def repeated(*missing: int, escape: bool = True) -> AutomatonTables:
    """Any characters but those, and then a bracket too many."""
    graph = Graph()
    root, ranges = graph.rule(), list(SCALARS)
    for point in missing:
        ranges = [part for low, high in ranges for part in ((low, min(high, point - 1)), (max(low, point + 1), high))]
        ranges = [part for part in ranges if part[0] <= part[1]]
    graph.characters(root.start, tuple(ranges), root.start, escape)
    graph.epsilon(root.start, root.end)
    return tables_of(graph, root)


def begun(arena: Arena, placement: Placement, vocabulary: Vocabulary) -> Start:
    """The first configuration of a grammar."""
    place = Place(jnp.int32(placement.state), jnp.int32(0), jnp.int32(OPEN), jnp.int32(0))
    columns, none = columns_of(arena.cells, jnp.int32(placement.grammar)), jnp.zeros(vocabulary.closers, jnp.int32)
    return Start(place, jnp.int32(0), ROOM, columns, none, none)


def room_for_text(tables: AutomatonTables, before: bytes = b"") -> int:
    """What the device says after `before`."""
    arena, at = Arena(1 << 14), Runner(tables).run(before)
    placement = arena.acquire("it", tables)
    state = placement.state + (at.state - tables.start) * (META + tables.transitions.shape[1])
    columns = columns_of(arena.cells, jnp.int32(placement.grammar))
    return int(room(arena.cells, columns, jnp.int32(state), jnp.int32(at.characters)))


@given(st.integers(0x20, 0xD7FF) | st.integers(0xE000, 0x10FFFF) | st.integers(0x20, 0x100))
@example(0x7FF)
@example(0x800)
@example(0xFFFF)
@example(0x10000)
@example(0x10FFFF)
@settings(max_examples=30, deadline=None)
def test_where_one_character_is_refused_the_room_for_text_is_not_known(point: int) -> None:
    known = room_for_text(repeated(point))
    assert (known > ENOUGH) if chr(point) in '"\\\x7f' else known < 0


@given(st.integers(0, 70), st.none() | st.integers(0, 70), st.integers(0, 140))
@settings(max_examples=40, deadline=None)
def test_the_room_for_text_is_what_the_limits_leave(least: int, more: int | None, written: int) -> None:
    most = None if more is None else least + more
    assume(most is None or written <= most)
    tables = counted(least, most)
    known = room_for_text(tables, b'"' + b"a" * written)
    assert min(known, ENOUGH + 1) == min(ENOUGH + 1, ENOUGH + 1 if most is None else most - written)
    assert room_for_text(tables) <= 0 and (most is None or room_for_text(tables, b'"' + b"a" * most) == 0)


def test_the_room_for_text_is_not_known_where_the_kind_of_character_counts() -> None:
    graph = Graph()
    root = graph.rule()
    graph.string(root.start, None, root.end, 0, 40)
    graph.string(root.start, pattern("^[a-z]*$"), root.end)
    assert room_for_text(tables_of(graph, root), b'"ab') < 0


@pytest.mark.parametrize("missing", [(), (ord("z"),), (0x1F422,), (ord("["),), tuple(range(0x61, 0x7B))])
@pytest.mark.parametrize("escape", [True, False])
def test_each_way_gives_the_masks_of_the_host(missing: tuple[int, ...], escape: bool) -> None:
    tables = repeated(*missing, escape=escape)
    arena, runner = Arena(1 << 14), Runner(tables)
    placement = arena.acquire("it", tables)
    row, used = computed(arena.cells, VOCABULARY, placement.grammar, begun(arena, placement, VOCABULARY))
    allowed = np.asarray(unpack(row[None]))[0]
    assert allowed[: len(TOKENS)].tolist() == [bool(token) and runner.run(token) is not None for token in TOKENS]
    assert not allowed[len(TOKENS) :].any() and not used


def test_only_beginnings_that_may_follow_are_counted() -> None:
    graph = Graph()
    root = graph.rule()
    graph.literal(root.start, b"ab", root.end)
    tables, arena = tables_of(graph, root), Arena(1 << 14)
    placement = arena.acquire("it", tables)
    columns = columns_of(arena.cells, jnp.int32(placement.grammar))
    alive, few = _beginnings(arena.cells, VOCABULARY, columns, jnp.int32(placement.state))
    ids = [
        i
        for s, n in zip(*map(np.asarray, (VOCABULARY.range_starts, VOCABULARY.range_sizes * alive)), strict=True)
        for i in VOCABULARY.ordered[s : s + n].tolist()
    ]
    assert {id for id, token in enumerate(TOKENS) if token == b"a" or token.startswith(b"ab")} == set(ids) and few


@pytest.mark.parametrize("more", [0, 1])
def test_as_many_tokens_as_there_are_lanes_are_run_one_by_one_and_no_more(more: int) -> None:
    tokens = [bytes([i]) for i in range(256)]
    tokens += [b"ab" + bytes([0x80 + i]) for i in range(8 + more)] + [b"c" + bytes([i]) for i in range(24)]
    vocabulary = jax.device_put(build_vocabulary(tokens))
    assert vocabulary.lanes == 9
    graph = Graph()
    root = graph.rule()
    graph.literal(root.start, b"ab\x80", root.end)
    graph.literal(root.start, b"ab\x88", root.end)
    tables, arena = tables_of(graph, root), Arena(1 << 14)
    placement = arena.acquire("it", tables)
    columns = columns_of(arena.cells, jnp.int32(placement.grammar))
    _, few = _beginnings(arena.cells, vocabulary, columns, jnp.int32(placement.state))
    start = begun(arena, placement, vocabulary)
    row, _ = jax.jit(compute_mask)(arena.cells, vocabulary, placement.grammar, start)
    allowed = np.flatnonzero(np.asarray(unpack(row[None]))[0])
    assert bool(few) == (more == 0)
    assert {tokens[id] for id in allowed} == {b"a", b"ab\x80", *([b"ab\x88"] if more else [])}


@pytest.mark.parametrize("size", [1, 32, 200])
def test_packings_agree(size: int) -> None:
    rng, words = np.random.default_rng(size), -(-size // 32)
    whole = np.zeros(32 * words, bool)
    whole[:size] = rng.random(size) < 0.5
    row = pack_flags(whole[:size], words)
    np.testing.assert_array_equal(row, pack(whole))
    np.testing.assert_array_equal(np.asarray(unpack(row[None]))[0], whole)
    order = rng.permutation(size).astype(np.int32)
    np.testing.assert_array_equal(row, pack_tokens(jnp.asarray(order), jnp.asarray(whole[order]), words))
