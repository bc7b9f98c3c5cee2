"""What single parameters promise, seen in the text and the usage of real answers."""

import codecs

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conformance.bodies import END, ORDINARY, VOCAB
from tests.conformance.chat import ending, fold, text

SAMPLED = {"temperature": 1.5, "eos_token": []}  # varied, and never ended by the model


@given(most=st.integers(1, 40), seed=st.integers(0, 9))
@settings(max_examples=20)
def test_max_tokens_is_exact(chat, most, seed):
    assert ending(chat.whole(**SAMPLED, max_tokens=most, seed=seed)) == (most, "length")
    assert ending(chat.whole(**SAMPLED, max_completion_tokens=most, seed=seed)) == (most, "length")


@given(least=st.integers(0, 20), seed=st.integers(0, 9))
@settings(max_examples=20)
def test_min_tokens_is_exact_where_the_end_is_forced(chat, least, seed):
    forced = {"logit_bias": {str(END): 100}, "temperature": 1, "seed": seed}
    assert ending(chat.whole(**forced, min_tokens=least, max_tokens=30)) == (least + 1, "stop")
    assert ending(chat.whole(**forced, min_tokens=least + 1, max_tokens=least + 1)) == (least + 1, "length")


def test_a_prompt_and_its_answer_may_fill_the_context_exactly(chat):
    room = 1024 - chat.whole(max_tokens=1)["usage"]["prompt_tokens"]
    assert ending(chat.whole(**SAMPLED, max_tokens=room)) == (room, "length")
    assert ending(chat.whole(**SAMPLED)) == (room, "length")


@given(data=st.data(), seed=st.integers(0, 2**32))
@settings(max_examples=40)
def test_text_ends_before_the_stop_string_also_where_it_spans_tokens(chat, data, seed):
    body = {**SAMPLED, "temperature": 1, "max_tokens": 24, "seed": seed}
    free = text(chat.whole(**body))
    start = data.draw(st.integers(0, len(free) - 1), label="start")
    stop = free[start : start + data.draw(st.integers(1, 12), label="length")]
    answers = [text(chat.whole(**body, stop=[stop, "never in it"]))]
    answers += [
        c["text"] for c in fold(chat.chunks(**body, stop=[stop], stream_options={"include_usage": True}))["choices"]
    ]
    assert answers == [free[: free.index(stop)]] * 2


@given(least=st.integers(0, 23), seed=st.integers(0, 99))
@settings(max_examples=20)
def test_a_stop_string_counts_from_min_tokens_on(chat, least, seed):
    free = text(chat.whole(**SAMPLED, max_tokens=24, seed=seed))
    answer = chat.whole(**SAMPLED, max_tokens=24, seed=seed, stop=[" ", "e", "a"], min_tokens=least)
    tokens, reason = ending(answer)
    assert (tokens > least if reason == "stop" else tokens == 24) and free.startswith(text(answer))


def test_a_choice_that_stops_does_not_stop_the_others(chat):
    body = {**SAMPLED, "max_tokens": 16, "seed": [1, 2, 3], "n": 3}
    free = [choice["message"]["content"] for choice in chat.whole(**body)["choices"]]
    stop = free[0][:5]
    answer = chat.whole(**body, stop=[stop])
    assert [choice["message"]["content"] for choice in answer["choices"]] == [one.split(stop)[0] for one in free]
    assert [choice["finish_reason"] for choice in answer["choices"]] == [
        "stop" if stop in one else "length" for one in free
    ]


@given(token=ORDINARY, temperature=st.sampled_from([0, 1]))
@settings(max_examples=20)
def test_a_bias_of_100_forces_a_token(chat, tokenizer, token, temperature):
    answer = chat.whole(logit_bias={str(token): 100}, temperature=temperature, max_tokens=5, logprobs=True)
    drawn = b"".join(bytes(entry["bytes"]) for entry in answer["choices"][0]["logprobs"]["content"])
    whole = codecs.getincrementaldecoder("utf-8")("replace").decode(drawn)  # what is cut inside a character is left out
    assert text(answer) == whole and tokenizer.decode([token] * 5).startswith(whole)
    assert ending(answer) == (5, "length")


@given(allowed=st.sets(ORDINARY, min_size=1, max_size=3))
@settings(max_examples=10)
def test_a_bias_of_minus_100_bans_a_token(chat, tokenizer, allowed):
    bias = {str(token): -100 for token in range(VOCAB) if token not in allowed}
    answer = chat.whole(logit_bias=bias, temperature=2, max_tokens=8, logprobs=True)
    shown = {tuple(entry["bytes"]) for entry in answer["choices"][0]["logprobs"]["content"]}
    assert len(shown) <= len(allowed) and ending(answer) == (8, "length")
    if len(allowed) == 1:
        assert text(answer) == tokenizer.decode(list(allowed) * 8)


@given(tokens=st.sets(ORDINARY, min_size=1, max_size=3))
@settings(max_examples=10)
def test_eos_token_replaces_the_models_end_tokens(chat, tokens):
    forced = {str(min(tokens)): 100}
    answer = chat.whole(logit_bias=forced, eos_token=sorted(tokens), max_tokens=9)
    assert ending(answer) == (1, "stop") and text(answer) == ""
    answer = chat.whole(logit_bias={str(END): 100}, eos_token=sorted(tokens), max_tokens=9)
    assert ending(answer) == (9, "length") and text(answer) == ""


def test_log_probabilities_are_the_models_own_whatever_is_drawn(chat):
    plain = chat.whole(temperature=0, max_tokens=1, logprobs=True, top_logprobs=5)
    bent = chat.whole(
        temperature=0.3, max_tokens=1, logprobs=True, top_logprobs=5, logit_bias={"100": 100}, top_k=3,
        repetition_penalty=2, presence_penalty=1, seed=1,
    )  # fmt: skip
    entries = [answer["choices"][0]["logprobs"]["content"][0] for answer in (plain, bent)]
    assert entries[0]["top_logprobs"] == entries[1]["top_logprobs"]
    assert entries[0]["logprob"] == entries[0]["top_logprobs"][0]["logprob"] > entries[1]["logprob"]


@pytest.mark.parametrize("sampling", [{"top_k": 1}, {"top_p": 1e-9}, {"min_p": 1}, {"temperature": 1e-9}])
@given(seed=st.integers(0, 2**32))
@settings(max_examples=5)
def test_the_narrowest_filters_are_greedy(chat, sampling, seed):
    assert text(chat.whole(**{"temperature": 2, "seed": seed, **sampling})) == text(chat.whole(temperature=0))


def test_repetition_and_frequency_penalties_change_what_is_drawn(chat):
    body = {"temperature": 0, "eos_token": [], "max_tokens": 60, "seed": 0}
    texts = {text(chat.whole(**body, **penalty)) for penalty in
             ({}, {"repetition_penalty": 3}, {"presence_penalty": 2}, {"frequency_penalty": 2})}  # fmt: skip
    assert len(texts) >= 3
