"""Texts as token ids and back: what completions make of the same text, and of tokens without text their names."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers.text.tokenizer import ChatTokenizer

TINY = Path(__file__).parents[3] / "backend/tiny/checkpoint"
texts = st.text(max_size=40) | st.sampled_from(
    ["Hello, world!", "<|im_start|>user\nHi<|im_end|>", "Blåbær 東京 🙂", " "]
)


@pytest.fixture(scope="module")
def real(fakes):
    """An application with the bundled model's own tokenizer."""
    tokenizer = ChatTokenizer(TINY)

    class Engine(fakes.Engine):
        vocab_size = tokenizer.vocab_size

    with fakes.connected(Engine(), tokenizer) as app:
        yield app


def ask(app, path, **body):
    response = app.client.post(path, json=body)
    assert response.status_code == 200, response.text
    return response.json()


@given(text=texts)
def test_text_comes_back_from_its_tokens_and_completions_have_the_same(real, text):
    tokens = ask(real, "/v1/tokenize", prompt=text)["tokens"]
    assert ask(real, "/v1/detokenize", tokens=tokens) == {"text": text}
    if tokens:
        real.client.post("/v1/completions", json={"prompt": text, "max_tokens": 1})
        assert list(real.engine.generations[-1].request.prompt.tokens) == tokens


def test_control_tokens_are_one_token_with_a_name(real):
    (token,) = ask(real, "/v1/tokenize", prompt="<|im_end|>", model="tiny")["tokens"]
    assert token in real.tokenizer.end_tokens
    assert ask(real, "/v1/detokenize", tokens=[token, token]) == {"text": "<|im_end|><|im_end|>"}


@pytest.mark.parametrize(
    ("path", "body", "param"),
    [
        ("/v1/tokenize", {"prompt": ["a"]}, "prompt"),
        ("/v1/tokenize", {"prompt": "x" * 13_000}, "prompt"),
        ("/v1/detokenize", {"tokens": [1, 260]}, "tokens.1"),
        ("/v1/detokenize", {"tokens": [-1]}, "tokens.0"),
        ("/v1/detokenize", {"tokens": [1] * 3201}, "tokens"),
        ("/v1/detokenize", {}, "tokens"),
    ],
)
def test_what_has_no_tokens_here_is_refused_by_name(app, path, body, param):
    response = app.client.post(path, json=body)
    assert response.status_code == 422 and response.json()["error"]["param"] == param, response.text


@pytest.mark.parametrize(("path", "body"), [("/v1/tokenize", {"prompt": "a"}), ("/v1/detokenize", {"tokens": [97]})])
def test_unknown_fields_are_named_and_unknown_models_are_404(app, path, body):
    response = app.client.post(path, json={**body, "add_special_tokens": False})
    assert response.headers["x-ignored-parameters"] == "add_special_tokens"
    response = app.client.post(path, json={**body, "model": "another"})
    assert response.status_code == 404 and response.json()["error"]["param"] == "model"
