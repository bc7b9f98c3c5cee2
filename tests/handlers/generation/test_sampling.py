"""Every sampling parameter reaches the engine as given, and each choice has its seed."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.request import SamplingParams
from generated.models import ContainerChatCompletionBody
from handlers.generation.sampling import choice_seeds, sampling_params

MESSAGES = [{"role": "user", "content": "Hi"}]
PARAMETERS = {
    "temperature": st.floats(0, 100),
    "top_k": st.integers(0, 300),
    "top_p": st.floats(0, 1, exclude_min=True),
    "min_p": st.floats(0, 1),
    "xtc_threshold": st.floats(0, 1),
    "xtc_probability": st.floats(0, 1),
    "repetition_penalty": st.floats(0, 10, exclude_min=True),
    "presence_penalty": st.floats(-2, 2),
    "frequency_penalty": st.floats(-2, 2),
    "min_tokens": st.integers(0, 9),
}
SEEDS = st.integers(-(2**63), 2**64 - 1)


def body(**parameters):
    return ContainerChatCompletionBody(messages=MESSAGES, **parameters)


def params(**parameters):
    return sampling_params(body(**parameters), max_tokens=9, end_tokens=(1, 2))


def test_the_engines_defaults_are_those_of_the_document():
    assert params() == SamplingParams(max_tokens=9, end_tokens=(1, 2))


@given(given=st.fixed_dictionaries({}, optional={name: st.none() | values for name, values in PARAMETERS.items()}))
def test_what_is_given_arrives_and_null_is_the_default(given):
    default = SamplingParams(max_tokens=9, end_tokens=(1, 2))
    expected = {name: value for name, value in given.items() if value is not None}
    assert params(**given) == dataclasses.replace(default, **expected)


@given(bias=st.dictionaries(st.integers(0, 9999), st.floats(-100, 100)))
def test_logit_bias_is_by_token_id(bias):
    assert params(logit_bias={str(token): value for token, value in bias.items()}).logit_bias == bias


@pytest.mark.parametrize(("eos_token", "end_tokens"), [(None, (1, 2)), ([7], (7,)), ([7, 3, 7], (7, 3)), ([], ())])
def test_eos_token_replaces_the_models_end_tokens(eos_token, end_tokens):
    assert params(eos_token=eos_token).end_tokens == end_tokens


@given(seeds=st.lists(SEEDS, min_size=1, max_size=8))
def test_listed_seeds_are_the_choices_seeds(seeds):
    assert choice_seeds(body(seed=seeds, n=len(seeds))) == tuple(seeds)


@given(seed=SEEDS, n=st.integers(1, 128))
def test_one_seed_makes_consecutive_ones_that_are_all_seeds(seed, n):
    seeds = choice_seeds(body(seed=seed, n=n))
    assert len(set(seeds)) == n and all(-(2**63) <= one < 2**64 for one in seeds)
    assert list(seeds) == [seed + i if seed + i < 2**64 else seed + i - 2**64 - 2**63 for i in range(n)]


@given(n=st.integers(1, 128))
def test_without_a_seed_each_choice_draws_its_own_that_json_readers_keep(n):
    seeds = choice_seeds(body(n=n))
    assert len(seeds) == len(set(seeds)) == n and all(0 <= seed < 2**53 for seed in seeds)
    assert seeds != choice_seeds(body(n=n))
