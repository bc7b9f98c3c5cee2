"""Keys and values in fewer bits than they are computed in, through the whole engine."""

from dataclasses import replace

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import log_softmax
from tokenizers import Tokenizer

from backend.attention.quantization import KV_DTYPES
from backend.attention.reference import PagedAttention
from backend.engine.config import EngineConfig
from backend.engine.model_runner import ModelRunner
from backend.models import hub, weights
from backend.models.checkpoint import open_checkpoint
from backend.models.decoder import Decoder, kv_specs
from backend.models.storage import Storage
from tests.backend.engine.conftest import TOKENS, VOCAB, Small, request, tokens
from tests.backend.engine.scenarios import FEW, SMALLEST, Scenario, alone, exact, of_choice, run_all, running, settled


def runner_of(decoder: Decoder, config: EngineConfig, name: str) -> ModelRunner:
    """A runner whose cache is of the type of this name."""
    backend = PagedAttention(kv_specs(decoder.config), KV_DTYPES[name], config.page_tokens)
    return ModelRunner(decoder, config, backend, TOKENS if decoder.config.vocab == VOCAB else ())


@pytest.fixture(scope="module")
def scaled(small: Small) -> ModelRunner:
    """int8, whose scales go wherever pages go."""
    return runner_of(small.decoder, FEW, "int8")


@settings(max_examples=10)
@given(
    prompts=st.lists(st.lists(st.integers(0, VOCAB - 1), min_size=1, max_size=60), min_size=1, max_size=5),
    choices=st.integers(1, 3),
    pages=st.integers(SMALLEST, 40),
)
def test_a_crowd_gets_exactly_what_each_gets_alone(scaled, prompts, choices, pages):
    """Prefixes shared, prompts copied to siblings, choices preempted: numbers and scales stay together."""
    scaled.config = replace(FEW, pages=pages, **exact(8))
    asked = [request(prompt, tuple(range(choices)), 0, max_tokens=30, temperature=0.7) for prompt in prompts]
    with running(scaled) as engine:
        seen = run_all(engine, [Scenario(one) for one in asked])
        again = run_all(engine, [Scenario(one) for one in asked])
        settled(engine)
    for one, first, second in zip(asked, seen, again, strict=True):
        for choice, expected in enumerate(alone(scaled, one)):
            assert of_choice(first.events, choice) == of_choice(second.events, choice) == expected


def test_pages_taken_back_are_computed_again_to_the_same_tokens(scaled):
    scaled.config = replace(FEW, pages=SMALLEST + 4)
    asked = [request([i, 2, 3] * 5, top_logprobs=0, max_tokens=60) for i in range(4)]
    with running(scaled) as engine:
        seen = run_all(engine, [Scenario(one) for one in asked])
        assert settled(engine).preemptions > 0
    for one, outcome in zip(asked, seen, strict=True):
        assert tokens(outcome.events) == tokens(alone(scaled, one)[0])


@pytest.mark.parametrize("length", [5, 60])
def test_log_probabilities_differ_by_the_rounding_of_eight_bits(scaled, whole_logits, length):
    scaled.config = FEW
    asked = request(np.random.default_rng(length).integers(0, VOCAB, length).tolist(), top_logprobs=0, max_tokens=30)
    with running(scaled) as engine:
        drawn = engine.generate(asked)
    logits = whole_logits([*asked.prompt.tokens, *tokens(drawn)])[length - 1 : -1].astype(np.float64)
    expected = np.take_along_axis(log_softmax(logits, -1), np.array(tokens(drawn))[:, None], -1)[:, 0]
    off = np.abs(expected - [event.logprob for event in drawn])
    assert 1e-5 < off.max() < 0.15


CHAT = "<|im_start|>user\n{}<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n"
QUESTIONS = ("Hello!", "What is the capital of France?", "Count from 3 to 12.", "Tell me a joke.")


@pytest.fixture(scope="module")
def bundled() -> Decoder:
    float32 = jnp.dtype(jnp.float32)
    return weights.load(open_checkpoint(hub.resolve("tiny")), Storage(float32, float32))


def answers(decoder: Decoder, name: str) -> list[list[int]]:
    tokenizer = Tokenizer.from_file(str(hub.resolve("tiny") / "tokenizer.json"))
    prompts = [tokenizer.encode(CHAT.format(question), add_special_tokens=False).ids for question in QUESTIONS]
    config = EngineConfig(128, pages=32, row_buckets=(1,), prefill_shapes=((1, 32),), grammar_cells=1 << 15)
    with running(runner_of(decoder, config, name)) as engine:
        ends = (tokenizer.token_to_id("<|im_end|>"),)
        return [tokens(engine.generate(request(prompt, max_tokens=40, end_tokens=ends))) for prompt in prompts]


@pytest.fixture(scope="module")
def exactly(bundled: Decoder) -> list[list[int]]:
    return answers(bundled, "float32")


@pytest.mark.parametrize("name", ["bfloat16", "float8_e4m3", "int8"])
def test_the_bundled_model_answers_the_same(bundled, exactly, name):
    assert answers(bundled, name) == exactly
