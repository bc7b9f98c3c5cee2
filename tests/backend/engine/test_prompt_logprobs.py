"""Log-probabilities of prompts: the model's own for every token, however a prompt was cut, found or lost meanwhile."""

import asyncio
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import log_softmax

from backend.engine.engine import Engine
from backend.request import PromptLogprobs, Request
from tests.backend.engine.conftest import VOCAB, Small, request, tokens
from tests.backend.engine.scenarios import LENGTH, SMALLEST, exact, recorded, running, settled, varied

prompts = st.lists(st.integers(0, VOCAB - 1), min_size=1, max_size=LENGTH - 10)


def scored(prompt: list[int], top: int = 2, **sampling) -> Request:
    return replace(request(prompt, top_logprobs=top, **{"max_tokens": 0, **sampling}), prompt_logprobs=True)


def ask(engine: Engine, *asked: Request) -> list[tuple[list[int], PromptLogprobs, int]]:
    """Of requests that come together: the first choice's tokens, the prompt's scores, and how much of it was cached."""

    async def one(request: Request) -> tuple[list[int], PromptLogprobs, int]:
        generation = engine.submit(request)
        events = [event async for event in generation]
        assert generation.admission is not None
        return tokens(events), generation.prompt_logprobs, generation.admission.cached_tokens

    async def everybody():
        return await asyncio.wait_for(asyncio.gather(*map(one, asked)), 60)

    return asyncio.run(everybody())


@pytest.fixture(scope="module")
def engine(small: Small):
    with running(varied(small)) as engine:
        yield engine


@settings(max_examples=25)
@given(prompt=prompts, top=st.integers(0, 20), drawn=st.sampled_from([0, 3]))
def test_every_token_is_scored_behind_those_before_it(engine, whole_logits, prompt, top, drawn):
    ((output, found, _),) = ask(engine, scored(prompt, top, max_tokens=drawn, temperature=0))
    expected = log_softmax(whole_logits(prompt).astype(np.float64), axis=-1)[:-1]
    assert len(output) == drawn and found.logprobs.shape == (len(prompt) - 1,)
    np.testing.assert_allclose(found.logprobs, expected[np.arange(len(prompt) - 1), prompt[1:]], atol=1e-4)
    assert found.top_ids.shape == found.top_logprobs.shape == (len(prompt) - 1, top)
    likeliest = np.sort(expected, axis=-1)[:, ::-1][:, :top]
    np.testing.assert_allclose(found.top_logprobs, likeliest, atol=1e-4)
    np.testing.assert_allclose(np.take_along_axis(expected, found.top_ids, axis=-1), found.top_logprobs, atol=1e-4)


def test_a_prompt_in_the_cache_is_scored_all_the_same_and_found_there_afterwards(engine):
    prompt = list(range(1, 60))
    ((plain, nothing, _),) = ask(engine, request(prompt, temperature=0))
    ((output, found, cached),) = ask(engine, scored(prompt, max_tokens=10, temperature=0))
    assert nothing is None and output == plain and cached == 0 and (found.logprobs < 0).all()
    other = [*prompt[:40], 60, 60, 60, 60, 60, 60, 60, 60, 60]
    ((_, of_other, _),) = ask(engine, scored(other))
    np.testing.assert_allclose(of_other.logprobs[:39], found.logprobs[:39], atol=1e-4)
    ((again, _, cached),) = ask(engine, request(prompt, temperature=0))
    assert again == plain and cached == 56


def test_choices_share_a_prompt_that_is_scored_once(small: Small, engine):
    runner, calls = recorded(varied(small))
    counted: list[int] = []
    score = runner.score
    runner.score = lambda state, shape, chunk: (counted.append(len(chunk.tokens)), score(state, shape, chunk))[1]
    asked = replace(scored(list(range(50)), max_tokens=4, temperature=0), seeds=(1, 2, 3))
    with running(runner) as sharing:
        ((output, found, _),) = ask(sharing, asked)
        settled(sharing)
    assert sum(counted) == 49 and not any(call.shape for call in calls) and found.logprobs.size == 49
    assert output == ask(engine, replace(asked, seeds=(1,)))[0][0]


@settings(max_examples=10)
@given(
    lengths=st.lists(st.integers(1, 60), min_size=2, max_size=5),
    drawn=st.lists(st.integers(0, 20), min_size=5, max_size=5),
)
def test_neighbours_and_too_few_pages_change_no_score(small: Small, engine, lengths, drawn):
    asked = [
        scored([(7 * i + j * j) % VOCAB for j in range(length)], max_tokens=drawn[i], temperature=0)
        for i, length in enumerate(lengths)
    ]
    with running(varied(small, pages=SMALLEST + 4)) as crowded:
        together = ask(crowded, *asked)
        settled(crowded)
    for one, (output, found, _) in zip(asked, together, strict=True):
        ((alone, expected, _),) = ask(engine, one)
        assert output == alone
        np.testing.assert_allclose(found.logprobs, expected.logprobs, atol=1e-4)
        np.testing.assert_allclose(found.top_logprobs, expected.top_logprobs, atol=1e-4)


def test_in_a_deterministic_engine_nobody_takes_over_what_was_scored(small: Small):
    prompt = list(range(60))
    with running(varied(small, **exact(8))) as engine:
        first, again = (ask(engine, scored(prompt))[0][1] for _ in range(2))
        ((_, _, cached),) = ask(engine, request(prompt, temperature=0))
    assert cached == 0
    np.testing.assert_array_equal(first.logprobs, again.logprobs)
