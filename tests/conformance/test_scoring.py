"""How likely texts are, as evaluation harnesses ask for it: what transformers computes of these weights in fp32."""

import numpy as np
import openai
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoModelForCausalLM

from tests.conformance.chat import TIMEOUT
from tests.conformance.conftest import CHECKPOINT

TEXTS = ["The capital of France is Paris.", "<|im_start|>user\nHi<|im_end|>\n", "2 + 3 = 5", "Blåbær 東京 🙂"]
CLOSE = {"rel": 1e-3, "abs": 2e-3}


@pytest.fixture(scope="module")
def log_probabilities():
    """float64 [T, V] of token ids, each row that of the token behind."""
    model = AutoModelForCausalLM.from_pretrained(CHECKPOINT, dtype=torch.float32)

    def computed(tokens: list[int]) -> np.ndarray:
        with torch.no_grad():
            return torch.log_softmax(model(torch.tensor([tokens])).logits[0].double(), -1).numpy()

    return computed


@pytest.fixture(scope="module")
def complete(server):
    with openai.OpenAI(base_url=server.url + "/v1", api_key="unused", max_retries=0, timeout=TIMEOUT) as client:
        yield lambda **body: client.completions.create(model="tiny", **body).choices


def likelihood(expected: np.ndarray, tokens: list[int], start: int) -> float:
    return float(sum(expected[i - 1, tokens[i]] for i in range(start, len(tokens))))


@settings(max_examples=8)
@given(texts=st.lists(st.sampled_from(TEXTS), min_size=1, max_size=3), as_ids=st.booleans())
def test_the_likelihood_of_a_text_is_that_of_transformers(complete, log_probabilities, tokenizer, texts, as_ids):
    ids = [tokenizer.encode(text, add_special_tokens=False).ids for text in texts]
    prompt = ids if as_ids else texts
    for choice, tokens, text in zip(
        complete(prompt=prompt, echo=True, max_tokens=0, logprobs=3), ids, texts, strict=True
    ):
        expected, found = log_probabilities(tokens), choice.logprobs
        assert choice.text == text and found.token_logprobs[0] is None and len(found.tokens) == len(tokens)
        assert sum(found.token_logprobs[1:]) == pytest.approx(likelihood(expected, tokens, 1), **CLOSE)
        for i in range(1, len(tokens)):
            assert found.token_logprobs[i] == pytest.approx(expected[i - 1, tokens[i]], **CLOSE)
            assert max(found.top_logprobs[i].values()) == pytest.approx(expected[i - 1].max(), **CLOSE)


def test_as_a_harness_asks_it_with_one_token_drawn(complete, log_probabilities, tokenizer):
    """lm-eval cuts the context off by its number of tokens, and the one that is drawn."""
    context, continuation = ("The capital of France is", " Paris")
    start = len(tokenizer.encode(context, add_special_tokens=False).ids)
    tokens = tokenizer.encode(context + continuation, add_special_tokens=False).ids
    (choice,) = complete(prompt=[tokens], echo=True, max_tokens=1, temperature=0, logprobs=1)
    assert len(choice.logprobs.token_logprobs) == len(tokens) + 1
    expected = log_probabilities(tokens)
    found = choice.logprobs.token_logprobs[start:-1]
    assert sum(found) == pytest.approx(likelihood(expected, tokens, start), **CLOSE)
    greedy = all(expected[i - 1].argmax() == tokens[i] for i in range(start, len(tokens)))
    top = choice.logprobs.top_logprobs[start:-1]
    assert all(one == max(others.values()) for one, others in zip(found, top, strict=True)) == greedy


def test_an_answer_that_is_forced_is_as_likely_as_it_is_behind_its_prompt(complete, tokenizer):
    prompt, answer = (tokenizer.encode(text, add_special_tokens=False).ids for text in ("The sky is", " blue and wide"))
    (forced,) = complete(prompt=prompt, logprobs=0, extra_body={"forced_output_tokens": answer})
    (echoed,) = complete(prompt=prompt + answer, echo=True, max_tokens=0, logprobs=0)
    assert forced.tokens == answer and forced.finish_reason == "stop"
    assert forced.logprobs.token_logprobs == pytest.approx(echoed.logprobs.token_logprobs[-len(answer) :], abs=1e-4)
