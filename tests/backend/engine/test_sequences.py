"""Bans and forced tokens in the engine: over prompt and output, through blocks, and for who was preempted."""

from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tests.backend.engine.conftest import VOCAB, Small, request, tokens
from tests.backend.engine.scenarios import SMALLEST, Scenario, alone, of_choice, run_all, running, varied

some_tokens = st.lists(st.integers(0, VOCAB - 1), min_size=1, max_size=20)


def ngrams(of: list[int], n: int) -> list[tuple[int, ...]]:
    return [tuple(of[i : i + n]) for i in range(len(of) - n + 1)]


@given(prompt=some_tokens, n=st.integers(2, 3))
def test_no_sequence_of_so_many_tokens_comes_twice(small: Small, prompt, n):
    output = tokens(small.engine.generate(request(prompt, temperature=0, max_tokens=40, no_repeat_ngram=n)))
    first = len(prompt) - n + 1  # of those that the output ends
    found = ngrams(prompt + output, n)
    assert all(gram not in found[:i] for i, gram in enumerate(found) if i >= first)


@given(prompt=some_tokens, seed=st.integers(0, 2**32), size=st.integers(1, 3))
def test_what_is_banned_is_not_drawn_and_the_rest_is_what_it_would_be(small: Small, prompt, seed, size):
    plain = request(prompt, seeds=(seed,), temperature=0.5, max_tokens=16)
    free = tokens(small.engine.generate(plain))
    banned = tuple(free[4 : 4 + size])
    sampling = replace(plain.sampling, banned=(banned,))
    output = tokens(small.engine.generate(replace(plain, sampling=sampling)))
    first = next((i for i, gram in enumerate(ngrams(prompt + free, size)) if gram == banned and i + size > len(prompt)))
    same = first + size - 1 - len(prompt)
    assert output[:same] == free[:same] and output[same] != free[same]
    assert banned not in ngrams(prompt + output, size)[max(0, len(prompt) - size + 1) :]


@given(prompt=some_tokens, forced=some_tokens, temperature=st.sampled_from([0, 2.0]))
def test_what_is_forced_comes_first_with_its_own_log_probabilities(
    small: Small, whole_logits, prompt, forced, temperature
):
    asked = request(prompt, top_logprobs=0, temperature=temperature, max_tokens=len(forced) + 2, forced=tuple(forced))
    events = small.engine.generate(asked)
    logits = whole_logits(prompt + tokens(events))[len(prompt) - 1 : -1].astype(np.float64)
    expected = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    assert tokens(events)[: len(forced)] == forced and len(events) == len(forced) + 2
    found = [event.logprob for event in events]
    np.testing.assert_allclose(found, expected[np.arange(len(events)), tokens(events)], atol=1e-4)


def test_whoever_is_preempted_goes_on_with_the_same_history(small: Small):
    asked = [
        request([i, 3, 3], seeds=(1, 2), temperature=1.0, max_tokens=60, no_repeat_ngram=2, forced=(i, 5, i, 7))
        for i in range(3)
    ]
    runner = varied(small, pages=SMALLEST + 6)
    with running(runner) as engine:
        outcomes = run_all(engine, [Scenario(one) for one in asked])
        assert engine.stats().preemptions
    for one, outcome in zip(asked, outcomes, strict=True):
        assert [of_choice(outcome.events, i) for i in range(2)] == alone(runner, one)
