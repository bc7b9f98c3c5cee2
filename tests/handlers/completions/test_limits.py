"""What the schema of completions allows and this server does not is 422, names the field, and says what to do."""

import pytest

from handlers.service import Acceptance

JSON_OBJECT = {"type": "json_object"}


@pytest.fixture(scope="module")
def post(app):
    return lambda **parameters: app.client.post("/v1/completions", json={"prompt": "Hi", **parameters})


def refused(response, param, *words):
    assert response.status_code == 422, response.text
    error = response.json()["error"]
    assert error["param"] == param and error["type"] == "invalid_request_error"
    for word in words:
        assert str(word) in error["message"]


@pytest.mark.parametrize(
    ("parameters", "param"),
    [
        ({"tokens": [1]}, "tokens"),
        ({"prompt": None}, "prompt"),
        ({"max_tokens": 3, "max_total_tokens": 9}, "max_total_tokens"),
        ({"min_tokens": 3, "min_total_tokens": 9}, "min_total_tokens"),
        ({"min_tokens": 4, "max_tokens": 3}, "min_tokens"),
        ({"max_total_tokens": 2}, "max_total_tokens"),
        ({"min_total_tokens": 9, "max_tokens": 3}, "min_total_tokens"),
        ({"forced_output_tokens": [1], "min_tokens": 2}, "min_tokens"),
        ({"response_format": JSON_OBJECT, "min_tokens": 1}, "min_tokens"),
        ({"response_format": JSON_OBJECT, "min_total_tokens": 9}, "min_total_tokens"),
        ({"response_format": JSON_OBJECT, "forced_output_tokens": [1]}, "forced_output_tokens"),
        ({"n": 2, "best_of": 3}, "best_of"),
        ({"n": 2, "seed": [1]}, "seed"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": 0, "echo": True, "min_tokens": 1}, "min_tokens"),
    ],
)
def test_parameters_of_completions_that_exclude_each_other(post, parameters, param):
    refused(post(**parameters), param)


@pytest.mark.parametrize(
    ("parameters", "param"),
    [
        ({"prompt": ""}, "prompt"),
        ({"prompt": []}, "prompt"),
        ({"prompt": ["a", ""]}, "prompt.1"),
        ({"prompt": [[1], []]}, "prompt.1"),
        ({"prompt": [[1], [2, 260]]}, "prompt.1.1"),
        ({"prompt": [1, 2**70]}, "prompt.1"),
        ({"prompt": [[1], [2, 1e300]]}, "prompt.1.1"),
        ({"stop_tokens": [{"tokens": [1, 1e300]}]}, "stop_tokens.0.tokens.1"),
        ({"no_repeat_ngram": 10**30}, "no_repeat_ngram"),
        ({"prompt": None, "tokens": []}, "tokens"),
        ({"prompt": None, "tokens": [260]}, "tokens.0"),
        ({"stop_tokens": [{"tokens": [1]}, {"tokens": []}]}, "stop_tokens.1.tokens"),
        ({"stop_tokens": [{"tokens": [1, 260]}]}, "stop_tokens.0.tokens.1"),
        ({"bad_word_tokens": [{"tokens": [260]}]}, "bad_word_tokens.0.tokens.0"),
        ({"bad_word_tokens": [{"tokens": [1] * 1025}]}, "bad_word_tokens"),
        ({"bad_words": ["x" * 600]}, "bad_words"),
        ({"bad_words": ["x"] * 1025}, "bad_words"),
        ({"bad_word_tokens": [{"tokens": [1]}] * 1025}, "bad_word_tokens"),
        ({"stop_tokens": [{"tokens": [1]}] * 257}, "stop_tokens"),
        ({"forced_output_tokens": [1, 260]}, "forced_output_tokens.1"),
        ({"forced_output_tokens": [1] * 401}, "forced_output_tokens"),
        ({"eos_token": [260]}, "eos_token.0"),
        ({"eos_token": [1] * 261}, "eos_token"),
        ({"logit_bias": {"260": 1}}, "logit_bias.260"),
        ({"top_k": 261}, "top_k"),
        ({"stop": ["x"] * 257}, "stop"),
        ({"no_repeat_ngram": 1}, "no_repeat_ngram"),
        ({"prompt": ["a"] * 401}, "prompt"),
        ({"prompt": ["a"] * 49, "n": 2}, "prompt"),
    ],
)
def test_what_is_empty_or_beyond_the_model_is_refused(post, parameters, param):
    refused(post(**parameters), param)


@pytest.mark.parametrize("words", [["x"] * 1025, ["x" * 100_000], ["x" * 600] * 1000])
def test_words_that_are_too_many_are_refused_before_any_is_tokenized(fakes, words):
    class Tokenizer(fakes.Tokenizer):
        def encode_text(self, text, *, begins=True):
            assert "x" not in text
            return super().encode_text(text, begins=begins)

    with fakes.connected(tokenizer=Tokenizer()) as app:
        response = app.client.post("/v1/completions", json={"prompt": "Hi", "bad_words": words})
        refused(response, "bad_words", "leave some out")


def test_one_prompt_may_have_more_choices_than_several(post):
    assert len(post(n=128).json()["choices"]) == 128 and len(post(prompt=["a"] * 48, n=2).json()["choices"]) == 96
    refused(post(prompt=["a"] * 97), "prompt", 97, "at most 96")


def test_a_prompt_beyond_the_context_is_told_the_numbers(post, fakes):
    refused(post(prompt="x" * 300, max_tokens=150), "max_tokens", 300, 450, fakes.CONTEXT, "at most 100")
    refused(post(prompt="x" * 300, max_total_tokens=450), "max_total_tokens", 300, fakes.CONTEXT)
    for prompt in ("x" * fakes.CONTEXT, "x" * 10_000, list(b"x" * fakes.CONTEXT)):
        refused(post(prompt=prompt), "prompt", fakes.CONTEXT)
        assert post(prompt=prompt).json()["error"]["code"] == "context_length_exceeded"


def test_lengths_are_of_the_answer_or_of_the_whole(app, post):
    def sampling():
        return app.engine.generations[-1].request.sampling

    post(prompt="Hello", max_total_tokens=8, min_total_tokens=7)
    assert (sampling().min_tokens, sampling().max_tokens) == (2, 3)
    post(prompt="Hello", min_total_tokens=3)
    assert (sampling().min_tokens, sampling().max_tokens) == (0, 395)
    post(prompt="Hello", max_tokens=-1, no_repeat_ngram=2**62)
    assert (sampling().max_tokens, sampling().no_repeat_ngram) == (395, 400)
    post(prompt="Hello", forced_output_tokens=[72, 105, 33], max_tokens=2)
    assert sampling().max_tokens == 2


def test_lengths_are_clamped_and_named_where_the_operator_says_so(fakes):
    with fakes.connected(acceptance=Acceptance(clamp_max_tokens=True)) as app:
        for name in ("max_tokens", "max_total_tokens"):
            response = app.client.post("/v1/completions", json={"prompt": ["Hi", "Hello"], name: 1000})
            assert response.status_code == 200 and response.headers["x-ignored-parameters"] == name
        response = app.client.post(
            "/v1/completions", json={"prompt": "Hi", "max_tokens": 9, "forced_output_tokens": [72]}
        )
        assert "x-ignored-parameters" not in response.headers


def test_a_model_for_which_nothing_can_be_enforced_says_so(fakes):
    engine = fakes.Engine()
    engine.constraint_unsupported_reason = "its tokens are not known"
    with fakes.connected(engine) as app:
        response = app.client.post("/v1/completions", json={"prompt": "Hi", "response_format": JSON_OBJECT})
        refused(response, "response_format.type", "its tokens are not known")


@pytest.mark.parametrize(
    ("parameters", "param"),
    [
        ({"stop": "x"}, "stop"),
        ({"stop": ["x"] * 17}, "stop"),
        ({"prompt": [1, 2]}, "prompt.0"),
        ({"prompt": [[1]]}, "prompt.0"),
        ({"max_tokens": -1}, "max_tokens"),
        ({"top_k": -1}, "top_k"),
        ({"stream_options": {}}, "stream_options"),
    ],
)
def test_what_only_openais_api_has_of_completions_is_honoured_and_strictly_refused(fakes, post, parameters, param):
    assert post(**parameters).status_code == 200
    with fakes.connected(acceptance=Acceptance(strict=True)) as app:
        response = app.client.post("/v1/completions", json={"prompt": "Hi", **parameters})
        assert response.status_code == 422 and response.json()["error"]["param"].startswith(param.partition(".")[0])
        response = app.client.post("/v1/completions", json={"prompt": "Hi", "echo": True, "logit_bias": {"5": 1}})
        assert response.headers["x-ignored-parameters"] == "echo,logit_bias" and response.status_code == 200
