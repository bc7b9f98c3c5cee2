"""Requests of Anthropic's Messages API: the engine and the template get the same as for the same chat."""

import pytest

from generated.models import ContainerMessagesBody
from handlers.formats.families import REASONING_SYNTAXES, TOOL_SYNTAXES
from handlers.formats.syntax import Format
from handlers.http.validation import JSONBody
from handlers.loaded import LoadedModel
from handlers.messages.request import read_messages
from handlers.service import Acceptance

PATH, CHAT = "/v1/messages", "/v1/chat/completions"
USER, ANSWER = {"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}
DIGITS = b'{"type": "object", "properties": {"x": {"maximum": 12345678901234567890123, "minimum": 1.50}}}'
SCHEMA = {"type": "object", "properties": {"x": {"maximum": 9}}}
TOOL = {"name": "f", "description": "d", "input_schema": SCHEMA}
FUNCTION = {"type": "function", "function": {"name": "f", "description": "d", "parameters": SCHEMA}}
CALL = {"type": "tool_use", "id": "c", "name": "f", "input": {"x": 1}}
CALLED = {"id": "c", "type": "function", "function": {"name": "f", "arguments": '{"x": 1}'}}
NAMED = {"type": "function", "function": {"name": "f"}}
FORM = {"type": "json_schema", "schema": SCHEMA}
HERMES = Format(TOOL_SYNTAXES["hermes"], REASONING_SYNTAXES["think"], tool_name="hermes", reasoning_name="think")
SWITCHES = {"enable_thinking", "reasoning_effort", "assistant.reasoning_content", "function.description"}
REASONS = {"parse_reasoning": True}


@pytest.fixture(scope="module")
def app(fakes):
    """A model that reasons and calls."""
    with fakes.connected(tokenizer=fakes.Tokenizer(SWITCHES), format=HERMES) as app:
        yield app


@pytest.fixture(scope="module")
def strict(fakes):
    """The same, served as `--strict` does."""
    tokenizer = fakes.Tokenizer(SWITCHES)
    with fakes.connected(tokenizer=tokenizer, format=HERMES, acceptance=Acceptance(strict=True)) as app:
        yield app


def post(app, path=PATH, **body):
    return app.client.post(path, json={"messages": [USER], "seed": 1, **body})


def asked(app, path, **body):
    """What the tokenizer and the engine were given."""
    response = post(app, path, **body)
    assert response.status_code == 200, response.text
    request = app.engine.generations[-1].request
    constraint = None if request.grammar is None else request.grammar.key.text
    seen = app.tokenizer.calls[-1]
    return (
        seen.messages, seen.tools, seen.kwargs, seen.effort, seen.ending, request.prompt, request.sampling,
        request.seeds, request.reasoning_limit, constraint,
    )  # fmt: skip


def refused(app, path=PATH, **body):
    response = post(app, path, **body)
    assert response.status_code == 422 and response.json()["type"] == "error", response.text
    return response.json()["error"]


def named(response):
    return response.headers.get("x-ignored-parameters", "").split(",")


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ({}, {}),
        ({"max_tokens": 5, "temperature": 0, "top_p": 0.5, "top_k": 3}, None),
        ({"stop_sequences": ["a", "b"]}, {"stop": ["a", "b"]}),
        ({"system": "S"}, {"messages": [{"role": "system", "content": "S"}, USER]}),
        ({"tools": [TOOL]}, {"tools": [FUNCTION]}),
        ({"tools": [TOOL, {"type": "web_search_20250305", "name": "w"}]}, {"tools": [FUNCTION]}),
        ({"tools": [TOOL], "tool_choice": {"type": "auto"}}, {"tools": [FUNCTION], "tool_choice": "auto"}),
        ({"tools": [TOOL], "tool_choice": {"type": "any"}}, {"tools": [FUNCTION], "tool_choice": "required"}),
        ({"tools": [TOOL], "tool_choice": {"type": "none"}}, {"tools": [FUNCTION], "tool_choice": "none"}),
        ({"tools": [TOOL], "tool_choice": {"type": "tool", "name": "f"}}, {"tools": [FUNCTION], "tool_choice": NAMED}),
        (
            {"tools": [TOOL], "tool_choice": {"type": "any", "disable_parallel_tool_use": True}},
            {"tools": [FUNCTION], "tool_choice": "required", "parallel_tool_calls": False},
        ),
        (
            {"tools": [TOOL], "messages": [USER, {**ANSWER, "content": [CALL]}, {"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": "c", "content": "r"}]}]},
            {"tools": [FUNCTION], "messages": [USER, {**ANSWER, "content": None, "tool_calls": [CALLED]},
                                               {"role": "tool", "tool_call_id": "c", "content": "r"}]},
        ),
        ({"messages": [USER, ANSWER]}, {"messages": [USER, ANSWER], "continue_final_message": True}),
        ({"output_config": {"format": FORM}}, {"response_format": {"type": "json_schema", "json_schema": FORM}}),
        ({"output_format": FORM}, {"response_format": {"type": "json_schema", "json_schema": FORM}}),
        ({"output_config": {"effort": "low"}}, {"reasoning_effort": "low"}),
        ({"output_config": {"effort": "ultracode"}}, {"reasoning_effort": "ultra"}),
        (
            {"thinking": {"type": "enabled", "budget_tokens": 7}},
            {"chat_template_kwargs": {"enable_thinking": True}, "reasoning_budget": 7},
        ),
        ({"thinking": {"type": "adaptive"}}, {"chat_template_kwargs": {"enable_thinking": True}}),
        ({"thinking": {"type": "disabled"}}, {"chat_template_kwargs": {"enable_thinking": False}}),
    ],
)  # fmt: skip
def test_a_request_is_the_chat_of_the_same_meaning(app, theirs, ours):
    given = {"messages": [USER], **theirs}
    assert asked(app, PATH, **given) == asked(app, CHAT, **REASONS, **(theirs if ours is None else ours))


