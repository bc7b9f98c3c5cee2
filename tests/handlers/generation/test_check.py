"""An answer that repeats what it may not ends as one that was cut off, whole or streamed, text or calls."""

import json

import pytest

from handlers.formats.families import TOOL_SYNTAXES
from handlers.formats.syntax import Format
from handlers.generation.check import AnswerCheck, checked
from handlers.generation.deltas import CallDelta, Delta

PATH = "/v1/chat/completions"
UNIQUE = b'{"properties": {"a": {"uniqueItems": true}}}'
FORM, TOOLS = AnswerCheck(form=UNIQUE), AnswerCheck(tools={"f": UNIQUE})
GOOD, BAD = '{"a": [1, 2]}', '{"a": [1, 1]}'


def content(text, choice=0, reason="stop"):
    """Deltas of a choice, its text in two parts."""
    parts = [Delta(choice, content=part) for part in (text[:3], text[3:])]
    return [*parts, Delta(choice, finish_reason=reason)]


def calls(*asked, reason="tool_calls"):
    """Deltas of a choice that calls functions, their arguments in two parts."""
    found = []
    for i, (name, text) in enumerate(asked):
        heads = CallDelta(i, id=str(i), name=name), CallDelta(i, text[:3]), CallDelta(i, text[3:])
        found += [Delta(0, call=call) for call in heads]
    return [*found, Delta(0, finish_reason=reason)]


async def reasons(deltas, check, begun=""):
    async def given():
        for delta in deltas:
            yield delta

    found = [delta async for delta in checked(given(), lambda: check, begun)]
    assert [delta.call or delta.content for delta in found] == [delta.call or delta.content for delta in deltas]
    return {delta.choice: delta.finish_reason for delta in found if delta.finish_reason}


@pytest.mark.parametrize(
    ("deltas", "check", "reason"),
    [
        (content(GOOD), FORM, "stop"),
        (content(BAD), FORM, "length"),
        (content('{"x": 1, "y": 1}'), AnswerCheck(form=b'{"minProperties": 2}'), "stop"),
        (content('{"x": 1, "x": 1}'), AnswerCheck(form=b'{"minProperties": 2}'), "length"),
        (content(BAD), None, "stop"),
        (content(BAD, reason="length"), FORM, "length"),
        (content(GOOD), AnswerCheck(form=UNIQUE, keywords=frozenset(["maxItems"])), "length"),
        (calls(("f", GOOD), ("f", GOOD)), TOOLS, "tool_calls"),
        (calls(("f", GOOD), ("f", BAD)), TOOLS, "length"),
        (calls(("g", BAD)), TOOLS, "tool_calls"),
        (content("no call"), TOOLS, "stop"),
        (calls(("f", GOOD)), AnswerCheck(UNIQUE, {"f": UNIQUE}), "tool_calls"),
        (calls(("f", BAD)), AnswerCheck(UNIQUE, {"f": UNIQUE}), "length"),
        (content(BAD), AnswerCheck(UNIQUE, {"f": UNIQUE}), "length"),
    ],
)
async def test_an_answer_that_breaks_what_was_deferred_ends_with_length(deltas, check, reason):
    assert await reasons(deltas, check) == {0: reason}


@pytest.mark.parametrize(("begun", "reason"), [('{"a": [1, 2, ', "stop"), ('{"a": [1, 3, ', "length")])
async def test_what_the_prompt_has_of_an_answer_is_checked_with_it(begun, reason):
    assert await reasons(content("3]}"), FORM, begun) == {0: reason}


async def test_each_choice_is_checked_for_itself():
    good, bad = content(GOOD), content(BAD, choice=1)
    mixed = [delta for pair in zip(bad, good, strict=True) for delta in pair]
    assert await reasons(mixed, FORM) == {0: "stop", 1: "length"}


def replying(fakes, text):
    """An engine whose answers all have this text."""

    class Generation(fakes.Generation):
        def _reply(self, choice):
            return [*text.encode(), fakes.END]

    class Engine(fakes.Engine):
        generation = Generation

    return Engine()


def finish_reason(response):
    assert response.status_code == 200, response.text
    if "event-stream" not in response.headers["content-type"]:
        return response.json()["choices"][0]["finish_reason"]
    events = [line.removeprefix("data: ") for line in response.text.splitlines() if line.startswith("data: {")]
    return [json.loads(event)["choices"][0]["finish_reason"] for event in events][-1]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("text", "reason"), [("[[1], [2, 3]]", "stop"), ("[[1], [2, 2]]", "length")])
def test_answers_by_a_schema(fakes, stream, text, reason):
    schema = {"items": {"uniqueItems": True}, "description": "unknown"}
    body = {"messages": [{"role": "user", "content": "Hi"}], "stream": stream,
            "response_format": {"type": "json_schema", "json_schema": {"schema": schema}}}  # fmt: skip
    with fakes.connected(replying(fakes, text)) as app:
        assert finish_reason(app.client.post(PATH, json=body)) == reason


@pytest.mark.parametrize(("items", "reason"), [([1, 2], "tool_calls"), ([1, 1], "length")])
def test_calls_of_a_tool_that_the_model_knows_by_another_name(fakes, items, reason):
    parameters = {"type": "object", "properties": {"x": {"uniqueItems": True}}, "description": "unknown"}
    tool = {"type": "function", "function": {"name": "a.f", "parameters": parameters}}
    body = {"messages": [{"role": "user", "content": "Hi"}], "tools": [tool], "tool_choice": "required"}
    engine = replying(fakes, f"[a_f(x={items})]")
    with fakes.connected(engine, format=Format(TOOL_SYNTAXES["llama4"])) as app:
        response = app.client.post(PATH, json=body)
    assert response.json()["choices"][0]["message"]["tool_calls"][0]["function"]["name"] == "a.f"
    assert finish_reason(response) == reason


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("choice", ["auto", "required"])
@pytest.mark.parametrize(("items", "reason"), [([1, 2], "tool_calls"), ([1, 1], "length")])
def test_calls_by_the_schema_of_a_tool(fakes, stream, choice, items, reason):
    parameters = {"type": "object", "properties": {"x": {"uniqueItems": True}}, "description": "unknown"}
    tool = {"type": "function", "function": {"name": "f", "parameters": parameters}}
    body = {"messages": [{"role": "user", "content": "Hi"}], "stream": stream, "tools": [tool], "tool_choice": choice}
    text = f'<tool_call>\n{{"name": "f", "arguments": {{"x": {items}}}}}\n</tool_call>'
    with fakes.connected(replying(fakes, text), format=Format(TOOL_SYNTAXES["hermes"])) as app:
        assert finish_reason(app.client.post(PATH, json=body)) == reason
