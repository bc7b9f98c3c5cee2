"""Masks and states on the device against the host, token by token."""

import json
import random
from collections.abc import Callable, Sequence
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.grammar import Constraint, alphabet_of
from backend.grammar.automaton.encoding import Ranges
from backend.grammar.automaton.graph import SCALARS
from backend.grammar.automaton.run import Runner
from backend.grammar.automaton.tables import INDENTED, AutomatonTables
from backend.grammar.compile import compile_constraint
from backend.grammar.device import step
from backend.grammar.device.state import DEPTH
from tests.backend.grammar.device.samples import (
    END,
    Walk,
    brackets_as_text,
    counted,
    lists_of_one_string,
    nested_lists,
    nested_objects,
    random_grammar,
    small_vocabulary,
)
from tests.backend.grammar.vocabularies import vocabulary

TOKENS = small_vocabulary()
ROWS = 4
seeds = st.integers(0, 2**32)
Weight = Callable[[bytes], float]


def check(walk: Walk, rng: random.Random, steps: int, weight: Weight = lambda token: 1 + len(token)) -> None:
    """Masks are equal at each of so many steps of random tokens."""
    for _ in range(steps):
        mask = walk.host_mask()
        np.testing.assert_array_equal(walk.device_mask(), mask)
        walk.draw([pick(walk.tokens, row, rng, weight) for row in mask])


def pick(tokens: Sequence[bytes], allowed: np.ndarray, rng: random.Random, weight: Weight) -> int:
    """Any allowed token; END where there is no other."""
    ids = [int(id) for id in np.flatnonzero(allowed) if tokens[id]]
    return rng.choices(ids, [0.01 + weight(tokens[id]) for id in ids])[0] if ids else END


def opens(token: bytes) -> int:
    return sum((byte in b"[{") - (byte in b"]}") for byte in token)


@given(seeds)
@settings(max_examples=15, deadline=None)
def test_masks_equal_those_of_the_host_in_mixed_batches(seed: int) -> None:
    rng = random.Random(seed)
    check(Walk(TOKENS, [random_grammar(rng), None, random_grammar(rng), random_grammar(rng)]), rng, 12)


@given(seeds)
@settings(max_examples=8, deadline=None)
def test_kernels_give_the_masks_of_the_host_and_lead_where_it_goes(seed: int) -> None:
    """Without a memory of masks: brackets, counted characters and items, a row that has no grammar."""
    rng = random.Random(seed)
    nested = rng.choice([nested_lists(), nested_objects(), brackets_as_text()])
    check(Walk(TOKENS, [random_grammar(rng), None, nested, counted(1, 9)], pool=0), rng, 12)


def test_kernels_do_nothing_to_rows_that_are_inactive() -> None:
    walk = Walk(TOKENS, [nested_lists(), counted(1, 2)] * 2, pool=0)
    walk.active = jnp.asarray([True, False, False, True])
    before = walk.rows
    walk.draw([TOKENS.index(b"["), TOKENS.index(b"a")] * 2)
    for was, now in zip(jax.tree.leaves(before), jax.tree.leaves(walk.rows), strict=True):
        np.testing.assert_array_equal(np.asarray(was)[1:3], np.asarray(now)[1:3])


@given(st.sampled_from([0, 1, 5, 30]), st.sampled_from([None, 0, 1, 6, 40, 41]), seeds)
@settings(max_examples=12, deadline=None)
def test_characters_are_counted_exactly_on_both_sides_of_a_limit(least: int, more: int | None, seed: int) -> None:
    tables = counted(least, None if more is None else least + more)
    walk = Walk(TOKENS, [tables] * ROWS)
    check(walk, random.Random(seed), least + 12, lambda token: len(token) < 4)


@pytest.mark.parametrize("text", ['{"enum": ["é", "日本", "a"]}', '{"maxLength": 9, "type": "string"}', "{}"])
def test_masks_equal_those_of_the_host_where_tokens_are_missing(text: str) -> None:
    rng = random.Random(text)
    tokens = [token for token in TOKENS if rng.random() < 0.8 or token in (b"", b'"', b"\\", b"u", b"a")]
    tables = compile_constraint(Constraint("json_schema", text), alphabet_of(tokens))
    check(Walk(tokens, [tables] * ROWS), rng, 20)


