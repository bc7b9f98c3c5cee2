"""What OpenAI's API says in other words: the engine and the template get the same as for the document's own."""

import json

import pytest

from handlers.formats.families import REASONING_SYNTAXES, TOOL_SYNTAXES
from handlers.formats.syntax import Format

PATH = "/v1/chat/completions"
USER = {"role": "user", "content": "Hi"}
FUNCTION = {"name": "f", "description": "d", "parameters": {"type": "object", "properties": {"x": {"maximum": 1.50}}}}
TOOL = {"type": "function", "function": FUNCTION}
CALL = {"name": "f", "arguments": '{"x": 1}'}
HERMES = Format(TOOL_SYNTAXES["hermes"], REASONING_SYNTAXES["think"], tool_name="hermes", reasoning_name="think")
WRITTEN = '<tool_call>\n{"name": "f", "arguments": {"x": 1}}\n</tool_call>'


def text(*texts, **fields):
    return [{"type": "text", "text": part, **fields} for part in texts]


def asked(app, **body):
    """What the tokenizer and the engine were given."""
    response = app.client.post(PATH, json={"messages": [USER], "seed": 1, **body})
    assert response.status_code == 200, response.text
    request = app.engine.generations[-1].request
    constraint = None if request.grammar is None else request.grammar.key
    seen = app.tokenizer.calls[-1]
    return seen.messages, seen.tools, seen.kwargs, seen.effort, request.prompt, request.sampling, constraint


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ({"stop": "there"}, {"stop": ["there"]}),
        ({"max_tokens": -1}, {}),
        ({"max_completion_tokens": -1}, {"max_completion_tokens": None}),
        ({"max_tokens": -1, "max_completion_tokens": 5}, {"max_tokens": 5}),
        ({"top_k": -1}, {}),
        ({"stream_options": {"include_usage": True}}, {}),
        ({"tool_choice": None, "tools": [TOOL]}, {"tools": [TOOL]}),
        ({"messages": [{"role": "developer", "content": "s", "name": "n"}, USER]},
         {"messages": [{"role": "system", "content": "s", "name": "n"}, USER]}),
        ({"messages": [{"role": "system", "content": text("a", "b", cache_control={"type": "ephemeral"})}, USER]},
         {"messages": [{"role": "system", "content": "ab"}, USER]}),
        ({"messages": [{"role": "developer", "content": text("a", "b")}, USER]},
         {"messages": [{"role": "system", "content": "ab"}, USER]}),
        ({"messages": [{"role": "assistant", "content": [*text("a"), {"type": "refusal", "refusal": "b"}]}, USER]},
         {"messages": [{"role": "assistant", "content": "ab"}, USER]}),
        ({"messages": [{"role": "assistant", "content": []}, USER]},
         {"messages": [{"role": "assistant", "content": ""}, USER]}),
        ({"messages": [{"role": "tool", "tool_call_id": "c", "content": text("a", "b")}]},
         {"messages": [{"role": "tool", "tool_call_id": "c", "content": "ab"}]}),
        ({"tools": [{**TOOL, "function": {"name": "f"}}]},
         {"tools": [{**TOOL, "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}]}),
        ({"tools": [{**TOOL, "function": {"name": "f", "parameters": None}}]},
         {"tools": [{**TOOL, "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}]}),
        ({"functions": [FUNCTION]}, {"tools": [TOOL]}),
        ({"functions": [FUNCTION], "function_call": "none"}, {"tools": [TOOL], "tool_choice": "none"}),
        ({"functions": [], "function_call": "auto"}, {}),
    ],
)  # fmt: skip
def test_other_words_for_the_same(app, theirs, ours):
    assert asked(app, **theirs) == asked(app, **ours)


@pytest.mark.parametrize(("arguments", "shown"), [(None, ""), ("{", "{"), ({"x": [1]}, '{"x":[1]}'), ("", "")])
def test_arguments_of_earlier_calls_are_given_as_text(app, arguments, shown):
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": arguments}}
    messages, *_ = asked(app, messages=[USER, {"role": "assistant", "tool_calls": [call]}])
    assert messages[1]["tool_calls"][0]["function"] == {"name": "f", "arguments": shown}


def test_calls_of_the_old_form_are_calls_whose_results_have_their_ids(app):
    called = {"role": "assistant", "content": None, "function_call": CALL}
    results = [{"role": "function", "name": name, "content": "12"} for name in ("f", "g")]
    messages, *_ = asked(app, messages=[USER, called, results[0], called, results[1]])
    ids = [message["tool_calls"][0]["id"] for message in messages if message["role"] == "assistant"]
    assert len(set(ids)) == 2 and messages[1]["tool_calls"][0]["function"] == CALL
    assert messages[2] == {"role": "tool", "content": "12", "tool_call_id": ids[0]}
    assert messages[4]["name"] == "g" and messages[4]["tool_call_id"] not in ids


def test_of_calls_in_both_forms_the_new_ones_count(app, post):
    call = {"id": "c", "type": "function", "function": {"name": "g", "arguments": "{}"}}
    message = {"role": "assistant", "content": None, "tool_calls": [call], "function_call": CALL}
    response = post(messages=[USER, message])
    assert app.tokenizer.calls[-1].messages[1]["tool_calls"] == [call]
    assert response.headers["x-ignored-parameters"] == "messages.1.function_call"


@pytest.fixture(scope="module")
def calling(fakes):
    """A model that calls the function f, twice."""

    class Generation(fakes.Generation):
        def _reply(self, choice):
            return [*f"{WRITTEN}\n{WRITTEN}".encode(), fakes.END]

    class Engine(fakes.Engine):
        generation = Generation

    with fakes.connected(Engine(), format=HERMES) as app:
        yield app


@pytest.mark.parametrize("choice", ["auto", None, {"name": "f"}])
def test_an_answer_to_functions_has_one_call_in_the_old_form(calling, choice):
    body = {"messages": [USER], "functions": [FUNCTION], "function_call": choice}
    (whole,) = calling.client.post(PATH, json=body).json()["choices"]
    assert whole["finish_reason"] == "function_call"
    assert whole["message"] == {"role": "assistant", "content": None, "function_call": CALL}
    events = calling.client.post(PATH, json={**body, "stream": True}).text.split("\n\n")
    chunks = [json.loads(event.removeprefix("data: ")) for event in events if event.startswith("data: {")]
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks]
    calls = [delta["function_call"] for delta in deltas if "function_call" in delta]
    assert deltas[0] == {"role": "assistant", "content": None} and not any("tool_calls" in delta for delta in deltas)
    assert [call.get("name") for call in calls] == ["f", *[None] * (len(calls) - 1)]
    assert "".join(call["arguments"] for call in calls) == CALL["arguments"]
    assert chunks[-1]["choices"][0]["finish_reason"] == "function_call"


def test_schemas_of_functions_keep_every_digit_and_are_named_by_their_own_paths(calling):
    body = json.dumps({"messages": [USER], "functions": [FUNCTION]}).replace("1.5", "1.50")
    headers = {"content-type": "application/json"}
    assert calling.client.post(PATH, content=body, headers=headers).status_code == 200
    text = calling.compiler.constraints[-1].text
    assert '"maximum":1.50' in text
    refusal = {"name": "f", "parameters": {"refuse": 1}, "strict": True}
    error = calling.client.post(PATH, json={"messages": [USER], "functions": [refusal]}).json()["error"]
    assert error["param"] == "functions.0.parameters"
