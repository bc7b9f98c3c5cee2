"""Structured output in the engine: every output is a word of its grammar, and nothing else changes."""

import asyncio
import threading
from concurrent.futures import Future
from dataclasses import replace
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.grammar import Constraint, ContextFree, Grammar, alphabet_of, structural_constraint
from backend.grammar.automaton.run import Runner
from backend.grammar.automaton.tables import DEAD, AutomatonTables
from backend.grammar.compile import compile_constraint
from backend.grammar.device.machine import RESERVED
from backend.request import Request, TokenEvent
from tests.backend.engine.conftest import CONFIG, TOKENS, Small, request, tokens
from tests.backend.engine.scenarios import FREE, running, varied
from tests.backend.engine.test_invariants import requests, together

CONSTRAINTS = (
    Constraint("regex", "[ab]{2,5}|true|e(12)*"),
    Constraint("json_object"),
    Constraint("json_schema", '{"type": "array", "items": {"type": "boolean"}, "minItems": 1}'),
    Constraint("json_schema", '{"type": "string", "minLength": 3, "maxLength": 40}'),
    Constraint("json_schema", '{"properties": {"ü": {"pattern": "^[éüz\\\\u0004]{2,6}$"}}, "required": ["ü"]}'),
    Constraint("regex", "(é|ü|a[bz]?|z+){3,}"),
    structural_constraint(
        ContextFree('root ::= "[" root "]" | root "," root | "true" | "e" [12]+ | "a" root "b"', "g")
    ),
    Constraint(
        "json_schema",
        '{"$ref": "#/$defs/n", "$defs": {"n": {"type": "object", "required": ["a"], "properties": '
        '{"a": {"type": "array", "items": {"$ref": "#/$defs/n"}}, "b": {"type": "number"}}}}}',
    ),
)


@cache
def compiled(constraint: Constraint) -> AutomatonTables:
    return compile_constraint(constraint, alphabet_of(TOKENS))


def grammar(constraint: Constraint) -> Grammar:
    tables: Future[AutomatonTables] = Future()
    tables.set_result(compiled(constraint))
    return Grammar(constraint, tables)


def text(events: list[TokenEvent], choice: int = 0) -> bytes:
    return b"".join(TOKENS[event.token] for event in events if event.choice == choice and not event.is_end)


def is_stuck(runner: Runner, written: bytes, asked: Request) -> bool:
    """Whether nothing may follow but bytes of which all tokens end the output."""
    others = (word for token, word in enumerate(TOKENS) if word and token not in asked.sampling.end_tokens)
    return all(runner.run(written + word) is None for word in others)


def check(events: list[TokenEvent], asked: Request) -> None:
    """Finished choices are words, those cut short begin one; end tokens come where a word may end or nothing else."""
    runner = Runner(compiled(asked.grammar.key))
    for choice in range(len(asked.seeds)):
        own = [event for event in events if event.choice == choice]
        written = text(events, choice)
        at = runner.run(written)
        assert at is not None
        if own[-1].finish_reason == "stop":
            assert runner.complete(at)
        else:
            assert own[-1].finish_reason == "length"
            assert len(own) == asked.sampling.max_tokens or (own[-1].is_end and is_stuck(runner, written, asked))
        assert own[-1].is_end == (own[-1].token in asked.sampling.end_tokens)


constrained = st.builds(
    lambda constraint, seeds, temperature, end, most, bias: request(
        [5, 6, 7], seeds=tuple(seeds), grammar=grammar(constraint), temperature=temperature, end_tokens=end,
        max_tokens=most, logit_bias={2: bias, 4: bias},
    ),
    st.sampled_from(CONSTRAINTS),
    st.lists(st.integers(0, 2**32), min_size=1, max_size=3),
    st.sampled_from([0.0, 1.0, 2.0]),
    st.sampled_from([(0,), (), (0, 9)]),
    st.integers(1, 120),
    st.sampled_from([0.0, 5.0]),
)  # fmt: skip


@settings(max_examples=40)
@given(asked=constrained)
def test_every_output_is_a_word_of_its_grammar(small: Small, asked: Request) -> None:
    check(small.engine.generate(asked), asked)


def test_where_only_an_end_token_could_go_on_the_answer_is_cut(small: Small) -> None:
    """Of "ab" the request has "b" as an end token."""
    asked = request(
        [5, 6, 7], grammar=grammar(Constraint("regex", "ab")), end_tokens=(TOKENS.index(b"b"),), max_tokens=9
    )
    events = small.engine.generate(asked)
    check(events, asked)
    assert text(events) == b"a" and len(events) == 2 and events[-1].finish_reason == "length"


@settings(max_examples=15)
@given(batch=st.lists(st.one_of(requests, constrained), min_size=2, max_size=6), data=st.data())
def test_rows_with_and_without_a_grammar_do_not_disturb_each_other(small: Small, batch, data) -> None:
    leave_after = data.draw(st.dictionaries(st.integers(0, len(batch) - 1), st.integers(0, 9), max_size=2))
    alone = [small.engine.generate(each) for each in batch]
    for i, (asked, events) in enumerate(zip(batch, together(small.engine, batch, leave_after), strict=True)):
        for choice in range(len(asked.seeds)):
            expected = tokens(alone[i], choice)
            assert tokens(events, choice) == (
                expected if i not in leave_after else expected[: len(tokens(events, choice))]
            )


