"""Tools end to end, with the bundled model: a round trip, what must be called, and streams that say the same."""

import json

import jsonschema
import pytest

from tests.conformance.bodies import TREE
from tests.conformance.chat import assert_alike, fold, said, text

WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Get the current weather in a city.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
SHAPE = {
    "oneOf": [
        {"type": "object", "properties": {"radius": {"type": "integer"}}, "required": ["radius"]},
        {"type": "object", "properties": {"side": {"enum": [1, 2]}, "color": {"type": "null"}}, "required": ["side"]},
    ]
}
SCHEMAS = {"plant": TREE, "draw": SHAPE}
TOOLS = [WEATHER, *({"type": "function", "function": {"name": n, "parameters": s}} for n, s in SCHEMAS.items())]
ASKED = [{"role": "user", "content": "What is the weather in Paris?"}]
WITH_USAGE = {"stream_options": {"include_usage": True}}


def test_a_round_trip(chat):
    first = chat.whole(messages=ASKED, tools=[WEATHER], temperature=0)
    message = first["choices"][0]["message"]
    (call,) = message["tool_calls"]
    assert first["choices"][0]["finish_reason"] == "tool_calls" and message["content"] is None
    assert call["function"]["name"] == "get_weather" and json.loads(call["function"]["arguments"]) == {"city": "Paris"}
    assert call["id"].startswith("call_") and len(call["id"]) == 29 and call["id"][5:].isalnum()
    result = {"role": "tool", "tool_call_id": call["id"], "content": '{"temperature": 17, "condition": "rainy"}'}
    answer = chat.whole(messages=[*ASKED, message, result], tools=[WEATHER], temperature=0)
    assert "17" in text(answer) and "rainy" in text(answer) and answer["choices"][0]["finish_reason"] == "stop"


@pytest.mark.parametrize("parallel", [True, False])
@pytest.mark.parametrize("seed", range(3))
def test_what_must_be_called_is_called_with_valid_arguments(chat, seed, parallel):
    body = {"messages": ASKED, "tools": TOOLS[1:], "tool_choice": "required", "temperature": 1.5, "n": 4}
    answer = chat.whole(**body, seed=seed, max_tokens=150, parallel_tool_calls=parallel)
    for choice in said(answer)["choices"]:
        assert choice["calls"] and choice["text"] == "" and (parallel or len(choice["calls"]) == 1)
        for name, arguments in choice["calls"] if choice["finish_reason"] == "tool_calls" else ():
            jsonschema.validate(json.loads(arguments), SCHEMAS[name])


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("choice", ["required", "auto"])
@pytest.mark.parametrize(
    ("cut", "arguments"),
    [({"stop": ["Par"]}, ['{"city": "']), ({"stop": ["name"]}, []), ({"max_tokens": 4}, []), ({"stop": ["}}"]}, None)],
)
def test_a_call_that_is_cut_ends_with_length_and_leaks_nothing(chat, stream, choice, cut, arguments):
    body = {"messages": ASKED, "tools": [WEATHER], "tool_choice": choice, "temperature": 0, **cut}
    found = fold(chat.chunks(**body, **WITH_USAGE)) if stream else said(chat.whole(**body))
    (choice,) = found["choices"]
    assert choice["finish_reason"] == "length" and choice["text"] == ""
    assert arguments is None or [arguments for _, arguments in choice["calls"]] == arguments


@pytest.mark.parametrize("mode", ["required", "auto"])
def test_of_the_tools_that_are_allowed_some_are_called_and_no_others(chat, mode):
    """The question asks for the weather, which may not be called."""
    choices = [{"type": "function", "function": {"name": name}} for name in ("draw", "plant")]
    choice = {"type": "allowed_tools", "allowed_tools": {"mode": mode, "tools": choices}}
    for seed in range(2):
        body = {"messages": ASKED, "tools": TOOLS, "tool_choice": choice, "seed": seed, "max_tokens": 60, "n": 2}
        for found in said(chat.whole(**body))["choices"]:
            assert {name for name, _ in found["calls"]} <= SCHEMAS.keys()
            assert found["calls"] or mode == "auto"


def test_a_named_function_is_called_once_and_no_other(chat):
    named = {"type": "function", "function": {"name": "draw"}}
    answer = chat.whole(messages=ASKED, tools=TOOLS, tool_choice=named, temperature=0, max_tokens=60)
    ((name, arguments),) = said(answer)["choices"][0]["calls"]
    assert name == "draw" and answer["choices"][0]["finish_reason"] == "tool_calls"
    jsonschema.validate(json.loads(arguments), SHAPE)


@pytest.mark.parametrize("choice", ["auto", "required", "none"])
@pytest.mark.parametrize("logprobs", [False, True])
def test_a_stream_says_the_same(chat, choice, logprobs):
    body = {"messages": ASKED, "tools": TOOLS, "tool_choice": choice, "seed": 5, "n": 2, "max_tokens": 60}
    body |= {"logprobs": logprobs}
    assert_alike(fold(chat.chunks(**body, **WITH_USAGE)), said(chat.whole(**body)))


def test_a_call_streams_as_it_is_drawn(chat):
    chunks = chat.chunks(messages=ASKED, tools=[WEATHER], temperature=0)
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks]
    assert deltas[0] == {"role": "assistant", "content": None} and deltas[-1] == {}
    head, *rest = [delta["tool_calls"][0] for delta in deltas[1:-1]]
    assert head["function"] == {"name": "get_weather", "arguments": ""} and head["id"] and head["type"] == "function"
    assert len(rest) > 2 and all(part.keys() == {"index", "type", "function"} for part in rest)
    assert json.loads("".join(part["function"]["arguments"] for part in rest)) == {"city": "Paris"}


def test_without_tools_to_call_nothing_is_taken_for_a_call(chat):
    answer = chat.whole(messages=ASKED, tools=[WEATHER], tool_choice="none", temperature=0)
    assert "tool_calls" not in answer["choices"][0]["message"] and text(answer)


def test_a_schema_that_cannot_be_enforced(chat):
    bad = {"type": "object", "properties": {"a": {"$ref": "https://example.org/a"}}}
    tools = [WEATHER, {"type": "function", "function": {"name": "bad", "parameters": bad}}]
    response = chat.post(messages=ASKED, tools=tools, temperature=0)
    assert response.status_code == 200 and response.headers["x-ignored-parameters"] == "tools.1.function.parameters"
    error = chat.refused(messages=ASKED, tools=tools, tool_choice="required")
    assert error["param"] == "tools.1.function.parameters" and "https://example.org/a" in error["message"]