LAID_OUT = [
    *(b"\n" + b" " * n for n in range(9)),
    *(b" " * n for n in (2, 3, 4, 7)),
    *(b",\n", b"{\n", b"[\n ", b"}\n", b"}\n ", b"],\n  ", b'": ', b", ", b'": [\n', b"],[", b"}, {", b",1,1", b"1,"),
]


@pytest.mark.parametrize("layout", range(INDENTED + 3))
@pytest.mark.parametrize("most", [3, 9, 300])
def test_masks_equal_those_of_the_host_whatever_the_layout(layout: int, most: int) -> None:
    rng = random.Random(layout * most)
    inner = {"type": "array", "items": {"enum": [1, [], [1, 1]]}, "minItems": 2, "maxItems": most}
    schema = {"type": "array", "items": {"anyOf": [inner, {"type": "object"}]}, "maxItems": 40}
    tables = replace(compile_constraint(Constraint("json_schema", json.dumps(schema))), layout=layout)
    walk = Walk([*TOKENS, *LAID_OUT], [tables] * ROWS)
    check(walk, rng, 40, lambda token: 40 * (token in LAID_OUT) + (token in (b"1", b",", b"]")))


def test_tokens_of_spaces_end_with_the_indentation() -> None:
    tokens = [*TOKENS, b" " * 7]
    walk = Walk(tokens, [compile_constraint(Constraint("json_object"))])
    for token in (b"{", b"\n", *[b" "] * 6, b'"', b"a", b'":', b" ", b"{", b"\n", b" " * 7, *[b" "] * 5, b'"'):
        np.testing.assert_array_equal(walk.device_mask(), walk.host_mask())
        assert walk.device_mask()[0, tokens.index(token)], token
        walk.draw([tokens.index(token)])


@pytest.mark.parametrize("items", [1, 2, 3, 3999, 4000])
def test_items_are_counted_exactly_on_both_sides_of_both_bounds(items: int) -> None:
    schema = {"type": "array", "items": {"enum": [1, []]}, "minItems": 3, "maxItems": 4000}
    walk = Walk(TOKENS, [compile_constraint(Constraint("json_schema", json.dumps(schema)))])
    comma, close = TOKENS.index(b","), TOKENS.index(b"]")
    for token in [b"[", b"[", b"]", *[b",", b"[", b"]"] * (items - 1)]:
        walk.draw([TOKENS.index(token)])
    mask = walk.device_mask()[0]
    np.testing.assert_array_equal(mask, walk.host_mask()[0])
    assert (mask[close], mask[comma]) == (items >= 3, items < 4000)


def test_many_items_below_the_limit_make_no_difference() -> None:
    walk = Walk(TOKENS, [compile_constraint(Constraint("json_schema", '{"maxItems": 4000, "type": "array"}'))])
    for token in [b"[", *[b"{}", b","] * 60]:
        walk.device_mask()
        walk.draw([TOKENS.index(token)])
    assert walk.cache.computed <= 6


def test_many_characters_below_the_limit_make_no_difference() -> None:
    walk = Walk(TOKENS, [counted(0, 1000)] * ROWS)
    walk.draw([TOKENS.index(b'"')] * ROWS)
    for _ in range(50):
        walk.device_mask()
        walk.draw([TOKENS.index(b"a" * 8)] * ROWS)
    assert walk.cache.computed == 1