def test_a_finished_grammar_ends_the_choice_without_an_end_token(small: Small) -> None:
    asked = request([1, 2], grammar=grammar(Constraint("regex", "(true|e){3}")), end_tokens=(0,), max_tokens=50)
    events = small.engine.generate(asked)
    assert events[-1].finish_reason == "stop" and not events[-1].is_end
    assert text(events).replace(b"true", b"e") == b"eee"


@pytest.mark.parametrize("end_tokens", [(0,), (0, 9)])
def test_a_dead_end_of_a_grammar_ends_with_length(small: Small, end_tokens: tuple[int, ...]) -> None:
    """No grammar has one that is known; one is made here, of tables that are damaged behind the first letter."""
    tables = compiled(Constraint("regex", "abc"))
    transitions = tables.transitions.copy()
    transitions[Runner(tables).run(b"a").state] = DEAD
    broken: Future[AutomatonTables] = Future()
    broken.set_result(replace(tables, transitions=transitions))
    asked = request([1, 2], seeds=(0, 1), grammar=Grammar("broken", broken), end_tokens=end_tokens, max_tokens=50)
    events = small.engine.generate(asked)
    for choice in (0, 1):
        *_, last = [event for event in events if event.choice == choice]
        assert text(events, choice) == b"a" and last.is_end and last.finish_reason == "length"


def test_nesting_to_the_limit_of_the_stack_still_ends_well(small: Small) -> None:
    deep = Constraint(
        "json_schema", '{"$ref": "#/$defs/l", "$defs": {"l": {"type": "array", "items": {"$ref": "#/$defs/l"}}}}'
    )
    opening = {TOKENS.index(b"["): 80.0, TOKENS.index(b"[["): 90.0}
    asked = request([1], grammar=grammar(deep), max_tokens=190, logit_bias=opening, end_tokens=(0,), temperature=0.0)
    events = small.engine.generate(asked)
    assert text(events).startswith(b"[" * 64) and not text(events).startswith(b"[" * 65)
    check(events, asked)


def test_others_go_on_while_a_grammar_is_compiled(small: Small) -> None:
    tables: Future[AutomatonTables] = Future()
    waiting = request([1, 2, 3], seeds=(1, 2), grammar=Grammar("late", tables), end_tokens=(0,), max_tokens=30)

    async def both() -> tuple[list[TokenEvent], list[TokenEvent]]:
        late = small.engine.submit(waiting)
        others = [small.engine.submit(request([i + 1], seeds=tuple(range(6)))) for i in range(2)]
        events = [[event async for event in other] for other in others]
        assert late._received.empty()
        threading.Timer(0.05, tables.set_result, [compiled(CONSTRAINTS[0])]).start()
        return [event async for event in late], events[0]

    late, other = asyncio.run(both())
    assert len(tokens(other, 5)) == 10
    assert {event.finish_reason for event in late} >= {"stop"}
    at_once = request([1, 2, 3], seeds=(1, 2), grammar=grammar(CONSTRAINTS[0]), end_tokens=(0,), max_tokens=30)
    assert sorted(map(repr, late)) == sorted(map(repr, small.engine.generate(at_once)))


def test_a_request_whose_grammar_fails_is_cancelled_and_frees_its_rows(small: Small) -> None:
    async def failing() -> None:
        tables: Future[AutomatonTables] = Future()
        generation = small.engine.submit(request([1], seeds=(0,) * 4, grammar=Grammar("bad", tables)))
        tables.set_exception(ValueError("refused"))
        await generation.aclose()
        assert [event async for event in generation] == []

    asyncio.run(failing())
    assert len(small.engine.generate(request([1], seeds=(0,) * 4))) == 40


def test_a_grammar_without_room_waits_for_those_in_use(small: Small) -> None:
    wide = [Constraint("regex", f"(a{{{1500 + i}}}|b)*e") for i in range(4)]
    sizes = [compiled(constraint).image_size for constraint in wide]
    assert max(sizes) < CONFIG.grammar_cells - RESERVED < sum(sizes)
    batch = [request([i], grammar=grammar(c), end_tokens=(0,), max_tokens=25) for i, c in enumerate(wide)]
    for asked, events in zip(batch, together(small.engine, batch, {}), strict=True):
        check(events, asked)
        assert events == small.engine.generate(asked)


def test_log_probabilities_are_those_of_the_model_itself(small: Small) -> None:
    asked = request([1, 2], grammar=grammar(CONSTRAINTS[0]), temperature=0.0, max_tokens=1, top_logprobs=3)
    free = request([1, 2], temperature=0.0, max_tokens=1, top_logprobs=3)
    [event], [unconstrained] = small.engine.generate(asked), small.engine.generate(free)
    assert event.top_logprobs == unconstrained.top_logprobs
    assert event.logprob <= unconstrained.logprob


def test_a_small_memory_of_masks_changes_nothing(small: Small) -> None:
    assert FREE.grammar_masks <= 10 < CONFIG.grammar_masks
    with running(varied(small, max_steps=4)) as engine:
        for constraint in CONSTRAINTS[1:3]:
            asked = request([3], (1, 2, 3, 4), grammar=grammar(constraint), end_tokens=(0,), max_tokens=60)
            events = engine.generate(asked)
            check(events, asked)
            assert sorted(map(repr, events)) == sorted(map(repr, small.engine.generate(asked)))
