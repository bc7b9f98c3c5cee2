"""The arena keeps what is in use where it is, and makes room of what is not."""

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.grammar.automaton.tables import AutomatonTables
from backend.grammar.device.arena import UNIT, Arena, ArenaFull, Placement
from backend.grammar.device.machine import RESERVED, reserved_cells
from tests.backend.grammar.device.samples import counted, random_grammar

UNITS = 8
GRAMMARS = [counted(i, i + 3) for i in range(4)] + [random_grammar(random.Random(i)) for i in range(4)]


def units(tables: AutomatonTables) -> int:
    return -(-tables.image_size // UNIT)


def intact(arena: Arena, tables: AutomatonTables, placement: Placement) -> bool:
    image = tables.image(placement.grammar)
    return bool((np.asarray(arena.cells)[placement.grammar :][: image.size] == image).all())


@given(st.lists(st.tuples(st.integers(0, len(GRAMMARS) - 1), st.booleans()), max_size=40))
@settings(max_examples=25, deadline=None)
def test_grammars_in_use_stay_intact_and_where_they_are(acts: list[tuple[int, bool]]) -> None:
    arena, in_use = Arena(UNITS * UNIT), {}
    for index, take in acts:
        if not take:
            if index in in_use:
                arena.release(index)
                in_use[index][1] -= 1
                in_use = {i: use for i, use in in_use.items() if use[1]}
            continue
        try:
            placement = arena.acquire(index, GRAMMARS[index])
        except ArenaFull:
            assert index not in in_use
            continue
        assert in_use.setdefault(index, [placement, 0])[0] == placement
        in_use[index][1] += 1
        assert all(intact(arena, GRAMMARS[i], use[0]) for i, use in in_use.items())
        assert (np.asarray(arena.cells)[:RESERVED] == reserved_cells()).all()


def test_a_grammar_that_was_not_dropped_is_not_uploaded_again() -> None:
    arena = Arena(UNITS * UNIT)
    first = arena.acquire("a", GRAMMARS[0])
    arena.release("a")
    assert arena.acquire("a", GRAMMARS[0]) == first


def test_the_longest_unused_grammar_goes_first() -> None:
    arena = Arena(4 * UNIT)
    assert units(GRAMMARS[0]) == units(GRAMMARS[1]) == 1
    before = {name: arena.acquire(name, GRAMMARS[0]) for name in "abc"}
    for name in "bac":
        arena.release(name)
    arena.acquire("a", GRAMMARS[0])
    arena.release("a")
    taken = arena.acquire("d", GRAMMARS[1])
    assert taken.grammar == before["b"].grammar and taken.serial > before["c"].serial
    assert [arena.acquire(name, GRAMMARS[0]) == before[name] for name in "ac"] == [True, True]


def test_no_room_beside_the_grammars_in_use_is_an_error_and_changes_nothing() -> None:
    arena = Arena(2 * UNIT)
    placement = arena.acquire("a", GRAMMARS[0])
    with pytest.raises(ArenaFull, match="in use"):
        arena.acquire("b", GRAMMARS[1])
    assert intact(arena, GRAMMARS[0], placement)
    arena.release("a")
    assert arena.acquire("b", GRAMMARS[1]).grammar == placement.grammar


def test_an_image_of_many_pieces_arrives_whole() -> None:
    arena = Arena(1 << 21)
    image = np.arange((1 << 20) + (1 << 16) + 3 * UNIT + 17, dtype=np.int32)
    arena.upload(UNIT, image)
    np.testing.assert_array_equal(np.asarray(arena.cells)[UNIT : UNIT + image.size], image)