@pytest.mark.parametrize("tables", [nested_lists(), nested_objects()], ids=["lists", "objects"])
def test_a_full_stack_lets_nothing_open_and_everything_close(tables: AutomatonTables) -> None:
    walk = Walk(TOKENS, [tables] * 2)
    while len(walk.at[0].stack) < DEPTH:
        mask = walk.host_mask()
        np.testing.assert_array_equal(walk.device_mask(), mask)
        walk.draw([max(np.flatnonzero(row), key=lambda id: opens(TOKENS[id])) for row in mask])
    while not all(walk.finished()):
        mask = walk.host_mask()
        np.testing.assert_array_equal(walk.device_mask(), mask)
        walk.draw([min(np.flatnonzero(row), key=lambda id: opens(TOKENS[id])) for row in mask])
    assert all(runner.complete(at) for runner, at in zip(walk.runners, walk.at, strict=True))


@pytest.mark.parametrize("letters", [SCALARS, ((0, ord("y")), (ord("{"), 0x7FF)), ((ord("a"), ord("a")),)])
def test_in_the_deepest_string_nothing_leads_to_where_the_stack_must_grow(letters: Ranges) -> None:
    walk = Walk(TOKENS, [lists_of_one_string(letters)])
    comma = []
    for _ in range(DEPTH):
        walk.draw([TOKENS.index(b"[")])
        if len(walk.at[0].stack) >= DEPTH - 1:
            before = walk.rows, list(walk.at)
            walk.draw([TOKENS.index(b'"')])
            mask = walk.device_mask()
            np.testing.assert_array_equal(mask, walk.host_mask())
            comma.append(bool(mask[0, TOKENS.index(b'", ')]))
            walk.rows, walk.at = before
    assert comma == [True, False]


@given(seeds)
@settings(max_examples=5, deadline=None)
def test_masks_of_one_state_over_different_stacks_differ_as_on_the_host(seed: int) -> None:
    check(
        Walk(TOKENS, [nested_lists(), nested_objects()] * 2), random.Random(seed), 15, lambda token: opens(token) == 1
    )


@given(seeds)
@settings(max_examples=5, deadline=None)
def test_masks_are_right_in_a_pool_hardly_larger_than_the_batch(seed: int) -> None:
    rng = random.Random(seed)
    check(Walk(TOKENS, [random_grammar(rng) for _ in range(ROWS)], pool=ROWS + 1), rng, 12)


def test_brackets_of_a_regular_expression_are_ordinary_bytes() -> None:
    check(Walk(TOKENS, [brackets_as_text()] * ROWS), random.Random(1), 15)


def test_a_configuration_seen_before_costs_no_fill() -> None:
    tables = random_grammar(random.Random(3))
    walk = Walk(TOKENS, [tables] * ROWS)
    start = walk.rows
    check(walk, random.Random(5), 1)
    assert walk.cache.computed == 1
    walk.rows, walk.at = start, [runner.start for runner in walk.runners]
    check(walk, random.Random(5), 1)
    assert walk.cache.computed == 1


def test_where_no_token_reaches_the_end_of_the_container_the_stack_makes_no_difference() -> None:
    walk = Walk(TOKENS, [nested_lists(b"unreachable")] * ROWS)
    for _ in range(20):
        walk.device_mask()
        walk.draw([TOKENS.index(b"[")] * ROWS)
    assert walk.cache.computed == 2


def test_rows_without_a_grammar_cost_nothing_and_stay_as_they_are() -> None:
    walk = Walk(TOKENS, [None] * ROWS)
    before = walk.rows
    assert walk.device_mask().all()
    walk.draw([TOKENS.index(b"[[")] * ROWS)
    jax.tree.map(np.testing.assert_array_equal, walk.rows, before)
    assert walk.cache.computed == 0 and not any(walk.finished())


def test_inactive_rows_are_neither_computed_nor_advanced() -> None:
    walk = Walk(TOKENS, [nested_lists(), counted(1, 2)] * 2)
    walk.active = jnp.asarray([True, False, True, False])
    before = walk.rows
    walk.device_mask()
    walk.draw([TOKENS.index(b"["), TOKENS.index(b'"')] * 2)
    assert walk.cache.computed == 1
    np.testing.assert_array_equal(walk.rows.depth, [1, 0, 1, 0])
    np.testing.assert_array_equal(walk.rows.state[1::2], before.state[1::2])


