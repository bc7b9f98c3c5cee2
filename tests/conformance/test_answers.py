"""Every valid body gets a valid answer, and the answer depends on nothing but the body and its seed."""

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conformance.bodies import SEEDS, bodies
from tests.conformance.chat import ROWS, assert_alike, fold, said, text


def check_entry(entry, top):
    """One member of `logprobs.content`, where `top` alternatives were asked for."""
    likely = [item["logprob"] for item in entry["top_logprobs"]]
    assert entry["logprob"] <= 0 and len(likely) == top
    assert all(first >= second for first, second in pairwise(likely))
    for item in entry["top_logprobs"]:
        if item["bytes"] is not None and (item["token"], item["bytes"]) == (entry["token"], entry["bytes"]):
            assert item["logprob"] == entry["logprob"]


@settings(max_examples=60)
@given(body=bodies())
def test_a_valid_body_gets_an_answer_that_keeps_its_promises(chat, body):
    answer = chat.whole(**body)
    usage, choices = answer["usage"], said(answer)["choices"]
    least, most = (body["n"] * (body.get(name) or 1) for name in ("min_tokens", "max_tokens"))
    assert (1 if body.get("stop") else least) <= usage["completion_tokens"] <= most
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]
    assert len(choices) == body["n"]
    if isinstance(body["seed"], list):
        assert [choice["seed"] for choice in choices] == body["seed"]
    else:
        assert choices[0]["seed"] == body["seed"]
    for choice in choices:
        assert choice["finish_reason"] in ("stop", "length", "tool_calls")
        assert choice["calls"] or choice["finish_reason"] != "tool_calls"
        stops = [] if body.get("min_tokens") else body.get("stop", [])  # before so many tokens they do not count
        assert not any(phrase in choice["text"] for phrase in stops)
        for entry in choice["logprobs"]:
            check_entry(entry, body.get("top_logprobs") or 0)
        plain = not body.keys() & {"stop", "tools", "parse_reasoning", "chat_template_kwargs", "response_format"}
        if body.get("logprobs") and plain:
            raw = b"".join(bytes(entry["bytes"]) for entry in choice["logprobs"])
            assert raw.decode(errors="replace") == choice["text"]


@settings(max_examples=60)
@given(body=bodies())
def test_the_deltas_of_a_stream_are_the_whole_answer(chat, body):
    chunks = chat.chunks(**body, stream_options={"include_usage": True})
    assert_alike(fold(chunks), said(chat.whole(**body)))
    assert len({(chunk["id"], chunk["model"]) for chunk in chunks}) == 1


@pytest.mark.parametrize("options", [None, {}, {"include_usage": False}, {"include_usage": None}])
def test_a_stream_without_include_usage_has_no_usage(chat, options):
    chunks = chat.chunks(stream_options=options, temperature=0)
    assert all(len(chunk["choices"]) == 1 and chunk["usage"] is None for chunk in chunks)


@given(body=bodies(most_choices=1), seeds=st.lists(SEEDS, min_size=3, max_size=3))
@settings(max_examples=15)
def test_three_choices_are_three_single_requests(chat, body, seeds):
    together = said(chat.whole(**body | {"n": 3, "seed": seeds}))
    alone = [said(chat.whole(**body | {"seed": seed})) for seed in seeds]
    usage = {**together["usage"], "completion_tokens": sum(answer["usage"]["completion_tokens"] for answer in alone)}
    usage["total_tokens"] = usage["prompt_tokens"] + usage["completion_tokens"]
    assert_alike(together, {"choices": [answer["choices"][0] for answer in alone], "usage": usage})


def test_one_seed_for_many_choices_counts_up(chat):
    counted = said(chat.whole(n=4, seed=7, temperature=2, max_tokens=8))
    assert_alike(counted, said(chat.whole(n=4, seed=[7, 8, 9, 10], temperature=2, max_tokens=8)))
    assert len({choice["text"] for choice in counted["choices"]}) > 1


@given(batch=st.lists(bodies(most_choices=1), min_size=ROWS, max_size=ROWS))
@settings(max_examples=10)
def test_an_answer_does_not_depend_on_its_neighbours(chat, batch):
    with ThreadPoolExecutor(ROWS) as pool:
        together = list(pool.map(lambda body: said(chat.whole(**body)), batch))
    for body, answer in zip(batch, together, strict=True):
        assert_alike(answer, said(chat.whole(**body)))


@given(seed=SEEDS)
@settings(max_examples=10)
def test_greedy_answers_do_not_depend_on_the_seed(chat, seed):
    answer = chat.whole(temperature=0, seed=seed)
    assert text(answer) == text(chat.whole(temperature=0)) != ""


def test_without_a_seed_each_choice_draws_its_own(chat):
    drawn = [choice["seed"] for _ in range(3) for choice in chat.whole(n=3, max_tokens=1)["choices"]]
    assert len(set(drawn)) == 9 and all(0 <= seed < 2**53 for seed in drawn)


@pytest.mark.parametrize("temperature", [1, 3])
def test_the_returned_seed_draws_the_answer_again(chat, temperature):
    first = said(chat.whole(temperature=temperature, max_tokens=20))
    again = said(chat.whole(temperature=temperature, max_tokens=20, seed=first["choices"][0]["seed"]))
    assert_alike(first, again)


def test_a_greeting_is_greeted(chat):
    assert any(word in text(chat.whole(temperature=0)) for word in ("Hello", "Hi", "Hey", "Good"))
