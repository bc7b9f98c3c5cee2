"""The invariants of docs/architecture.md under load: whatever the scheduler does with pages, rows and prompts, nobody's
tokens show it.
"""

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import log_softmax

from backend.engine.stats import EngineStats
from backend.request import Request, TokenEvent
from tests.backend.engine.conftest import VOCAB, request, tokens
from tests.backend.engine.scenarios import (
    FREE,
    LARGEST,
    LENGTH,
    SMALLEST,
    Scenario,
    alone,
    exact,
    of_choice,
    run_all,
    running,
    settled,
    varied,
    watched,
)
from tests.backend.engine.test_grammars import CONSTRAINTS, check, grammar
from tests.backend.engine.test_invariants import sampling

SHAPES = (FREE.prefill_shapes, ((1, 8), (1, 32)), ((1, 8),), ((1, 32),))
STEM = random.Random(0).choices(range(VOCAB), k=64)
TOLERANCE = 1e-4


def cut_short(scenario: Scenario, choice: int) -> bool:
    return scenario.disconnect_after is not None or (scenario.cancel_after is not None and choice == 0)


def assert_consistent(scenario: Scenario, events: list[TokenEvent]) -> None:
    """Every choice has one end, at its end, for a reason that its tokens show; none goes on too long."""
    asked = scenario.request
    for choice in range(len(asked.seeds)):
        own = of_choice(events, choice)
        reasons = [event.finish_reason for event in own]
        ends = [event.token in asked.sampling.end_tokens for event in own]
        assert [event.is_end for event in own] == ends
        assert not any(reasons[:-1]) and not any(ends[:-1])
        assert len(own) <= asked.sampling.max_tokens
        if not cut_short(scenario, choice):
            assert own and reasons[-1] is not None
            assert reasons[-1] == "stop" or len(own) == asked.sampling.max_tokens
            assert reasons[-1] == "length" or ends[-1] or asked.grammar is not None
    if asked.grammar is not None and scenario.disconnect_after is None and scenario.cancel_after is None:
        check(events, asked)


def assert_logprobs_are_the_models(asked: Request, events: list[TokenEvent], whole_logits) -> None:
    """Teacher-forced: given the tokens that were drawn, the log-probabilities are those of a whole forward pass."""
    for choice in range(len(asked.seeds)):
        own = of_choice(events, choice)
        if own:
            logits = whole_logits([*asked.prompt.tokens, *tokens(own)])[len(asked.prompt) - 1 : -1].astype(np.float64)
            expected = np.take_along_axis(log_softmax(logits, -1), np.array(tokens(own))[:, None], -1)[:, 0]
            assert np.abs(expected - [event.logprob for event in own]).max() < TOLERANCE


def differing(scenario: Scenario, events: list[TokenEvent], expected: list[list[TokenEvent]]) -> int:
    """Choices whose tokens are not those expected; of one that was cut short, not the first of those expected."""
    count = 0
    for choice, whole in enumerate(expected):
        got = tokens(events, choice)
        count += got != tokens(whole)[: len(got) if cut_short(scenario, choice) else None]
    return count


prompts = st.builds(
    lambda shared, tail: [*STEM[:shared], *tail],
    st.sampled_from([0, 8, 32, 64]) | st.integers(0, 64),
    st.lists(st.integers(0, VOCAB - 1), min_size=1, max_size=20) | st.sampled_from([[1], [1, 2, 3]]),
)


@st.composite
def requests(draw: st.DrawFn) -> Request:
    prompt = draw(prompts)
    params = draw(sampling) | {"max_tokens": draw(st.integers(1, min(40, LENGTH - len(prompt))))}
    params["min_tokens"] = draw(st.integers(0, min(3, params["max_tokens"])))
    constraint = draw(st.none() | st.none() | st.sampled_from(CONSTRAINTS))
    if constraint is not None:
        params |= {"end_tokens": (0,), "min_tokens": 0}
    seeds = draw(st.lists(st.integers(-(2**63), 2**64 - 1), min_size=1, max_size=3))
    held = None if constraint is None else grammar(constraint)
    return request(prompt, tuple(seeds), draw(st.sampled_from([0, 2])), held, **params)


scenarios = st.builds(
    Scenario,
    requests(),
    st.sampled_from([0.0, 0.0, 0.002, 0.01]),
    st.none() | st.none() | st.integers(0, 20),
    st.none() | st.none() | st.integers(1, 10),
)
batches = st.lists(scenarios, min_size=1, max_size=6)
pools = st.just(SMALLEST) | st.integers(SMALLEST, LARGEST)


