"""What a single request gets: the model's own greedy continuation, its log-probabilities, and the right end."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import log_softmax

from tests.backend.engine.conftest import CONTEXT, VOCAB, Small, request, tokens

prompts = st.lists(st.integers(0, VOCAB - 1), min_size=1, max_size=100)


@given(prompt=prompts)
def test_greedy_decoding_follows_the_whole_sequence_forward(small: Small, whole_logits, prompt):
    output = tokens(small.engine.generate(request(prompt, temperature=0, max_tokens=40)))
    logits = whole_logits(prompt + output)[len(prompt) - 1 : -1]
    margin = logits.max(-1) - np.take_along_axis(logits, np.array(output)[:, None], -1)[:, 0]
    assert len(output) == 40
    assert margin.max() < 1e-4


@given(prompt=prompts, top=st.integers(0, 20), temperature=st.sampled_from([0, 1.5]))
def test_logprobs_are_the_models_own_whatever_the_filters(small: Small, whole_logits, prompt, top, temperature):
    events = small.engine.generate(
        request(prompt, top_logprobs=top, temperature=temperature, top_k=5, logit_bias={3: 4.0}, presence_penalty=1.0)
    )
    expected = log_softmax(whole_logits(prompt + tokens(events)).astype(np.float64), axis=-1)[len(prompt) - 1 : -1]
    for event, row in zip(events, expected, strict=True):
        assert event.logprob == pytest.approx(row[event.token], abs=1e-4)
        assert len(event.top_logprobs) == top
        assert [value for _, value in event.top_logprobs] == pytest.approx(sorted(row)[::-1][:top], abs=1e-4)
        for token, value in event.top_logprobs:
            assert value == pytest.approx(row[token], abs=1e-4)


def test_logprobs_come_only_when_asked_for(small: Small):
    (event,) = small.engine.generate(request([1, 2], max_tokens=1))
    assert event.logprob is None
    assert event.top_logprobs == ()


@given(max_tokens=st.integers(1, 30), length=st.integers(1, 90))
def test_max_tokens_is_exact_and_ends_with_length(small: Small, max_tokens, length):
    events = small.engine.generate(request([5] * length, max_tokens=max_tokens))
    assert len(events) == max_tokens
    assert [event.finish_reason for event in events] == [None] * (max_tokens - 1) + ["length"]


def test_the_context_may_be_filled_to_the_last_token(small: Small, whole_logits):
    prompt = [7] * 100
    output = tokens(small.engine.generate(request(prompt, temperature=0, max_tokens=CONTEXT - 100)))
    logits = whole_logits(prompt + output)[len(prompt) - 1 : -1]
    margin = logits.max(-1) - np.take_along_axis(logits, np.array(output)[:, None], -1)[:, 0]
    assert len(output) == CONTEXT - 100
    assert margin.max() < 1e-4


@given(seed=st.integers(0, 2**32), min_tokens=st.integers(0, 12))
def test_an_end_token_ends_with_stop_but_not_before_min_tokens(small: Small, seed, min_tokens):
    ends = tuple(range(0, VOCAB, 2))
    events = small.engine.generate(
        request([1], seeds=(seed,), max_tokens=16, end_tokens=ends, min_tokens=min_tokens, temperature=2.0)
    )
    assert all(event.token not in ends for event in events[:-1])
    assert len(events) > min_tokens or events[-1].token not in ends
    assert events[-1].finish_reason == ("stop" if events[-1].token in ends else "length")


def test_every_token_an_end_token_and_min_tokens_still_ends(small: Small):
    events = small.engine.generate(request([1], max_tokens=5, end_tokens=tuple(range(VOCAB)), min_tokens=3))
    assert events[-1].finish_reason in ("stop", "length")
    assert len(events) <= 5