def test_nulls_are_absence(app):
    fields = ("model", "system", "tools", "tool_choice", "thinking", "output_config", "max_tokens", "stop_sequences",
              "temperature", "metadata", "stream", "cache_control", "output_format")  # fmt: skip
    assert asked(app, PATH, **dict.fromkeys(fields)) == asked(app, PATH)
    response = post(app, **dict.fromkeys(fields))
    assert "x-ignored-parameters" not in response.headers


@pytest.mark.parametrize("format", [HERMES, Format()])
@pytest.mark.parametrize("uses", [set(), {"enable_thinking"}])
@pytest.mark.parametrize(
    ("kind", "limit"), [("disabled", 0), ("enabled", None), ("adaptive", None)], ids=["disabled", "enabled", "adaptive"]
)
def test_thinking_is_what_the_model_can_do_of_it(fakes, format, uses, kind, limit):
    loaded = LoadedModel(fakes.Engine(), fakes.Tokenizer(uses), fakes.Compiler(), format)
    given = JSONBody({"messages": [USER], "thinking": {"type": kind}}, b"")
    request = read_messages(given, ContainerMessagesBody, loaded, strict=False)
    reasons = format.reasoning is not None
    assert request.body.chat_template_kwargs == ({"enable_thinking": kind != "disabled"} if uses else None)
    assert request.body.reasoning_budget == (limit if reasons and not uses else None)
    assert request.body.parse_reasoning == (True if reasons else None)
    assert ("thinking" in request.without_effect()) == (kind != "disabled" and not reasons and not uses)


def test_numbers_of_schemas_keep_their_digits(app):
    tools = b'"tools": [{"name": "w", "type": "web_search_20250305"}, {"name": "f", "input_schema": %b}]' % DIGITS
    choice = b'"tool_choice": {"type": "any"}'
    form = b'"output_config": {"format": {"type": "json_schema", "schema": %b}}' % DIGITS
    for fields in (b"%b, %b" % (tools, choice), form):
        body = b'{"messages": [{"role": "user", "content": "Hi"}], %b}' % fields
        response = app.client.post(PATH, content=body, headers={"content-type": "application/json"})
        assert response.status_code == 200, response.text
        assert "12345678901234567890123" in app.compiler.constraints[-1].text
        assert "1.50" in app.compiler.constraints[-1].text


