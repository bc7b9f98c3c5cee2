"""What OpenAI's API has beyond the vendored document, with a real model: begun answers, old functions, many choices."""

import json

import pytest

from tests.conformance.chat import HELLO, ROWS, assert_alike, fold, said, text

SUM = [{"role": "user", "content": "What is 3 + 4?"}]
SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}, "b": {"enum": ["x", "y"]}}, "required": ["a", "b"]}
FORMAT = {"type": "json_schema", "json_schema": {"schema": SCHEMA}}
WEATHER = {
    "name": "get_weather",
    "parameters": {"type": "object", "properties": {"city": {"enum": ["Oslo", "Rome"]}}, "required": ["city"]},
}


def begun(content, **more):
    messages = [*SUM, {"role": "assistant", "content": content}]
    return {"messages": messages, "continue_final_message": True, "add_generation_prompt": False, **more}


@pytest.mark.parametrize("written", ["", "{", '{"a": 1', '{"a": 12, "b": "', '{"a": 12, "b": "y"}'])
@pytest.mark.parametrize("stream", [False, True])
def test_an_answer_that_is_begun_is_valid_as_a_whole(chat, written, stream):
    body = begun(written, response_format=FORMAT, temperature=2, seed=3, max_tokens=60)
    usage = {"stream_options": {"include_usage": True}}
    answer = fold(chat.chunks(**body, **usage)) if stream else said(chat.whole(**body))
    (choice,) = answer["choices"]
    value = json.loads(written + choice["text"])
    assert choice["finish_reason"] == "stop" and value["b"] in ("x", "y") and isinstance(value["a"], int)


@pytest.mark.parametrize("written", ["Well, ", '{"b"', '{"a": 1.5', '{"a": 1, "b": "z"}'])
def test_what_no_answer_begins_with_is_refused(chat, written):
    assert chat.refused(**begun(written, response_format=FORMAT))["param"] == "messages.1.content"


def test_a_begun_answer_goes_on_as_the_model_would_have(chat):
    whole = text(chat.whole(messages=SUM, temperature=0))
    assert len(whole) > 3
    assert text(chat.whole(**begun(whole[:3], temperature=0))) == whole[3:]


def test_a_call_that_is_begun_is_whole(chat):
    tools = [{"type": "function", "function": WEATHER}]
    body = begun('<tool_call>\n{"name": "get_weather", "arguments": {"city": "R', tools=tools, temperature=2, seed=1)
    (choice,) = said(chat.whole(**body, tool_choice="required", parallel_tool_calls=False))["choices"]
    assert choice["calls"] == [["get_weather", '{"city": "Rome"}']] and choice["text"] == ""


def test_an_answer_to_functions(chat):
    body = {"messages": HELLO, "functions": [WEATHER], "function_call": {"name": "get_weather"}, "seed": 0}
    (choice,) = chat.whole(**body)["choices"]
    call = choice["message"]["function_call"]
    assert choice["finish_reason"] == "function_call" and call["name"] == "get_weather"
    assert json.loads(call["arguments"])["city"] in ("Oslo", "Rome")


@pytest.mark.parametrize("seed", range(3))
def test_calls_or_an_answer_in_the_format(chat, seed):
    tools = [{"type": "function", "function": WEATHER}]
    (choice,) = said(chat.whole(tools=tools, response_format=FORMAT, temperature=2, seed=seed, max_tokens=90))[
        "choices"
    ]
    assert choice["finish_reason"] in ("stop", "tool_calls")
    for name, arguments in choice["calls"]:
        assert name == "get_weather" and json.loads(arguments)["city"] in ("Oslo", "Rome")
    assert choice["calls"] or json.loads(choice["text"])["b"] in ("x", "y")


@pytest.mark.parametrize("written", ["[", '["a",', '["a", "a"'])
def test_an_answer_in_the_format_beside_tools_repeats_nothing_that_must_be_unique(chat, written):
    schema = {"items": {"type": "string", "maxLength": 1}, "type": "array", "maxItems": 3, "uniqueItems": True}
    form = {"type": "json_schema", "json_schema": {"schema": schema}}
    body = begun(written, response_format=form, tools=[{"type": "function", "function": WEATHER}])
    choices = said(chat.whole(**body, temperature=2, seed=1, n=8, max_tokens=60))["choices"]
    for choice in choices:
        items = json.loads(written + choice["text"])
        assert choice["finish_reason"] == ("stop" if len(set(items)) == len(items) else "length")


def test_more_choices_than_rows_wait_for_one(chat):
    many = said(chat.whole(n=2 * ROWS + 1, seed=7, temperature=2, max_tokens=4))["choices"]
    one = said(chat.whole(seed=7 + 2 * ROWS, temperature=2, max_tokens=4))
    assert len(many) == 2 * ROWS + 1
    assert_alike({"choices": [many[-1]], "usage": {}}, {**one, "usage": {}})


def test_levels_of_effort_turn_reasoning_on_and_off(chat):
    asked = {"messages": SUM, "temperature": 0, "parse_reasoning": True}
    reasons = {effort: bool(said(chat.whole(**asked, reasoning_effort=effort))["choices"][0]["reasoning"])
               for effort in ("none", "high")}  # fmt: skip
    assert reasons == {"none": False, "high": True}
