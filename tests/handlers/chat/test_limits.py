"""What the schema allows and this server does not is 422, names the field, and says what to do."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers.service import Acceptance

USER = {"role": "user", "content": "Hi"}
TOOL = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}}}
CALL = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
ANSWER = {"role": "assistant", "content": "Hello"}
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
        ({"tools": [TOOL], "min_tokens": 1}, "min_tokens"),
        ({"functions": [TOOL["function"]], "min_tokens": 1}, "min_tokens"),
        ({"functions": [TOOL["function"]], "tools": [TOOL]}, "functions"),
        ({"response_format": JSON_OBJECT, "min_tokens": 1}, "min_tokens"),
        ({"response_format": {"type": "text"}, "min_tokens": 1}, "min_tokens"),
        ({"top_logprobs": 1}, "top_logprobs"),
        ({"top_logprobs": 0, "logprobs": False}, "top_logprobs"),
        ({"continue_final_message": True, "add_generation_prompt": True}, "add_generation_prompt"),
        ({"continue_final_message": True}, "continue_final_message"),
        ({"continue_final_message": True, "messages": [{**ANSWER, "tool_calls": [CALL]}]}, "continue_final_message"),
        ({"max_tokens": 3, "max_completion_tokens": 4}, "max_completion_tokens"),
        ({"min_tokens": 4, "max_tokens": 3}, "min_tokens"),
        ({"min_tokens": 4, "max_completion_tokens": 3}, "min_tokens"),
    ],
)  # fmt: skip
def test_parameters_that_exclude_each_other(post, parameters, param):
    refused(post(**parameters), param)


@pytest.mark.parametrize(
    ("parameters", "param"),
    [
        ({"tools": [TOOL], "response_format": JSON_OBJECT}, "response_format"),
        ({"stream_options": {}}, "stream_options"),
        ({"stream_options": {"include_usage": True}, "stream": False}, "stream_options"),
        ({"messages": [USER, {"role": "assistant"}]}, "messages.1.content"),
        ({"messages": [USER, {"role": "assistant", "content": None, "tool_calls": []}]}, "messages.1.content"),
    ],
)  # fmt: skip
def test_what_the_documents_prose_excludes_is_refused_strictly(post, post_strictly, parameters, param):
    refused(post_strictly(**parameters), param)
    assert post(**parameters).status_code == 200


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
        {"n": 128},
        {"stop": ["a"] * 256},
        {"max_tokens": -1},
        {"max_tokens": -1, "max_completion_tokens": 3},
        {"seed": [-(2**63), 2**64 - 1], "n": 2},
    ],
)  # fmt: skip
def test_parameters_at_their_bounds(post, parameters):
    assert post(**parameters).status_code == 200


@pytest.mark.parametrize(
    ("parameters", "param", "words"),
    [
        ({"stop": ["a"] * 257}, "stop", [256, 257]),
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
        ({"function_call": {"name": "weather"}}, "function_call"),
        ({"function_call": {"name": "time"}, "functions": [TOOL["function"]]}, "function_call.name"),
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
        ({"function_call": {"name": "weather"}, "functions": [TOOL["function"]]}, "function_call"),
    ],
)  # fmt: skip
def test_what_cannot_be_enforced_is_refused_and_not_ignored(post, parameters, param):
    refused(post(**parameters), param, "cannot be enforced", "--tool-format")


def test_functions_have_different_names_and_strictly_are_no_more_than_128(post, post_strictly):
    functions = [{**TOOL["function"], "name": f"f{i}"} for i in range(129)]
    tools = [{**TOOL, "function": function} for function in functions]
    refused(post(tools=[*tools[:3], tools[1]]), "tools.3.function.name", "'f1'", "tools.1")
    refused(post(functions=[*functions[:3], functions[1]]), "functions.3.name", "'f1'", "functions.1")
    refused(post_strictly(tools=tools), "tools", 128)
    assert post_strictly(tools=tools[:128]).status_code == post(tools=tools).status_code == 200


def test_choices_are_no_more_than_the_engine_takes_at_a_time(fakes):
    engine = fakes.Engine()
    engine.max_choices = 20
    with fakes.connected(engine) as app:
        body = {"messages": [USER], "n": 21}
        refused(app.client.post("/v1/chat/completions", json=body), "n", 20, 21)


@pytest.mark.parametrize(
    ("message", "param", "word"),
    [
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
        {"role": "assistant"},
        {"role": "assistant", "tool_calls": [CALL]},
        {"role": "user", "content": [TEXT, TEXT]},
        {"role": "user", "content": []},
        {"role": "system", "content": ""},
    ],
)  # fmt: skip
def test_a_message_that_can(post, message):
    assert post(messages=[message]).status_code == 200


LENGTHS = st.sampled_from(["max_tokens", "max_completion_tokens"])


@given(length=st.integers(1, 420), name=LENGTHS, max_tokens=st.none() | st.integers(1, 420))
def test_prompt_and_answer_fit_the_context_or_the_error_has_all_three_numbers(
    app, post, fakes, length, name, max_tokens
):
    response = post(messages=[{"role": "user", "content": "x" * length}], **{name: max_tokens})
    prompt = length + 2  # the fake tokenizer adds two quotation marks
    if prompt + (max_tokens or 1) <= fakes.CONTEXT:
        assert response.status_code == 200
        room = fakes.CONTEXT - prompt
        assert app.engine.generations[-1].request.sampling.max_tokens == (max_tokens or room)
    elif prompt >= fakes.CONTEXT:
        refused(response, "messages", prompt, fakes.CONTEXT, "maximum context length")
    else:
        refused(response, name, prompt, f"{name} is {max_tokens}", fakes.CONTEXT, "maximum context length")
    assert response.status_code == 200 or response.json()["error"]["code"] == "context_length_exceeded"


@given(length=st.integers(1, 390), name=LENGTHS, max_tokens=st.integers(1, 420))
def test_a_length_beyond_the_context_is_clamped_and_named_where_the_operator_says_so(clamped, length, name, max_tokens):
    app, context = clamped
    body = {"messages": [{"role": "user", "content": "x" * length}], name: max_tokens}
    response = app.client.post("/v1/chat/completions", json=body)
    drawn, room = app.engine.generations[-1].request.sampling.max_tokens, context - length - 2
    assert response.status_code == 200 and drawn == min(max_tokens, room)
    assert response.headers.get("x-ignored-parameters") == (name if max_tokens > room else None)


@pytest.fixture(scope="module")
def clamped(fakes):
    with fakes.connected(acceptance=Acceptance(clamp_max_tokens=True)) as app:
        yield app, fakes.CONTEXT


def test_min_tokens_beyond_the_context_is_refused(post, fakes):
    refused(post(min_tokens=fakes.CONTEXT), "min_tokens", fakes.CONTEXT)
