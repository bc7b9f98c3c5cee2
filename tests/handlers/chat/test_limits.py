"""What the schema allows and this server does not is 422, names the field, and says what to do."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

USER = {"role": "user", "content": "Hi"}
TOOL = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}}}
CALL = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
TEXT = {"type": "text", "text": "a"}
JSON_OBJECT = {"type": "json_object"}
NAMED = {"type": "function", "function": {"name": "weather"}}


def refused(response, param, *words):
    assert response.status_code == 422, response.text
    error = response.json()["error"]
    assert error["param"] == param and error["type"] == "invalid_request_error"
    for word in words:
        assert str(word) in error["message"]


@pytest.mark.parametrize(
    ("parameters", "param"),
    [
        ({"tools": [TOOL], "response_format": JSON_OBJECT}, "response_format"),
        ({"tools": [TOOL], "min_tokens": 1}, "min_tokens"),
        ({"response_format": JSON_OBJECT, "min_tokens": 1}, "min_tokens"),
        ({"response_format": {"type": "text"}, "min_tokens": 1}, "min_tokens"),
        ({"top_logprobs": 1}, "top_logprobs"),
        ({"top_logprobs": 0, "logprobs": False}, "top_logprobs"),
        ({"stream_options": {}}, "stream_options"),
        ({"stream_options": {"include_usage": True}, "stream": False}, "stream_options"),
        ({"max_tokens": 3, "max_completion_tokens": 4}, "max_completion_tokens"),
        ({"min_tokens": 4, "max_tokens": 3}, "min_tokens"),
        ({"min_tokens": 4, "max_completion_tokens": 3}, "min_tokens"),
    ],
)  # fmt: skip
def test_parameters_that_exclude_each_other(post, parameters, param):
    refused(post(**parameters), param)


@pytest.mark.parametrize(
    "parameters",
    [
        {"tools": [], "response_format": {"type": "text"}},
        {"tools": [TOOL], "response_format": {"type": "text"}},
        {"tools": [], "min_tokens": 1},
        {"tools": [TOOL], "tool_choice": "auto"},
        {"tool_choice": "none"},
        {"tool_choice": "auto"},
        {"max_tokens": 3, "max_completion_tokens": 3},
        {"max_completion_tokens": 3, "min_tokens": 3},
        {"logprobs": True, "top_logprobs": 0},
        {"top_k": 260},
        {"eos_token": [259]},
        {"logit_bias": {"259": -100}},
        {"n": 16},
        {"seed": [-(2**63), 2**64 - 1], "n": 2},
    ],
)  # fmt: skip
def test_parameters_at_their_bounds(post, parameters):
    assert post(**parameters).status_code == 200


@pytest.mark.parametrize(
    ("parameters", "param", "words"),
    [
        ({"n": 17}, "n", [16, 17]),
        ({"seed": [1, 2]}, "seed", [2, 1]),
        ({"seed": [1], "n": 2}, "seed", [1, 2]),
        ({"seed": -(2**63) - 1}, "seed", ["at least"]),  # read as a float, which is -(2**63): the schema must refuse it
        ({"seed": [1, -(2**63) - 1], "n": 2}, "seed.1", ["at least"]),
        ({"top_k": 261}, "top_k", [261, 260]),
        ({"eos_token": [5, 260]}, "eos_token.1", [260]),
        ({"logit_bias": {"260": 1}}, "logit_bias.260", [260]),
    ],
)  # fmt: skip
def test_parameters_beyond_what_the_model_has(post, parameters, param, words):
    refused(post(**parameters), param, *words)


@pytest.mark.parametrize(
    ("parameters", "param"),
    [
        ({"tool_choice": "required"}, "tool_choice"),
        ({"tool_choice": NAMED}, "tool_choice"),
        ({"tool_choice": "required", "tools": []}, "tool_choice"),
        ({"tool_choice": {**NAMED, "function": {"name": "time"}}, "tools": [TOOL]}, "tool_choice.function.name"),
    ],
)  # fmt: skip
def test_a_tool_choice_without_such_a_tool(post, parameters, param):
    refused(post(**parameters), param)


@pytest.mark.parametrize(
    ("parameters", "param"),
    [
        ({"tool_choice": "required", "tools": [TOOL]}, "tool_choice"),
        ({"tool_choice": NAMED, "tools": [TOOL]}, "tool_choice"),
    ],
)  # fmt: skip
def test_what_cannot_be_enforced_is_refused_and_not_ignored(post, parameters, param):
    refused(post(**parameters), param, "cannot be enforced", "--tool-format")


def test_functions_have_different_names_and_are_no_more_than_128(post):
    def tools(count):
        return [{**TOOL, "function": {**TOOL["function"], "name": f"f{i}"}} for i in range(count)]

    refused(post(tools=[*tools(3), tools(2)[1]]), "tools.3.function.name", "'f1'", "tools.1")
    refused(post(tools=tools(129)), "tools", 129, 128)
    assert post(tools=tools(128)).status_code == 200


@pytest.mark.parametrize(
    ("message", "param", "word"),
    [
        ({"role": "assistant"}, "messages.1.content", "required"),
        ({"role": "assistant", "content": None, "tool_calls": []}, "messages.1.content", "required"),
        *(
            ({"role": "user", "content": [TEXT, {"type": f"{kind}_url", f"{kind}_url": {"url": "u"}}]},
             "messages.1.content.1", f"does not support {kind} inputs")
            for kind in ("image", "audio", "video")
        ),
        ({"role": "user", "content": "refuse"}, "messages.1.content", "the template refuses this"),
    ],
)  # fmt: skip
def test_a_message_that_cannot_be_put_to_the_model(post, message, param, word):
    refused(post(messages=[USER, message]), param, word)


@pytest.mark.parametrize(
    "message",
    [
        {"role": "assistant", "content": ""},
        {"role": "assistant", "tool_calls": [CALL]},
        {"role": "user", "content": [TEXT, TEXT]},
        {"role": "user", "content": []},
        {"role": "system", "content": ""},
    ],
)  # fmt: skip
def test_a_message_that_can(post, message):
    assert post(messages=[message]).status_code == 200


@given(length=st.integers(1, 420), max_tokens=st.none() | st.integers(1, 420))
def test_prompt_and_answer_fit_the_context_or_the_error_has_all_three_numbers(app, post, fakes, length, max_tokens):
    response = post(messages=[{"role": "user", "content": "x" * length}], max_tokens=max_tokens)
    prompt = length + 2  # the fake tokenizer adds two quotation marks
    if prompt + (max_tokens or 1) <= fakes.CONTEXT:
        assert response.status_code == 200
        room = fakes.CONTEXT - prompt
        assert app.engine.generations[-1].request.sampling.max_tokens == (max_tokens or room)
    elif prompt >= fakes.CONTEXT:
        refused(response, "messages", prompt, fakes.CONTEXT, "maximum context length")
    else:
        refused(response, "max_tokens", prompt, max_tokens, fakes.CONTEXT, "maximum context length")


def test_min_tokens_beyond_the_context_is_refused(post, fakes):
    refused(post(min_tokens=fakes.CONTEXT), "min_tokens", fakes.CONTEXT)
