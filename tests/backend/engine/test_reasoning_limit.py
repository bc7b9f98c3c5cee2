"""The budget of reasoning: exact to the token, then the closing marker, then the answer goes on under its grammar."""

import json
from concurrent.futures import Future
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.grammar import (
    EMPTY,
    AnyOf,
    AnyText,
    Branch,
    Concat,
    ConstText,
    ControlToken,
    Grammar,
    JsonSchema,
    structural_constraint,
)
from backend.grammar.automaton.run import Runner
from backend.grammar.automaton.tables import AutomatonTables
from backend.grammar.compile import compile_constraint
from backend.grammar.device.arena import Placement
from backend.grammar.device.state import after, row
from backend.grammar.structural.control import CUT, spelling
from backend.request import ReasoningLimit
from tests.backend.engine.conftest import TOKENS, VOCAB, request, tokens
from tests.backend.engine.scenarios import SMALLEST, Scenario, alone, run_all, running, settled, varied

CLOSE = VOCAB - 1
"""A control token: it has no text."""
MARKER = b"]],"
CLOSING = {True: (CLOSE,), False: (TOKENS.index(b"]]"), TOKENS.index(b","))}
ARRAY = {"type": "array", "items": {"type": "boolean"}, "maxItems": 3}


@cache
def tables(marked: bool, stops: bool = False) -> AutomatonTables:
    """Reasoning up to a marker, a control token or text, then an array; it may stop before if `stops`."""
    marker = ControlToken(CLOSE) if marked else ConstText(MARKER.decode())
    ends = Branch(((marker,),), EMPTY, resumes=False)
    reasoning = AnyText((ends,), may_stop=stops, in_reasoning=True)
    return compile_constraint(structural_constraint(Concat((reasoning, JsonSchema(ARRAY, "")))))


def asked(budget: int, marked: bool = True, seeds: tuple[int, ...] = (0,), prompt: tuple[int, ...] = (5,), **sampling):
    ready: Future[AutomatonTables] = Future()
    ready.set_result(tables(marked))
    params = {"max_tokens": 90, "end_tokens": (0,), "temperature": 1.0, **sampling}
    wanted = request(list(prompt), seeds, grammar=Grammar(("reasoning", marked), ready), **params)
    return replace(wanted, reasoning_limit=ReasoningLimit(budget, CLOSING[marked]))


def written(output: list[int]) -> bytes:
    return b"".join(TOKENS[token] for token in output if token < len(TOKENS))


@pytest.mark.parametrize("budget", [0, 1, 7, 60])
def test_a_model_that_never_stops_reasoning_stops_after_exactly_so_many_tokens(small, budget):
    events = small.engine.generate(asked(budget, logit_bias={CLOSE: -100.0}, seeds=(0, 1, 2), max_tokens=190))
    for choice in range(3):
        output = tokens(events, choice)
        assert output.index(CLOSE) == budget
        answer = [token for token in output[budget + 1 :] if token != 0]
        assert len(json.loads(written(answer))) <= 3


@settings(max_examples=25)
@given(budget=st.integers(0, 20), seeds=st.lists(st.integers(0, 2**32), min_size=1, max_size=4), bias=st.floats(-3, 6))
def test_a_model_that_stops_by_itself_is_not_disturbed(small, budget, seeds, bias):
    free = replace(asked(0, seeds=tuple(seeds), logit_bias={CLOSE: bias}), reasoning_limit=None)
    limited = asked(budget, seeds=tuple(seeds), logit_bias={CLOSE: bias})
    without, within = small.engine.generate(free), small.engine.generate(limited)
    for choice in range(len(seeds)):
        whole, got = tokens(without, choice), tokens(within, choice)
        if CLOSE in whole[: budget + 1]:
            assert got == whole
        else:
            assert got[:budget] == whole[:budget] and got[budget] == CLOSE


@settings(max_examples=25)
@given(budget=st.integers(0, 12), seed=st.integers(0, 2**32))
def test_a_marker_of_several_tokens_is_forced_whole(small, budget, seed):
    output = tokens(small.engine.generate(asked(budget, marked=False, seeds=(seed,))))
    text = written(output)
    begun = written(output[:budget])
    if MARKER not in begun:
        forced = begun + MARKER
        assert text.startswith(forced[: forced.index(MARKER) + len(MARKER)])
    assert json.loads(text.partition(MARKER)[2] or "null") is not None
    assert Runner(tables(False)).accepts(text)