@pytest.mark.parametrize(
    ("body", "param", "said"),
    [
        ({"tool_choice": {"type": "any"}}, "tool_choice", "tools"),
        ({"tools": [TOOL], "tool_choice": {"type": "tool"}}, "tool_choice.name", "required"),
        ({"tools": [TOOL], "tool_choice": {"type": "tool", "name": "g"}}, "tool_choice.name", "tools has f"),
        ({"tools": [{"type": "bash_20250124", "name": "f"}, TOOL, TOOL]}, "tools.2.name", "that of tools.1"),
        ({"tools": [{"type": "bash_20250124", "name": "b"}, {**TOOL, "input_schema": {"refuse": 1}}],
          "tool_choice": {"type": "any"}}, "tools.1.input_schema", "tools.1.input_schema"),
        ({"output_config": {"format": {"type": "json_schema", "schema": {"refuse": 1}}}},
         "output_config.format.schema", "refuse"),
        ({"output_format": {"type": "json_schema"}}, "output_format.schema", "output_format.schema is required"),
        ({"stop_sequences": ["a"] * 257}, "stop_sequences", "stop_sequences has 257"),
        ({"top_k": 10**6}, "top_k", "vocabulary"),
        ({"max_tokens": 10**6}, "max_tokens", "prompt is too long"),
        ({"system": "refuse"}, "system", "template"),
        ({"messages": [USER, {**ANSWER, "content": [{"type": "text", "text": "refuse"}]}, USER]},
         "messages.1.content.0", "template"),
        ({"messages": [{"role": "user", "content": [{"type": "image", "source": {"type": "url", "url": "a"}}]}]},
         "messages.0.content.0", "does not support image inputs"),
        ({"messages": [USER] * 3 + [{"role": "user", "content": [
            {"type": "tool_result", "tool_use_id": "c", "content": [
                {"type": "image", "source": {"type": "url", "url": "a"}}]}]}]},
         "messages.3.content.0.content.0", "does not support image inputs"),
        ({"temperature": -1}, "temperature", "at least 0"),
        ({"messages": [{"role": "user", "content": [{"type": "nothing"}]}]}, "messages.0.content.0.type", '"tool_use"'),
    ],
)  # fmt: skip
def test_a_refusal_names_the_field_as_the_client_knows_it(app, body, param, said):
    error = refused(app, **body)
    assert error["param"] == param and said in error["message"], error
    assert not any(word in error["message"] for word in ("response_format", "parameters", "system message"))


def test_what_has_no_effect_is_named_as_the_client_knows_it(app):
    system = [{"type": "text", "text": "S", "cache_control": {"type": "ephemeral"}}]
    body = {
        "system": system, "metadata": {"user_id": "u"}, "tools": [{"type": "web_search_20250305", "name": "w"}, TOOL],
        "tool_choice": {"type": "none"}, "context_management": {"edits": []}, "unknown": 1,
        "messages": [USER, {**ANSWER, "content": [{"type": "redacted_thinking", "data": "x"}, CALL]}, USER,
                     {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c"}]}],
    }  # fmt: skip
    response = app.client.post(
        PATH + "?beta=true", json=body, headers={"anthropic-beta": "a,b", "anthropic-version": "1"}
    )
    assert response.status_code == 200, response.text
    assert set(named(response)) == {
        "system.0.cache_control", "metadata", "tools.0", "tools", "context_management", "unknown", "anthropic-beta",
        "messages.1.content.0", "messages.3.content.0.tool_use_id", "query.beta",
    }  # fmt: skip


def test_an_allowance_of_tools_that_is_not_enforced_is_named(fakes):
    with fakes.connected() as app:  # no form of calls is known
        body = {"tools": [TOOL], "tool_choice": {"type": "auto", "disable_parallel_tool_use": True}}
        assert "tool_choice.disable_parallel_tool_use" in named(post(app, **body))


@pytest.mark.parametrize(
    ("body", "outcome"),
    [
        ({"messages": [{"role": "system", "content": "S"}]}, "messages.0.role"),
        ({"container": "c"}, "container"),
        ({"thinking": {"type": "between_tools"}}, "thinking.type"),
        ({"output_config": {"effort": "none"}}, "output_config.effort"),
    ],
)
def test_what_only_anthropics_api_has_is_honoured_and_strictly_refused(app, strict, body, outcome):
    assert post(app, **body).status_code == 200
    assert refused(strict, **body)["param"] == outcome


def test_fields_that_only_anthropics_api_has_are_strictly_like_any_unknown_one(app, strict):
    document = {"type": "document", "source": {"type": "text", "data": "d"}}
    failed = {"type": "tool_result", "tool_use_id": "c", "content": "r", "is_error": True}
    called = [
        {"role": "user", "content": [document]},
        {**ANSWER, "content": [CALL]},
        {"role": "user", "content": [failed]},
    ]
    body = {"messages": called, "output_format": FORM}
    response = post(strict, **body)
    assert set(named(response)) == {
        "messages.0.content.0", "messages.2.content.0.is_error", "output_format"
    }  # fmt: skip
    assert strict.engine.generations[-1].request.grammar is None
    assert strict.tokenizer.calls[-1].messages[-1]["content"] == "r"
    assert "x-ignored-parameters" not in post(app, **body).headers
    assert app.tokenizer.calls[-1].messages[-1]["content"] == "Error: r"
