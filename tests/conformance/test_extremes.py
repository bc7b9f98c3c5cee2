"""Values at the edges of their ranges get a valid answer, and never a 500 or silence."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conformance.bodies import VOCAB
from tests.conformance.chat import PATH, RESULT, ending, read_error

LEAST, TINY, HUGE = 5e-324, 1e-300, 1.7e308
EDGES = {
    "temperature": [0, LEAST, TINY, 1e-38, 1e-6, 1, 1e6, 1e38, 1e308, HUGE],
    "top_k": [0, 1, VOCAB],
    "top_p": [LEAST, TINY, 1e-7, 1 - 1e-9, 1],
    "min_p": [0, LEAST, TINY, 1 - 1e-9, 1],
    "xtc_threshold": [0, LEAST, TINY, 0.5, 1],
    "xtc_probability": [0, LEAST, TINY, 1],
    "repetition_penalty": [LEAST, TINY, 1e-38, 1, 1e38, HUGE],
    "presence_penalty": [-2, -LEAST, 2],
    "frequency_penalty": [-2, LEAST, 2],
    "logit_bias": [
        {},
        {str(token): 100 for token in range(VOCAB)},
        {str(token): -100 for token in range(VOCAB)},
        {str(token): (-1) ** token * 100 for token in range(VOCAB)},
        {"0": LEAST, "1535": -TINY},
    ],
    "eos_token": [[], [0], [VOCAB - 1] * 50, list(range(VOCAB))],
    "seed": [0, -1, -(2**63), 2**63 - 1, 2**63, 2**64 - 1],
    "min_tokens": [0, 1, 6],
    "stop": [["x" * 5000], ["\0"], ["a", "aa", "aaa", "\U0010ffff"]],
    "logprobs": [False, True],
}
CASES = [(name, value) for name, values in EDGES.items() for value in values]


@pytest.mark.parametrize(("name", "value"), CASES, ids=lambda value: str(value)[:30])
def test_one_parameter_at_its_edge(chat, name, value):
    answer = chat.whole(**{"max_tokens": 6, name: value})
    assert 1 <= answer["usage"]["completion_tokens"] <= 6


@given(body=st.fixed_dictionaries({}, optional={name: st.sampled_from(values) for name, values in EDGES.items()}))
@settings(max_examples=100)
def test_several_parameters_at_their_edges(chat, body):
    tokens, reason = ending(chat.whole(**body, max_tokens=6))
    least = 1 if len(body.get("eos_token", ())) == VOCAB else body.get("min_tokens", 1)
    assert (reason == "stop" or tokens == 6) and tokens >= least


def test_min_tokens_with_a_whole_vocabulary_of_end_tokens_still_ends(chat):
    everything = list(range(VOCAB))
    assert ending(chat.whole(eos_token=everything, min_tokens=4, max_tokens=9))[0] <= 9
    assert ending(chat.whole(eos_token=everything)) == (1, "stop")


@given(
    name=st.sampled_from(["max_tokens", "min_tokens", "n", "top_k", "seed", "top_logprobs", "reasoning_budget"]),
    value=st.sampled_from([2**31, 2**32, 2**63, 2**64, 10**30, 1e30, 1e300, -1, -(2**63), -(10**30), 0, 0.5]),
)
@settings(max_examples=60)
def test_numbers_that_fit_nothing_are_answered_or_refused(chat, name, value):
    response = chat.post(**{"max_tokens": 2, "logprobs": True, name: value})
    if response.status_code == 200:
        RESULT.validate(response.json())
    else:
        assert response.status_code == 422
        read_error(response)


def test_a_seed_at_either_end_of_its_range_counts_up_without_leaving_it(chat):
    for first in (2**64 - 1, -(2**63), -1, 2**63 - 1):
        seeds = [choice["seed"] for choice in chat.whole(seed=first, n=3, max_tokens=1)["choices"]]
        assert seeds[0] == first and len(set(seeds)) == 3 and all(-(2**63) <= seed < 2**64 for seed in seeds)


def test_the_server_is_well_after_all_that(chat, client):
    assert client.get("/health").json() == {"status": "ready"}
    assert client.post(PATH, json={"messages": [{"role": "user", "content": "Hi"}]}).status_code == 200
    assert ending(chat.whole(max_tokens=3, eos_token=[])) == (3, "length")