LEADS_ON = (TOKENS.index(b","), TOKENS.index(b"]]"))


@cache
def led_on_tables() -> AutomatonTables:
    """Reasoning up to a control token, then any text, in which that token does not come where it was forced."""
    close = (ControlToken(CLOSE),)
    text = AnyText((Branch((close,), AnyOf(()), resumes=False),), may_stop=True)
    ends, cut = Branch((close,), EMPTY, resumes=False), Concat((ControlToken(CLOSE), text))
    reasoning = AnyText((ends,), may_stop=True, in_reasoning=True, cut=cut)
    return compile_constraint(structural_constraint(Concat((reasoning, AnyText((), may_stop=True)))))


def led_on(budget: int, **options):
    wanted = asked(budget, **options)
    ready: Future[AutomatonTables] = Future()
    ready.set_result(led_on_tables())
    limit = ReasoningLimit(budget, (CLOSE, *LEADS_ON))
    return replace(wanted, grammar=Grammar("led on", ready), reasoning_limit=limit)


@settings(max_examples=15)
@given(budget=st.integers(0, 12), seeds=st.lists(st.integers(0, 2**32), min_size=1, max_size=4), bias=st.floats(-3, 9))
def test_what_leads_on_to_the_answer_is_forced_behind_an_end_that_was_and_no_other_end_comes(
    small, budget, seeds, bias
):
    events = small.engine.generate(led_on(budget, seeds=tuple(seeds), logit_bias={CLOSE: bias}, max_tokens=40))
    for choice in range(len(seeds)):
        output = tokens(events, choice)
        if CLOSE not in output[:budget] and len(output) > budget + 3 and 0 not in output[:budget]:
            assert output[budget : budget + 3] == [CLOSE, *LEADS_ON] and output.count(CLOSE) == 1


@pytest.mark.parametrize("budget", [0, 5])
def test_what_ended_by_itself_may_be_followed_by_what_ends_it_and_what_was_forced_may_not(small, budget):
    eager = {"logit_bias": {CLOSE: 12.0}, "max_tokens": 40, "end_tokens": (), "seeds": (0, 1)}
    events = small.engine.generate(led_on(budget, **eager))
    for choice in (0, 1):
        output = tokens(events, choice)
        assert output[0] == CLOSE and (output.count(CLOSE) == 1) == (budget == 0)


@pytest.mark.parametrize("budget", [0, 2, 9])
def test_who_was_preempted_is_where_it_was_in_its_grammar(budget):
    tables, strings = led_on_tables(), [b"a", b"b", spelling(CLOSE), *(TOKENS[token] for token in LEADS_ON), b"c"]
    strings = strings if budget else strings[2:]
    start = row(
        Placement(0, 1, tables.state_at(0, tables.start), tables.layout), np.zeros(VOCAB, bool), 2, budget, (CLOSE,)
    )
    at = after(start, tables, strings)
    forced = b"".join([*strings[:budget], bytes([CUT]), *strings[budget:]]) if budget < 9 else b"".join(strings)
    assert at.state == tables.state_at(0, Runner(tables).run(forced).state)


def test_who_gives_way_while_it_is_led_on_is_led_on(small):
    scenarios = [
        Scenario(
            led_on(budget, seeds=(budget,), prompt=(budget, budget + 1), logit_bias={CLOSE: -100.0}, end_tokens=())
        )
        for budget in range(30, 46, 4)
    ]
    with running(varied(small, pages=SMALLEST)) as engine:
        everybody = run_all(engine, scenarios)
        assert settled(engine).preemptions > 0
    for scenario, seen in zip(scenarios, everybody, strict=True):
        budget = scenario.request.reasoning_limit.tokens
        assert tokens(seen.events)[budget : budget + 3] == [CLOSE, *LEADS_ON]


def test_who_gives_way_for_want_of_pages_does_not_get_another_budget(small):
    scenarios = [
        Scenario(asked(40 + i, seeds=(i,), prompt=(i, i + 1), logit_bias={CLOSE: -100.0}, max_tokens=80))
        for i in range(4)
    ]
    with running(varied(small, pages=SMALLEST)) as engine:
        everybody = run_all(engine, scenarios)
        assert settled(engine).preemptions > 0
    for i, (scenario, seen) in enumerate(zip(scenarios, everybody, strict=True)):
        assert tokens(seen.events).index(CLOSE) == 40 + i
        assert tokens(alone(varied(small), scenario.request)[0]).index(CLOSE) == 40 + i
