"""No field of a request is silently dropped: each is acted on, refused by name, or named as ignored.

A field that the document gains fails the first test until it has an entry here.
"""

import pytest

from generated.models import ContainerChatCompletionBody
from tests.handlers.completeness import acts, bundled, check, documented, fields_of, ignored, refused, send

USER = {"role": "user", "content": "Hi"}
CALL = {"id": "c", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Oslo"}'}}
CALLS = [USER, {"role": "assistant", "tool_calls": [CALL]}, {"role": "tool", "content": "rain", "tool_call_id": "c"}]
FUNCTION = {"name": "weather", "description": "Says it.", "parameters": {"type": "object", "properties": {"city": {}}}}
TOOLS = [{"type": "function", "function": FUNCTION}, {"type": "function", "function": {**FUNCTION, "name": "time"}}]
SCHEMA = {"type": "json_schema", "json_schema": {"schema": {"type": "object"}}}
GRAMMAR = {"grammar": 'root ::= "a"'}
PART = {"type": "text", "text": "Hi"}


def messages(message, **fields):
    return {"messages": [{**message, **fields}]}


def parts(part, **fields):
    return {"messages": [{**USER, "content": [{**part, **fields}]}]}


def media(kind):
    return parts({"type": f"{kind}_url", f"{kind}_url": {"url": "data:,"}})


INPUT_AUDIO = parts({"type": "input_audio", "input_audio": {"data": "", "format": "wav"}})


def calls(index, **fields):
    return {"messages": [{**message, **fields} if i == index else message for i, message in enumerate(CALLS)]}


def call(**fields):
    return calls(1, tool_calls=[{**CALL, **fields}])


def tools(**fields):
    return {"tools": [{"type": "function", "function": {**FUNCTION, **fields}}, TOOLS[1]]}


def tool_choice(name, kind="function"):
    return {"tools": TOOLS, "tool_choice": {"type": kind, "function": {"name": name}}}


def response_format(kind, **fields):
    return {"response_format": {"type": kind, **fields}}


def json_schema(**fields):
    return response_format("json_schema", json_schema={"schema": {"type": "object"}, **fields})


def old_call(**fields):
    return messages(ANSWER, function_call={**CALL["function"], **fields})


def old_result(**fields):
    called = {**ANSWER, "function_call": CALL["function"]}
    return {"messages": [USER, called, {"role": "function", "name": "weather", "content": "rain", **fields}]}


def answer_parts(**fields):
    return messages(ANSWER, content=[{"type": "refusal", "refusal": "No", **fields}])


def developer(**fields):
    return messages(SYSTEM, role="developer", **fields)


SYSTEM, ANSWER = {"role": "system", "content": "Hi"}, {"role": "assistant", "content": "Hello"}


def allowed(*names, mode="auto"):
    choices = [tool_choice(name)["tool_choice"] for name in names]
    return {"tools": TOOLS, "tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": mode, "tools": choices}}}


