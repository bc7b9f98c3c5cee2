"""Bodies as popular clients and agents send them: each is answered, and what has no effect is named, nothing else."""

import json

import pytest

from handlers.formats.families import REASONING_SYNTAXES, TOOL_SYNTAXES
from handlers.formats.syntax import Format
from handlers.responses.reasoning import encrypted
from tests.backend.grammar.structural.test_texts import PATCH

HERMES = Format(TOOL_SYNTAXES["hermes"], REASONING_SYNTAXES["think"], tool_name="hermes", reasoning_name="think")
SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}
WEATHER = {"type": "function", "name": "get_weather", "description": "Weather.", "parameters": SCHEMA, "strict": True}


def said(role, *texts):
    kind = "output_text" if role == "assistant" else "input_text"
    return {"type": "message", "role": role, "content": [{"type": kind, "text": text} for text in texts]}


SHELL = {
    "type": "object",
    "properties": {
        "command": {"type": "array", "items": {"type": "string"}, "description": "The command to execute"},
        "workdir": {"type": "string", "description": "The working directory"},
        "timeout_ms": {"type": "number", "description": "Milliseconds"},
    },
    "required": ["command"],
    "additionalProperties": False,
}
CODEX = {
    "model": "tiny",
    "instructions": "You are a coding agent.\n" * 4,
    "input": [
        said("developer", "<permissions instructions>\nRead only.\n</permissions instructions>"),
        said("user", "<environment_context>\n  <cwd>/src</cwd>\n</environment_context>"),
        said("user", "Rename f to g."),
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": "Look first."}], "content": None,
         "encrypted_content": encrypted("I look at the file first.")},
        {"type": "function_call", "name": "shell", "arguments": '{"command":["cat","a.py"]}', "call_id": "call_1"},
        {"type": "function_call_output", "call_id": "call_1", "output": "def f(): pass\n"},
        {"type": "custom_tool_call", "status": "completed", "call_id": "call_2", "name": "apply_patch",
         "input": "*** Begin Patch\n*** Update File: a.py\n@@\n-def f(): pass\n+def g(): pass\n*** End Patch\n"},
        {"type": "custom_tool_call_output", "call_id": "call_2", "output": '{"output":"Success."}'},
        {**said("assistant", "Done."), "phase": "final_answer"},
        said("user", "Now rename h to i."),
    ],
    "tools": [
        {"type": "function", "name": "shell", "description": "Runs a command.", "strict": False, "parameters": SHELL},
        {"type": "function", "name": "update_plan", "description": "Updates the plan.", "strict": False,
         "parameters": {"type": "object", "properties": {"plan": {"type": "array", "items": {"type": "object",
                        "properties": {"step": {"type": "string"}, "status": {"type": "string"}},
                        "required": ["step", "status"], "additionalProperties": False}}}, "required": ["plan"],
                        "additionalProperties": False}},
        {"type": "custom", "name": "apply_patch", "description": "Edits files; not JSON.",
         "format": {"type": "grammar", "syntax": "lark", "definition": PATCH}},
        {"type": "web_search", "external_web_access": False},
    ],
    "tool_choice": "auto",
    "parallel_tool_calls": True,
    "reasoning": {"effort": "medium", "summary": "auto"},
    "store": False,
    "stream": True,
    "include": ["reasoning.encrypted_content"],
    "prompt_cache_key": "0199f2c7-8f5e-7b0a-9c3d-1a2b3c4d5e6f",
    "text": {"verbosity": "low"},
}  # fmt: skip
BODIES = {
    "codex": (CODEX, ["tools.3", "prompt_cache_key", "text.verbosity"]),
    "codex, a namespace of an MCP server": (
        {**CODEX, "tools": [{"type": "namespace", "name": "mcp__files", "description": "Files.", "tools": [
            {"type": "function", "name": "read", "description": "Reads.", "strict": False, "parameters": SCHEMA}]}],
         "input": [said("user", "Read."), {"type": "function_call", "name": "read", "namespace": "mcp__files",
                                          "arguments": '{"city": "a"}', "call_id": "c"},
                   {"type": "function_call_output", "call_id": "c", "output": [{"type": "input_text", "text": "b"}]}]},
        ["prompt_cache_key", "text.verbosity"],
    ),
    # Runner.run with OpenAIResponsesModel: a history of its own items
    "agents sdk": (
        {"model": "tiny", "instructions": "You help.", "include": [], "tools": [WEATHER], "stream": False,
         "input": [{"role": "user", "content": "Weather?"},
                   {"arguments": '{"city":"Oslo"}', "call_id": "call_1", "name": "get_weather", "type": "function_call",
                    "id": "fc_1", "status": "completed"},
                   {"call_id": "call_1", "output": '{"t": 17}', "type": "function_call_output"}]},
        [],
    ),
    # responses.create: the output of a response sent back as it was dumped
    "openai, dumped output": (
        {"model": "tiny", "store": False, "input": [
            {"role": "user", "content": "Hi"},
            {"id": "rs_1", "summary": [], "type": "reasoning", "content": [{"text": "Hm.", "type": "reasoning_text"}],
             "encrypted_content": None, "status": "completed"},
            {"id": "msg_1", "content": [{"annotations": [], "text": "Hello", "type": "output_text", "logprobs": []}],
             "role": "assistant", "status": "completed", "type": "message", "phase": None},
            {"role": "user", "content": "More"}]},
        [],
    ),
    # streamText with the openai provider
    "vercel ai": (
        {"model": "tiny", "input": [{"role": "system", "content": "You help."},
                                    {"role": "user", "content": [{"type": "input_text", "text": "Hi"}]}],
         "tools": [WEATHER], "tool_choice": "auto", "stream": True, "temperature": 0, "max_output_tokens": 40,
         "text": {"format": {"type": "json_schema", "strict": True, "name": "response", "schema": SCHEMA}}},
        [],
    ),
    # a chain with use_responses_api
    "langchain": (
        {"model": "tiny", "stream": False, "input": [{"type": "message", "role": "user", "content": "Hi"}],
         "parallel_tool_calls": False, "tools": [WEATHER], "tool_choice": {"type": "function", "name": "get_weather"},
         "reasoning": {"effort": "low", "summary": "detailed"}, "truncation": "auto", "top_p": 0.9},
        ["truncation"],
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def app(fakes):
    """A model that reasons and calls tools, whose template has a place for everything."""
    shows = ["assistant.reasoning_content", "function.description", "reasoning_effort"]

    class Engine(fakes.Engine):
        context_length = 4096

    with fakes.connected(Engine(), fakes.Tokenizer(shows), format=HERMES) as app:
        yield app


@pytest.mark.parametrize("client", BODIES)
def test_a_body_is_answered_and_what_has_no_effect_is_named(app, client):
    body, ignored = BODIES[client]
    response = app.client.post("/v1/responses", json=body)
    assert response.status_code == 200, response.text
    named = response.headers.get("x-ignored-parameters", "")
    assert set(filter(None, named.split(","))) == set(ignored)
    if body.get("stream"):
        assert response.text.rpartition("event: ")[2].startswith("response.completed\n")


def test_codex_is_understood(app):
    app.client.post("/v1/responses", json=CODEX)
    asked = app.tokenizer.calls[-1]
    roles = [message["role"] for message in asked.messages]
    assert roles == ["system", "system", "user", "user", "assistant", "tool", "assistant", "tool", "assistant", "user"]
    first, second = asked.messages[4], asked.messages[6]
    assert first["reasoning_content"] == "I look at the file first."
    assert json.loads(first["tool_calls"][0]["function"]["arguments"]) == {"command": ["cat", "a.py"]}
    (patch,) = second["tool_calls"]
    assert patch["function"]["name"] == "apply_patch"
    assert json.loads(patch["function"]["arguments"])["input"].startswith("*** Begin Patch\n")
    shown = asked.tools[2]["function"]
    assert shown["description"] == "Edits files; not JSON." and len(asked.tools) == 3 and asked.effort == "medium"
    assert PATCH in shown["parameters"]["properties"]["input"]["description"]
    grammar = app.compiler.constraints[-1]
    assert json.dumps(["ContextFree", PATCH, "tools.2.format.definition", "lark", 0])[1:-1] in json.dumps(
        json.loads(grammar.text)
    )


def test_a_grammar_that_cannot_be_enforced_is_refused_with_its_place(app):
    tool = {"type": "custom", "name": "edit", "format": {"type": "grammar", "syntax": "lark", "definition": "refuse"}}
    for choice in ("auto", "required", {"type": "custom", "name": "edit"}):
        response = app.client.post("/v1/responses", json={"input": "Hi", "tools": [tool], "tool_choice": choice})
        assert response.status_code == 422
        assert response.json()["error"]["param"] == "tools.0.format.definition"