@settings(max_examples=30)
@given(batch=batches, pages=pools, steps=st.integers(1, 8), chunk=st.sampled_from([8, 32]), behind=st.booleans())
def test_deterministic_choices_are_exactly_what_they_are_alone(small, batch, pages, steps, chunk, behind):
    """Alone, with a pool and a number of steps that are never others."""
    fixed = exact(chunk)
    with running(varied(small, **fixed, pages=pages, max_steps=steps, read_behind=behind)) as engine:
        outcomes = run_all(engine, batch)
        assert settled(engine).preemptions == 0
    for scenario, seen in zip(batch, outcomes, strict=True):
        assert_consistent(scenario, seen.events)
        for choice, whole in enumerate(alone(varied(small, **fixed), scenario.request)):
            got = of_choice(seen.events, choice)
            assert got == whole[: len(got) if cut_short(scenario, choice) else None]


@settings(max_examples=30)
@given(batch=batches, pages=pools, steps=st.integers(1, 8), shapes=st.sampled_from(SHAPES), behind=st.booleans())
def test_otherwise_rounding_is_all_that_may_differ(small, whole_logits, batch, pages, steps, shapes, behind):
    """Rounding may tip a draw, though seldom: not two of a batch."""
    with running(varied(small, pages=pages, max_steps=steps, prefill_shapes=shapes, read_behind=behind)) as engine:
        outcomes = run_all(engine, batch)
        settled(engine)
    tipped = 0
    for scenario, seen in zip(batch, outcomes, strict=True):
        assert_consistent(scenario, seen.events)
        assert_logprobs_are_the_models(scenario.request, seen.events, whole_logits)
        tipped += differing(scenario, seen.events, alone(varied(small), scenario.request))
    assert tipped <= 1


@settings(max_examples=8)
@given(batch=batches, deterministic=st.booleans())
def test_after_any_crowd_every_page_can_be_had(small, batch, deterministic):
    """Four choices that fill the whole pool run side by side, and nobody has to give way."""
    fixed = exact(8) if deterministic else {}
    most = 0

    def watch(stats: EngineStats) -> None:
        nonlocal most
        most = max(most, stats.pages_used)

    whole = [Scenario(request([i], max_tokens=LENGTH - 1)) for i in range(4)]
    with watched(varied(small, **fixed), watch) as engine:
        run_all(engine, batch)
        before = settled(engine)
        most = 0
        run_all(engine, whole)
        assert settled(engine).preemptions == before.preemptions
    assert most >= 4 * (SMALLEST - 1)


def rivals(count: int = 4) -> list[Scenario]:
    """Each grows to most of the smallest pool; between them they use all that a choice's state consists of."""
    kinds = (
        {"repetition_penalty": 1.3, "frequency_penalty": 0.5, "temperature": 1.0},
        {"grammar": grammar(CONSTRAINTS[4]), "end_tokens": (0,), "temperature": 1.0, "logit_bias": {3: 4.0}},
        {"temperature": 0.0},
        {"min_tokens": 50, "end_tokens": (3, 9), "temperature": 2.0, "xtc_threshold": 0.1, "xtc_probability": 0.5},
    )
    return [Scenario(request([i, i + 1], (i,), 0, max_tokens=80, **kinds[i % 4])) for i in range(count)]


def test_who_gives_way_for_want_of_pages_goes_on_as_if_it_had_not(small, whole_logits):
    with running(varied(small, pages=SMALLEST)) as engine:
        outcomes = run_all(engine, rivals())
        assert settled(engine).preemptions > 0
    tipped = 0
    for scenario, seen in zip(rivals(), outcomes, strict=True):
        assert_consistent(scenario, seen.events)
        assert_logprobs_are_the_models(scenario.request, seen.events, whole_logits)
        tipped += differing(scenario, seen.events, alone(varied(small), scenario.request))
    assert tipped <= 1


@pytest.mark.parametrize("deterministic", [False, True])
def test_many_more_than_the_pool_holds_all_get_their_answers(small, deterministic):
    fixed = exact(8) if deterministic else {}
    with running(varied(small, pages=SMALLEST, **fixed)) as engine:
        outcomes = run_all(engine, rivals(16))
        settled(engine)
    for scenario, seen in zip(rivals(16), outcomes, strict=True):
        assert_consistent(scenario, seen.events)