BODY, CHOICE = "ContainerChatCompletionBody", "ChatCompleteBodyToolChoice"
CASES = {
    f"{BODY}.model": refused("model", {"model": "another"}),
    f"{BODY}.messages": acts(messages(USER, content="Bye")),
    f"{BODY}.chat_template_kwargs": acts({"chat_template_kwargs": {"enable_thinking": True}}),
    f"{BODY}.eos_token": acts({"eos_token": [5]}),
    f"{BODY}.frequency_penalty": acts({"frequency_penalty": 1.0}),
    f"{BODY}.logit_bias": acts({"logit_bias": {"5": 1.0}}),
    f"{BODY}.logprobs": acts({"logprobs": True}),
    f"{BODY}.max_tokens": acts({"max_tokens": 5}),
    f"{BODY}.max_completion_tokens": acts({"max_completion_tokens": 5}),
    f"{BODY}.min_p": acts({"min_p": 0.5}),
    f"{BODY}.n": acts({"n": 2}),
    f"{BODY}.parallel_tool_calls": acts({"tools": TOOLS, "parallel_tool_calls": False}, {"tools": TOOLS}),
    f"{BODY}.presence_penalty": acts({"presence_penalty": 1.0}),
    f"{BODY}.repetition_penalty": acts({"repetition_penalty": 1.5}),
    f"{BODY}.reasoning_effort": acts({"reasoning_effort": "low"}),
    f"{BODY}.reasoning_budget": acts({"reasoning_budget": 5}),
    f"{BODY}.seed": acts({"seed": 1}),
    f"{BODY}.stop": acts({"stop": ["there"]}),
    f"{BODY}.stream": acts({"stream": True}),
    f"{BODY}.stream_options": ignored("stream_options", {"stream_options": {}}),
    "StreamOptions.include_usage": acts({"stream": True, "stream_options": {"include_usage": True}}, {"stream": True}),
    f"{BODY}.parse_reasoning": acts({"parse_reasoning": True}),
    f"{BODY}.include_reasoning": acts({"parse_reasoning": True, "include_reasoning": False}, {"parse_reasoning": True}),
    f"{BODY}.temperature": acts({"temperature": 0.5}),
    f"{BODY}.tool_choice": acts({"tools": TOOLS, "tool_choice": "required"}, {"tools": TOOLS}),
    f"{BODY}.top_k": acts({"top_k": 5}),
    f"{BODY}.top_logprobs": acts({"logprobs": True, "top_logprobs": 3}, {"logprobs": True}),
    f"{BODY}.top_p": acts({"top_p": 0.5}),
    f"{BODY}.xtc_threshold": acts({"xtc_threshold": 0.1}),
    f"{BODY}.xtc_probability": acts({"xtc_probability": 0.5}),
    f"{BODY}.tools": acts({"tools": TOOLS}),
    f"{BODY}.min_tokens": acts({"min_tokens": 3}),
    f"{BODY}.response_format": acts(response_format("json_object")),
    f"{BODY}.functions": acts({"functions": [FUNCTION]}),
    f"{BODY}.function_call": acts(
        {"functions": [FUNCTION], "function_call": {"name": "weather"}}, {"functions": [FUNCTION]}
    ),
    f"{BODY}.continue_final_message": acts({**messages(ANSWER), "continue_final_message": True}, messages(ANSWER)),
    f"{BODY}.add_generation_prompt": acts({"add_generation_prompt": False}),
    "FunctionChoice.name": refused("function_call.name", {"functions": [FUNCTION], "function_call": {"name": "time"}}),
    # Messages
    "SystemMessage.role": acts(messages(SYSTEM), messages(SYSTEM, role="user")),
    "SystemMessage.content": acts(messages(SYSTEM, content="Bye"), messages(SYSTEM)),
    "SystemMessage.name": ignored("messages.0.name", messages(SYSTEM, name="n")),
    "UserMessage.role": acts(messages(USER), messages(USER, role="system")),
    "UserMessage.content": acts(messages(USER, content="Bye"), messages(USER)),
    "UserMessage.name": ignored("messages.0.name", messages(USER, name="n")),
    "AssistantMessage.role": acts(messages(ANSWER), messages(ANSWER, role="user")),
    "AssistantMessage.content": acts(messages(ANSWER, content="Bye"), messages(ANSWER)),
    "AssistantMessage.reasoning_content": acts(messages(ANSWER, reasoning_content="r"), messages(ANSWER)),
    "AssistantMessage.reasoning": acts(messages(ANSWER, reasoning="r"), messages(ANSWER)),
    "AssistantMessage.name": ignored("messages.0.name", messages(ANSWER, name="n")),
    "AssistantMessage.tool_calls": acts(messages(ANSWER, tool_calls=[CALL]), messages(ANSWER)),
    "AssistantMessage.function_call": acts(messages(ANSWER, function_call=CALL["function"]), messages(ANSWER)),
    "AssistantFunctionCall.name": acts(old_call(name="time"), old_call()),
    "AssistantFunctionCall.arguments": acts(old_call(arguments=""), old_call()),
    "AssistantMessageToolCall.id": ignored("messages.2.tool_call_id", call(id="other")),
    "AssistantMessageToolCall.type": refused("messages.1.tool_calls.0.type", call(type="other")),
    "AssistantMessageToolCall.function": acts(call(function={**CALL["function"], "name": "time"}), calls(1)),
    "AssistantMessageToolCallFunction.name": acts(call(function={**CALL["function"], "name": "time"}), calls(1)),
    "AssistantMessageToolCallFunction.arguments": acts(call(function={**CALL["function"], "arguments": ""}), calls(1)),
    "ToolMessage.role": acts(calls(2), calls(2, role="user")),
    "ToolMessage.content": acts(calls(2, content="sun"), calls(2)),
    "ToolMessage.tool_call_id": ignored("messages.2.tool_call_id", calls(2, tool_call_id="other")),
    "ToolMessage.name": ignored("messages.2.name", calls(2, name="n")),
    "TextContent.type": refused("messages.0.content.0.type", parts(PART, type="other")),
    "TextContent.text": acts(parts(PART, text="Bye"), parts(PART)),
    **{
        f"{kind.title()}{field}": refused("messages.0.content.0", media(kind))
        for kind in ("audio", "image", "video")
        for field in ("Content.type", f"Content.{kind}_url", "Data.url")
    },
    **{
        f"InputAudio{field}": refused("messages.0.content.0", INPUT_AUDIO)
        for field in ("Content.type", "Content.input_audio", "Data.data", "Data.format")
    },
    "RefusalContent.type": refused("messages.0.content.0.type", answer_parts(type="other")),
    "RefusalContent.refusal": acts(answer_parts(refusal="Never"), answer_parts()),
    "DeveloperMessage.role": acts(messages(SYSTEM, role="developer"), messages(USER)),
    "DeveloperMessage.content": acts(developer(content="Bye"), developer()),
    "DeveloperMessage.name": ignored("messages.0.name", developer(name="n")),
    "FunctionMessage.role": acts(old_result(), old_result(role="user")),
    "FunctionMessage.name": ignored("messages.2.name", old_result(name="other")),
    "FunctionMessage.content": acts(old_result(content="sun"), old_result()),
    # Tools
    "Tool.type": refused("tools.0.type", {"tools": [{**TOOLS[0], "type": "other"}]}),
    "Tool.function": acts(tools(name="forecast"), tools()),
    "Function.name": acts(tools(name="forecast"), tools()),
    "Function.description": acts(tools(description="Shows it."), tools()),
    "Function.parameters": acts(tools(parameters={"type": "object"}), tools()),
    "Function.strict": acts(tools(strict=True), tools()),
    f"{CHOICE}.type": refused("tool_choice.type", tool_choice("weather", kind="other")),
    f"{CHOICE}.function": acts(tool_choice("weather"), {"tools": TOOLS, "tool_choice": "required"}),
    f"{CHOICE}Function.name": acts(tool_choice("weather"), tool_choice("time")),
    "AllowedToolsChoice.type": refused("tool_choice.type", {"tools": TOOLS, "tool_choice": {"type": "allowed"}}),
    "AllowedToolsChoice.allowed_tools": acts(allowed("weather"), {"tools": TOOLS, "tool_choice": "auto"}),
    "AllowedTools.mode": acts(allowed("weather", mode="required"), allowed("weather")),
    "AllowedTools.tools": acts(allowed("weather"), allowed("time")),
    # Forms
    "ResponseFormatText.type": acts(response_format("text"), response_format("json_object")),
    "ResponseFormatJsonObject.type": acts(response_format("json_object"), response_format("text")),
    "ResponseFormatRegex.type": acts(response_format("regex", schema="a"), response_format("json_object", schema="a")),
    "ResponseFormatRegex.schema": acts(response_format("regex", schema="a"), response_format("regex", schema="b")),
    "ResponseFormatGrammar.type": acts(
        response_format("grammar", **GRAMMAR), response_format("json_object", **GRAMMAR)
    ),
    "ResponseFormatGrammar.grammar": acts(
        response_format("grammar", **GRAMMAR), response_format("grammar", grammar='root ::= "b"')
    ),
    "ResponseFormatGrammar.syntax": acts(
        response_format("grammar", **GRAMMAR, syntax="gbnf"), response_format("grammar", **GRAMMAR, syntax="lark")
    ),
    "ResponseFormatGrammar.max_recursion": acts(
        response_format("grammar", **GRAMMAR, max_recursion=2), response_format("grammar", **GRAMMAR)
    ),
    "ResponseFormatJsonSchema.type": acts(json_schema(), response_format("json_object", **SCHEMA["json_schema"])),
    "ResponseFormatJsonSchema.json_schema": acts(json_schema(schema={"type": "array"}), json_schema()),
    "ResponseFormatJsonSchemaSchema.schema": acts(json_schema(schema={"type": "array"}), json_schema()),
    "ResponseFormatJsonSchemaSchema.name": documented(json_schema(name="n"), json_schema()),
    "ResponseFormatJsonSchemaSchema.description": ignored(
        "response_format.json_schema.description", json_schema(description="d")
    ),
    "ResponseFormatJsonSchemaSchema.strict": documented(json_schema(strict=False), json_schema()),
}


FIELDS = fields_of(ContainerChatCompletionBody, {})


@pytest.fixture(scope="module")
def ask(fakes):
    """Sends parameters beside a message that has text."""
    with bundled(fakes) as app:
        yield lambda given: send(app, "/v1/chat/completions", {"messages": [USER], "seed": 0, **given})


def test_every_field_of_the_body_has_a_case():
    assert set(CASES) == set(FIELDS)


@pytest.mark.parametrize("field", CASES)
def test_a_field_is_acted_on_or_refused_or_named(ask, field):
    check(ask, field, CASES[field], FIELDS)