def test_an_end_token_is_allowed_only_where_the_output_may_end_even_if_it_has_bytes() -> None:
    tokens = [b"a", *TOKENS[1:]]
    walk = Walk(tokens, [counted(0, 9)] * ROWS)
    allowed = []
    for text in (b'"', b"b", b"b", b'"'):
        allowed.append(walk.device_mask()[:, END].any())
        walk.draw([tokens.index(text)] * ROWS)
    assert allowed == [False] * 4 and walk.device_mask()[:, END].all() and all(walk.finished())


def test_cells_that_hold_another_grammar_now_are_not_taken_for_the_old_one() -> None:
    walk = Walk(TOKENS, [nested_lists()] * ROWS)
    walk.device_mask()
    old = walk.rows
    walk.replace(nested_lists(b"ab"))
    assert (walk.rows.grammar == old.grammar).all() and (walk.rows.state == old.state).all()
    check(walk, random.Random(0), 6)


@pytest.mark.parametrize("seed", range(3))
def test_what_a_loop_on_the_device_draws_belongs_to_the_language(seed: int) -> None:
    rng = random.Random(seed)
    walk = Walk(TOKENS, [random_grammar(rng) for _ in range(ROWS)])
    drawn, done = decode_loop(walk, jax.random.key(seed), steps=150)
    for row, runner in enumerate(walk.runners):
        tokens = drawn[row].tolist()
        text = b"".join(TOKENS[token] for token in tokens)
        at = Runner(runner._t, DEPTH).run(text)
        assert at is not None and (runner.complete(at) or not done[row])
    assert done.any()


def decode_loop(walk: Walk, key: jax.Array, steps: int) -> tuple[np.ndarray, np.ndarray]:
    """Random tokens, short and closing ones the likelier, drawn in one dispatch: int32 [B, steps], and who is done."""
    bias = jnp.asarray([3.0 * (b"]" in t or b"}" in t or b'"' in t) - 2 * opens(t) - 0.2 * len(t) for t in TOKENS])

    def body(carry):
        i, cache, rows, done, drawn = carry
        cache, bits = step.allowed_tokens(cells, walk.vocabulary, cache, rows, ~done)
        logits = bias + 2 * jax.random.gumbel(jax.random.fold_in(key, i), (ROWS, len(TOKENS)))
        tokens = jnp.argmax(step.apply_mask(logits, bits), -1).astype(jnp.int32)
        rows = step.advance(cells, walk.vocabulary, rows, ~done, tokens)
        drawn = drawn.at[:, i].set(jnp.where(done, END, tokens))
        return i + 1, cache, rows, done | (tokens == END) | step.finished(cells, rows), drawn

    cells = walk.arena.cells
    start = (jnp.int32(0), walk.cache, walk.rows, jnp.zeros(ROWS, bool), jnp.zeros((ROWS, steps), jnp.int32))
    loop = jax.jit(lambda carry: jax.lax.while_loop(lambda c: (c[0] < steps) & ~c[3].all(), body, carry))
    *_, done, drawn = loop(start)
    return np.asarray(drawn), np.asarray(done)


@pytest.mark.parametrize("name", ["32k", "131k"])
def test_masks_over_a_real_vocabulary_equal_those_of_the_host(name: str) -> None:
    tokens = vocabulary(name).tokens
    assert tokens[END] == b""
    rng = random.Random(2)
    check(Walk(tokens, [random_grammar(rng), counted(2, 30)]), rng, 3)


@pytest.mark.parametrize("size", [1, ROWS])
def test_a_step_whose_rows_are_all_known_runs_over_no_token(size: int) -> None:
    walk = Walk(TOKENS, [nested_lists()] * size)
    args = (walk.arena.cells, walk.vocabulary, walk.cache, walk.rows, walk.active)
    program = jax.jit(step.allowed_tokens).lower(*args).compile().as_text()
    always = program[program.index("\nENTRY ") :]
    assert always.count(" while(") == 1, "a mask was computed outside of the loop over missing ones"
