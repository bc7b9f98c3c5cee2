"""Whatever API tools and formats come by, they are compiled once, and told of by the paths of the body sent."""

from urllib.parse import unquote

import pytest

from handlers.formats.families import REASONING_SYNTAXES, TOOL_SYNTAXES
from handlers.formats.syntax import Format

HERMES = Format(TOOL_SYNTAXES["hermes"], REASONING_SYNTAXES["think"], tool_name="hermes", reasoning_name="think")
USER = {"role": "user", "content": "Hi"}
CHAT, MESSAGES, RESPONSES = "/v1/chat/completions", "/v1/messages", "/v1/responses"
SCHEMA = {"type": "object", "properties": {"b": {"type": "number", "minimum": 1.5}, "a": {"type": "string"}}}


@pytest.fixture(scope="module")
def app(fakes):
    with fakes.connected(format=HERMES) as app:
        yield app


def bodies(schema, choice, form):
    """The same in each API: one function that may ("auto") or must be called, and a form of the answer."""
    function = {"name": "f", "description": "d", "parameters": schema}
    named = {"type": "json_schema", "name": "x", "schema": form}
    chat = {"messages": [USER], "tools": [{"type": "function", "function": function}], "tool_choice": choice}
    response = {"input": [USER], "tools": [{"type": "function", **function}], "tool_choice": choice}
    tool = {"name": "f", "description": "d", "input_schema": schema}
    forced = {"type": "any" if choice == "required" else choice}
    message = {"messages": [USER], "max_tokens": 20, "tools": [tool], "tool_choice": forced}
    if form is not None:
        chat["response_format"] = {"type": "json_schema", "json_schema": {"name": "x", "schema": form}}
        message["output_config"] = {"format": {"type": "json_schema", "schema": form}}
        response["text"] = {"format": named}
    return {CHAT: chat, MESSAGES: message, RESPONSES: response}


def asked(app, path, body):
    response = app.client.post(path, json=body)
    assert response.status_code == 200, response.text
    return app.compiler.constraints[-1], unquote(response.headers.get("x-ignored-parameters", "")).split(",")


@pytest.mark.parametrize("choice", ["auto", "required"])
@pytest.mark.parametrize("form", [None, {"type": "object", "properties": {"n": {"enum": [1, 2]}}}])
def test_equal_tools_and_formats_have_one_grammar_in_each_api(app, choice, form):
    constraints = [asked(app, path, body)[0] for path, body in bodies(SCHEMA, choice, form).items()]
    assert constraints[0].kind == "structural" and constraints == constraints[:1] * 3


def test_what_it_leaves_out_is_named_as_each_api_has_it(app):
    places = {CHAT: "tools.0.function.parameters", MESSAGES: "tools.0.input_schema", RESPONSES: "tools.0.parameters"}
    for path, body in bodies({"format": "unknown"}, "required", None).items():
        assert {f"{places[path]}#/format", f"{places[path]}#/items/uniqueItems"} <= set(asked(app, path, body)[1])
    for path, body in bodies({"items": {"const": "refuse"}}, "required", None).items():
        error = app.client.post(path, json=body).json()["error"]
        assert error["param"] == places[path] and f"at {places[path]}#/items" in error["message"]
    for path, body in bodies({"items": {"const": "refuse"}}, "auto", None).items():
        assert places[path] in asked(app, path, body)[1]
