"""Bodies as popular clients and agents send them: each is answered, and what has no effect is named, nothing else."""

import json

import pytest

from handlers.formats.families import REASONING_SYNTAXES, TOOL_SYNTAXES
from handlers.formats.syntax import Format

PATH = "/v1/chat/completions"
HERMES = Format(TOOL_SYNTAXES["hermes"], REASONING_SYNTAXES["think"], tool_name="hermes", reasoning_name="think")
SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}
FUNCTION = {"name": "get_weather", "description": "Weather of a city.", "parameters": SCHEMA}
TOOL = {"type": "function", "function": FUNCTION}
CALL = {"id": "call_1", "type": "function", "function": {"name": "get_weather", "arguments": '{"city": "Oslo"}'}}
SYSTEM, USER = {"role": "system", "content": "You help."}, {"role": "user", "content": "Weather?"}
RESULT = {"role": "tool", "tool_call_id": "call_1", "content": '{"t": 17}'}
USAGE = {"stream": True, "stream_options": {"include_usage": True}}


def parts(*texts, **more):
    return [{"type": "text", "text": text, **(more if text == texts[-1] else {})} for text in texts]


BODIES = {
    # ChatOpenAI, with bind_tools and with_structured_output
    "langchain": (
        {"model": "tiny", "messages": [SYSTEM, USER], "temperature": 0.0, "stop": "\nObservation:", "n": 1,
         "max_completion_tokens": 64, "logprobs": False, "tools": [{**TOOL, "function": {**FUNCTION, "strict": True}}],
         "tool_choice": "auto", "parallel_tool_calls": False, **USAGE},
        [],
    ),
    "langchain, tools and a format": (
        {"messages": [USER, {"role": "assistant", "content": None, "tool_calls": [CALL]}, RESULT], "tools": [TOOL],
         "response_format": {"type": "json_schema", "json_schema": {"name": "A", "schema": SCHEMA, "strict": True}}},
        [],
    ),
    "langchain, function agents": (
        {"messages": [SYSTEM, USER, {"role": "assistant", "content": "", "function_call": CALL["function"]},
                      {"role": "function", "name": "get_weather", "content": "17"}],
         "functions": [FUNCTION], "function_call": "auto", "stop": ["\nHuman:"]},
        [],
    ),
    # completion(): a message of an answer replayed as it was dumped
    "litellm": (
        {"model": "tiny", "stop": "END", "max_tokens": 32, "user": "u", "tool_choice": None, "tools": [TOOL],
         "messages": [USER, {"role": "assistant", "content": None, "tool_calls": [CALL], "function_call": None,
                             "provider_specific_fields": {"refusal": None}}, RESULT]},
        ["user", "messages.1.provider_specific_fields"],
    ),
    "openai, a dumped message": (
        {"model": "tiny", "messages": [
            {"role": "developer", "content": parts("You help.")}, USER,
            {"content": None, "refusal": None, "role": "assistant", "annotations": [], "audio": None,
             "function_call": None, "tool_calls": [CALL]}, RESULT],
         "reasoning_effort": "minimal", "store": False, "tools": [TOOL]},
        ["messages.2.refusal", "messages.2.annotations", "messages.2.audio", "store", "reasoning_effort"],
    ),
    "open webui": (
        {"stream": True, "model": "tiny", "messages": [SYSTEM, USER], "stream_options": {"include_usage": True},
         "chat_id": "c", "session_id": "s", "metadata": {"task": "title_generation"}},
        ["chat_id", "session_id", "metadata"],
    ),
    "open webui, a title": (
        {"model": "tiny", "messages": [USER], "stream": False, "max_completion_tokens": 100, "temperature": 0.1}, [],
    ),
    # system and the last messages of the user are marked for a cache
    "cline": (
        {"model": "tiny", "temperature": 0, "max_tokens": -1, "reasoning_effort": "xhigh", **USAGE,
         "messages": [{"role": "system", "content": parts("You code.", cache_control={"type": "ephemeral"})},
                      {"role": "user", "content": parts("<task>", "<environment>")},
                      {"role": "assistant", "content": parts("<read_file>")},
                      {"role": "user", "content": parts("contents", cache_control={"type": "ephemeral"})}]},
        ["messages.0.content.0.cache_control", "messages.3.content.0.cache_control", "reasoning_effort"],
    ),
    # @ai-sdk/openai-compatible: generateText with tools, generateObject
    "vercel ai": (
        {"model": "tiny", "max_tokens": 50, "temperature": 0, "tools": [TOOL], "tool_choice": "auto",
         "messages": [SYSTEM, USER, {"role": "assistant", "content": "", "tool_calls": [CALL]},
                      {**RESULT, "content": parts("17", " degrees")}]},
        [],
    ),
    "vercel ai, an object": (
        {"model": "tiny", "messages": [USER], "response_format": {"type": "json_schema", "json_schema": {
            "schema": {"$schema": "http://json-schema.org/draft-07/schema#", **SCHEMA}, "strict": True,
            "name": "response", "description": "A city."}}},
        ["response_format.json_schema.description"],
    ),
    # a conversation that was trimmed, and a call that max_tokens cut
    "agents with long histories": (
        {"messages": [RESULT, USER, {"role": "assistant", "content": None, "tool_calls": [
            {**CALL, "function": {**CALL["function"], "arguments": '{"city": "Os'}}]}, RESULT, USER], "tools": [TOOL]},
        ["messages.0.tool_call_id", "messages.2.tool_calls.0.function.arguments"],
    ),
    "tools of mcp servers": (
        {"messages": [USER], "tool_choice": "auto", "tools": [
            {"type": "function", "function": {"name": f"github.{i}/list:issues"}} for i in range(130)]},
        [],
    ),
    "sillytavern": (
        {"messages": [SYSTEM, {**USER, "name": "Ann"}], "top_k": -1, "min_p": 0, "repetition_penalty": 1,
         "stream": True,
         "stop": [f"{name}:" for name in "abcdefghijklmnopqrst"], "chat_template_kwargs": {"enable_thinkng": False}},
        ["top_k", "chat_template_kwargs.enable_thinkng", "messages.1.name"],
    ),
    "prefill": (
        {"messages": [USER, {"role": "assistant", "content": "{"}], "continue_final_message": True,
         "add_generation_prompt": False},
        [],
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def app(fakes):
    with fakes.connected(tokenizer=fakes.Tokenizer(uses=["function.description"]), format=HERMES) as app:
        yield app


@pytest.mark.parametrize("client", BODIES)
def test_a_body_is_answered_and_what_has_no_effect_is_named(app, client):
    body, named = BODIES[client]
    response = app.client.post(PATH, content=json.dumps(body), headers={"content-type": "application/json"})
    assert response.status_code == 200, response.text
    found = response.headers.get("x-ignored-parameters", "").replace("%24", "$")
    assert sorted(name for name in found.split(",") if name) == sorted(named)
