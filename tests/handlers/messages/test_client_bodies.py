"""Bodies as agents send them: each is answered, and what has no effect is named, nothing else."""

import pytest

from handlers.formats.families import REASONING_SYNTAXES, TOOL_SYNTAXES
from handlers.formats.syntax import Format

HERMES = Format(TOOL_SYNTAXES["hermes"], REASONING_SYNTAXES["think"], tool_name="hermes", reasoning_name="think")
EPHEMERAL = {"cache_control": {"type": "ephemeral"}}
NAMES = (
    "Agent", "AskUserQuestion", "Bash", "BashOutput", "Edit", "EnterPlanMode", "ExitPlanMode", "Glob", "Grep",
    "KillShell", "ListMcpResourcesTool", "NotebookEdit", "Read", "ReadMcpResourceTool", "Skill", "SlashCommand",
    "Task", "TodoWrite", "WebFetch", "WebSearch", "Write", "mcp__files__read_file", "mcp__files__list-directory",
)  # fmt: skip


def text(given, **fields):
    return {"type": "text", "text": given, **fields}


def tool(name):
    properties = {
        "path": {"type": "string", "description": "An absolute path"},
        "limit": {"type": "number", "exclusiveMinimum": 0},
        "mode": {"type": "string", "enum": ["a", "b"]},
        "edits": {
            "type": "array",
            "minItems": 1,
            "items": {"type": "object", "properties": {"old": {"type": "string"}}},
        },
    }
    schema = {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "type": "object",
        "properties": properties,
        "required": ["path"],
        "additionalProperties": False,
    }
    return {"name": name, "description": f"What {name} does.\n" * 5, "input_schema": schema}


def use(name, **arguments):
    return {"type": "tool_use", "id": f"toolu_{name}", "name": name, "input": arguments}


def result(name, content, **fields):
    return {"type": "tool_result", "tool_use_id": f"toolu_{name}", "content": content, **fields}


# Claude Code, in the middle of a task
CLAUDE_CODE = {
    "model": "tiny",
    "max_tokens": 64,
    "stream": True,
    "temperature": 1,
    "thinking": {"type": "enabled", "budget_tokens": 63},
    "metadata": {"user_id": '{"device_id":"0","session_id":"1"}'},
    "system": [
        text("x-anthropic-billing-header: cc_version=2.1; cc_entrypoint=cli;"),
        text("You are an agent.", **EPHEMERAL),
        text("\nYou are an interactive tool.\n" * 3, **EPHEMERAL),
    ],
    "tools": [*map(tool, NAMES), {"type": "web_search_20250305", "name": "web_search", "max_uses": 8}],
    "context_management": {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]},
    "messages": [
        {"role": "user", "content": [text("<system-reminder>\nToday.\n</system-reminder>\n"), text("Read both.")]},
        {"role": "assistant", "content": [
            {"type": "thinking", "thinking": "Both.", "signature": "c2ln"}, text("I read them."),
            use("Read", path="/a"), use("mcp__files__list-directory", path="/b", limit=2)]},
        {"role": "user", "content": [
            result("Read", [text("1\tx = 1")]),
            result("mcp__files__list-directory", "no such folder", is_error=True, **EPHEMERAL),
            text("<system-reminder>\nNothing.\n</system-reminder>")]},
    ],
}  # fmt: skip
# The same, before a task: does the key work, and what is the conversation called
QUOTA = {
    "model": "tiny",
    "max_tokens": 1,
    "messages": [{"role": "user", "content": "quota"}],
    "metadata": {"user_id": "u"},
}
TITLE = {
    "model": "tiny", "max_tokens": 64, "temperature": 1, "stream": True, "tools": [], "metadata": {"user_id": "u"},
    "system": [text("Write a title."), text("As JSON.")],
    "messages": [{"role": "user", "content": [text("A conversation.")]}],
    "output_config": {"format": {"type": "json_schema", "schema": {
        "type": "object", "properties": {"title": {"type": "string"}}, "required": ["title"],
        "additionalProperties": False}}},
}  # fmt: skip
# AI SDK and other clients: text as a string, a prefix of the answer
PREFIX = {
    "model": "tiny", "max_tokens": 64, "stop_sequences": ["\n\nHuman:"], "top_k": 5, "tool_choice": {"type": "auto"},
    "messages": [{"role": "user", "content": "As JSON."}, {"role": "assistant", "content": "{"}],
}  # fmt: skip
BODIES = {
    "claude code": (CLAUDE_CODE, [
        "system.1.cache_control", "system.2.cache_control", "messages.2.content.1.cache_control", "context_management",
        "metadata", "anthropic-beta", "tools.23",
    ]),
    "claude code, a quota": (QUOTA, ["metadata", "anthropic-beta"]),
    "claude code, a title": (TITLE, ["metadata", "anthropic-beta"]),
    "a prefix": (PREFIX, ["anthropic-beta"]),
}  # fmt: skip
HEADERS = {
    "anthropic-version": "2023-06-01",
    "anthropic-beta": "claude-code-20250219,interleaved-thinking-2025-05-14,context-management-2025-06-27",
    "anthropic-dangerous-direct-browser-access": "true",
    "x-app": "cli",
    "x-stainless-lang": "js",
    "authorization": "Bearer unused",
}


@pytest.fixture(scope="module")
def app(fakes):
    """A model that reasons and calls, with room for large prompts."""

    class Engine(fakes.Engine):
        context_length = 100_000

    shown = {"enable_thinking", "assistant.reasoning_content", "function.description"}
    with fakes.connected(Engine(), fakes.Tokenizer(shown), format=HERMES) as app:
        yield app


@pytest.mark.parametrize("name", BODIES)
def test_a_body_is_answered_and_what_has_no_effect_is_named(app, name):
    body, ignored = BODIES[name]
    response = app.client.post("/v1/messages?beta=true", json=body, headers=HEADERS)
    assert response.status_code == 200, response.text
    assert sorted(response.headers.get("x-ignored-parameters", "").split(",")) == sorted([*ignored, "query.beta"])
    counted = app.client.post("/v1/messages/count_tokens?beta=true", json=body, headers=HEADERS)
    assert counted.json()["input_tokens"] == len(app.engine.generations[-1].request.prompt)


def test_all_of_an_agents_conversation_is_shown(app):
    app.client.post("/v1/messages?beta=true", json=CLAUDE_CODE, headers=HEADERS)
    seen = app.tokenizer.calls[-1]
    assert [message["role"] for message in seen.messages] == ["system", "user", "assistant", "tool", "tool", "user"]
    assert [call["function"]["name"] for call in seen.messages[2]["tool_calls"]] == [
        "Read",
        "mcp__files__list-directory",
    ]
    assert seen.messages[2]["reasoning_content"] == "Both."
    assert [message["content"] for message in seen.messages[3:5]] == ["1\tx = 1", "Error: no such folder"]
    assert [tool["function"]["name"] for tool in seen.tools] == list(NAMES)
    assert seen.kwargs == {"enable_thinking": True}
    assert app.engine.generations[-1].request.reasoning_limit.tokens == 63
