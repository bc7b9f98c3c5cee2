"""No field of a request is silently dropped: each is acted on, refused by name, or named as ignored.

A field that the document gains fails the first test until it has an entry here.
"""

import json
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from generated.models import ContainerResponsesBody
from handlers.text.tokenizer import ChatTokenizer
from tests.handlers.chat.test_completeness import acts, documented, fields_of, ignored, refused

TINY = Path(__file__).parents[3] / "backend/tiny/checkpoint"
REPLY = "<think>\nHm.\n</think>\n\nHello there."
USER = {"role": "user", "content": "Hi"}
WEATHER = {"type": "function", "name": "weather", "description": "Says it.", "parameters": {"type": "object"}}
TIME = {**WEATHER, "name": "time"}
PATCH = {"type": "custom", "name": "patch", "description": "Changes it."}
GRAMMAR = {"type": "grammar", "syntax": "regex", "definition": "[ab]+"}
SPACE = {"type": "namespace", "name": "srv", "description": "A server.", "tools": [WEATHER, PATCH]}
CALL = {"type": "function_call", "call_id": "c", "name": "weather", "arguments": '{"city": "Oslo"}'}
RESULT = {"type": "function_call_output", "call_id": "c", "output": "rain"}
PATCHED = {"type": "custom_tool_call", "call_id": "c", "name": "patch", "input": "a"}
DONE = {"type": "custom_tool_call_output", "call_id": "c", "output": "ok"}
REASONED = {"type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": "Hm."}]}
SUMMED = {"type": "reasoning", "summary": [{"type": "summary_text", "text": "Hm."}]}
SAID = {"type": "message", "role": "assistant", "content": "Hello"}
SCHEMA = {"type": "json_schema", "name": "s", "schema": {"type": "object"}}


def items(*given):
    return {"input": [USER, *given]}


def item(given, *more, **fields):
    return items({**given, **fields}, *more)


def part(**fields):
    return items({**USER, "content": [{"type": "input_text", "text": "Bye", **fields}]})


def answer_part(**fields):
    return items({**SAID, "content": [{"type": "output_text", "text": "Hello", "annotations": [], **fields}]})


def tool(given, **fields):
    return {"tools": [{**given, **fields}]}


def tools(*given, **fields):
    return {"tools": list(given), **fields}


def text(**fields):
    return {"text": {"format": {**SCHEMA, **fields}}}


def allowed(mode="auto", names=("weather",)):
    choice = {"type": "allowed_tools", "mode": mode, "tools": [{"type": "function", "name": name} for name in names]}
    return tools(WEATHER, TIME, tool_choice=choice)


def choose(kind="function", name="weather"):
    return tools(WEATHER, TIME, PATCH, tool_choice={"type": kind, "name": name})


def inert(given, field, value):
    """A field of an item that changes nothing, as the document says."""
    after = RESULT if given is CALL else USER
    return documented(item(given, after, **{field: value}), items(given, after))


B = "ContainerResponsesBody"
OBFUSCATION, OBFUSCATED = "stream_options.include_obfuscation", {"stream_options": {"include_obfuscation": True}}
OTHER_PART = {"type": "x", "text": ""}
SEARCHED = {"type": "web_search_call", "id": "ws_1", "status": "completed"}
ANY_JSON, ANY_TEXT = {"text": {"format": {"type": "json_object"}}}, {"text": {"format": {"type": "text"}}}
EMPTY = {"type": "object", "properties": {}}
CASES = {
    f"{B}.model": refused("model", {"model": "another"}),
    f"{B}.input": acts({"input": "Bye"}, {"input": "Hi"}),
    f"{B}.instructions": acts({"instructions": "Be kind."}),
    f"{B}.max_output_tokens": acts({"max_output_tokens": 5}),
    f"{B}.temperature": acts({"temperature": 0.5}),
    f"{B}.top_p": acts({"top_p": 0.5}),
    f"{B}.top_logprobs": acts(
        {"top_logprobs": 2, "include": ["message.output_text.logprobs"]}, {"include": ["message.output_text.logprobs"]}
    ),
    f"{B}.seed": acts({"seed": 3}),
    f"{B}.parallel_tool_calls": acts(tools(WEATHER, parallel_tool_calls=False), tools(WEATHER)),
    f"{B}.tools": acts(tools(WEATHER)),
    f"{B}.tool_choice": acts(tools(WEATHER, tool_choice="required"), tools(WEATHER)),
    f"{B}.text": acts(ANY_JSON),
    f"{B}.reasoning": acts({"reasoning": {"effort": "none"}}, {"reasoning": {"effort": "high"}}),
    f"{B}.stream": acts({"stream": True}),
    f"{B}.store": acts({"store": False}),
    f"{B}.previous_response_id": refused("previous_response_id", {"previous_response_id": "resp_none"}),
    f"{B}.include": acts({"include": ["message.output_text.logprobs"]}),
    f"{B}.metadata": acts({"metadata": {"a": "b"}}),
    f"{B}.background": refused("background", {"background": True}),
    f"{B}.conversation": refused("conversation", {"conversation": "conv_1"}),
    f"{B}.prompt": refused("prompt", {"prompt": {"id": "pmpt_1"}}),
    f"{B}.truncation": ignored("truncation", {"truncation": "auto"}),
    f"{B}.service_tier": ignored("service_tier", {"service_tier": "flex"}),
    f"{B}.max_tool_calls": ignored("max_tool_calls", {"max_tool_calls": 3}),
    f"{B}.prompt_cache_key": ignored("prompt_cache_key", {"prompt_cache_key": "k"}),
    f"{B}.safety_identifier": ignored("safety_identifier", {"safety_identifier": "k"}),
    f"{B}.user": ignored("user", {"user": "k"}),
    f"{B}.stream_options": ignored(OBFUSCATION, OBFUSCATED),
    "ResponsesStreamOptions.include_obfuscation": ignored(OBFUSCATION, OBFUSCATED),
    # Messages
    "ResponsesInputMessage.type": refused("input.1.type", item(USER, type="other")),
    "ResponsesInputMessage.role": acts(item(USER, role="system"), items(USER)),
    "ResponsesInputMessage.content": acts(item(USER, content="Bye"), items(USER)),
    "ResponsesInputMessage.id": inert(SAID, "id", "msg_1"),
    "ResponsesInputMessage.status": inert(SAID, "status", "completed"),
    "ResponsesInputMessage.phase": inert(SAID, "phase", "commentary"),
    "ResponsesInputText.type": refused("input.1.content.0.type", part(type="other")),
    "ResponsesInputText.text": acts(part(text="Hi"), part()),
    "ResponsesInputImage.type": refused("input.1.content.0", part(type="input_image", image_url="data:,")),
    "ResponsesInputImage.image_url": refused("input.1.content.0", part(type="input_image", image_url="data:,")),
    "ResponsesOutputText.type": refused("input.1.content.0.type", answer_part(type="other")),
    "ResponsesOutputText.text": acts(answer_part(text="Bye"), answer_part()),
    "ResponsesOutputText.annotations": documented(answer_part(annotations=[{"type": "x"}]), answer_part()),
    "ResponsesOutputText.logprobs": documented(answer_part(logprobs=[]), answer_part()),
    "ResponsesRefusal.type": refused("input.1.content.0.type", answer_part(type="refused", refusal="No")),
    "ResponsesRefusal.refusal": acts(answer_part(type="refusal", refusal="No"), answer_part()),
    # Calls and reasoning
    "ResponsesFunctionCall.type": refused("input.1.type", item(CALL, RESULT, type="call")),
    "ResponsesFunctionCall.id": inert(CALL, "id", "fc_1"),
    "ResponsesFunctionCall.call_id": ignored("input.2.call_id", item(CALL, RESULT, call_id="d")),
    "ResponsesFunctionCall.name": acts(item(CALL, RESULT, name="time"), items(CALL, RESULT)),
    "ResponsesFunctionCall.namespace": acts(item(CALL, RESULT, namespace="srv"), items(CALL, RESULT)),
    "ResponsesFunctionCall.arguments": acts(item(CALL, RESULT, arguments="{}"), items(CALL, RESULT)),
    "ResponsesFunctionCall.status": inert(CALL, "status", "completed"),
    "ResponsesFunctionCallOutput.type": refused("input.2.type", items(CALL, {**RESULT, "type": "result"})),
    "ResponsesFunctionCallOutput.id": documented(items(CALL, {**RESULT, "id": "fco_1"}), items(CALL, RESULT)),
    "ResponsesFunctionCallOutput.call_id": ignored("input.2.call_id", items(CALL, {**RESULT, "call_id": "d"})),
    "ResponsesFunctionCallOutput.output": acts(items(CALL, {**RESULT, "output": "sun"}), items(CALL, RESULT)),
    "ResponsesFunctionCallOutput.status": documented(
        items(CALL, {**RESULT, "status": "completed"}), items(CALL, RESULT)
    ),
    "ResponsesCustomToolCall.type": refused("input.1.type", item(PATCHED, type="custom_call")),
    "ResponsesCustomToolCall.id": inert(PATCHED, "id", "ctc_1"),
    "ResponsesCustomToolCall.call_id": ignored("input.2.call_id", item(PATCHED, DONE, call_id="d")),
    "ResponsesCustomToolCall.name": acts(item(PATCHED, DONE, name="edit"), items(PATCHED, DONE)),
    "ResponsesCustomToolCall.namespace": acts(item(PATCHED, DONE, namespace="srv"), items(PATCHED, DONE)),
    "ResponsesCustomToolCall.input": acts(item(PATCHED, DONE, input="b"), items(PATCHED, DONE)),
    "ResponsesCustomToolCall.status": inert(PATCHED, "status", "completed"),
    "ResponsesCustomToolCallOutput.type": refused("input.2.type", items(PATCHED, {**DONE, "type": "result"})),
    "ResponsesCustomToolCallOutput.id": documented(items(PATCHED, {**DONE, "id": "x"}), items(PATCHED, DONE)),
    "ResponsesCustomToolCallOutput.call_id": ignored("input.2.call_id", items(PATCHED, {**DONE, "call_id": "d"})),
    "ResponsesCustomToolCallOutput.output": acts(items(PATCHED, {**DONE, "output": "sun"}), items(PATCHED, DONE)),
    "ResponsesCustomToolCallOutput.status": documented(
        items(PATCHED, {**DONE, "status": "completed"}), items(PATCHED, DONE)
    ),
    "ResponsesReasoningItem.type": refused("input.1.type", item(REASONED, type="thinking")),
    "ResponsesReasoningItem.id": documented(item(REASONED, CALL, RESULT, id="rs_1"), items(REASONED, CALL, RESULT)),
    "ResponsesReasoningItem.summary": acts(items(SUMMED, CALL, RESULT), item(SUMMED, CALL, RESULT, summary=[])),
    "ResponsesReasoningItem.content": acts(items(REASONED, CALL, RESULT), item(REASONED, CALL, RESULT, content=[])),
    "ResponsesReasoningItem.encrypted_content": ignored(
        "input.1.encrypted_content", item(REASONED, CALL, RESULT, encrypted_content="gAAA")
    ),
    "ResponsesReasoningItem.status": documented(
        item(REASONED, CALL, RESULT, status="completed"), items(REASONED, CALL, RESULT)
    ),
    "ResponsesReasoningSummaryText.type": refused("input.1.summary.0.type", item(SUMMED, summary=[OTHER_PART])),
    "ResponsesReasoningSummaryText.text": acts(
        item(SUMMED, CALL, RESULT, summary=[{"type": "summary_text", "text": "Ah."}]), items(SUMMED, CALL, RESULT)
    ),
    "ResponsesReasoningText.type": refused("input.1.content.0.type", item(REASONED, content=[OTHER_PART])),
    "ResponsesReasoningText.text": acts(
        item(REASONED, CALL, RESULT, content=[{"type": "reasoning_text", "text": "Ah."}]), items(REASONED, CALL, RESULT)
    ),
    "ResponsesItemReference.type": refused("input.1.type", item({"id": "msg_1"}, type="reference")),
    "ResponsesItemReference.id": refused("input.1.id", item({"type": "item_reference"}, id="msg_none")),
    "ResponsesHostedItem.type": ignored("input.1", items(SEARCHED)),
    # Tools
    "ResponsesFunctionTool.type": refused("tools.0.type", tool(WEATHER, type="other")),
    "ResponsesFunctionTool.name": acts(tool(WEATHER, name="time"), tool(WEATHER)),
    "ResponsesFunctionTool.description": acts(tool(WEATHER, description="Shows it."), tool(WEATHER)),
    "ResponsesFunctionTool.parameters": acts(tool(WEATHER, parameters=EMPTY), tool(WEATHER)),
    "ResponsesFunctionTool.strict": acts(tool(WEATHER, strict=True), tool(WEATHER)),
    "ResponsesCustomTool.type": refused("tools.0.type", tool(PATCH, type="other")),
    "ResponsesCustomTool.name": acts(tool(PATCH, name="edit"), tool(PATCH)),
    "ResponsesCustomTool.description": acts(tool(PATCH, description="Writes it."), tool(PATCH)),
    "ResponsesCustomTool.format": acts(tool(PATCH, format=GRAMMAR), tool(PATCH)),
    "ResponsesCustomToolText.type": documented(tool(PATCH, format={"type": "text"}), tool(PATCH)),
    "ResponsesCustomToolGrammar.type": refused("tools.0.format.type", tool(PATCH, format={**GRAMMAR, "type": "x"})),
    "ResponsesCustomToolGrammar.syntax": acts(
        tool(PATCH, format={**GRAMMAR, "syntax": "lark"}), tool(PATCH, format=GRAMMAR)
    ),
    "ResponsesCustomToolGrammar.definition": acts(
        tool(PATCH, format={**GRAMMAR, "definition": "c"}), tool(PATCH, format=GRAMMAR)
    ),
    "ResponsesNamespaceTool.type": refused("tools.0.type", tool(SPACE, type="space")),
    "ResponsesNamespaceTool.name": acts(tool(SPACE, name="other"), tool(SPACE)),
    "ResponsesNamespaceTool.description": acts(tool(SPACE, description="Another."), tool(SPACE)),
    "ResponsesNamespaceTool.tools": acts(tool(SPACE, tools=[TIME]), tool(SPACE)),
    "ResponsesHostedTool.type": ignored("tools.0", tools({"type": "web_search", "external_web_access": False})),
    "ResponsesToolChoiceFunction.type": refused("tool_choice.type", choose(kind="other")),
    "ResponsesToolChoiceFunction.name": acts(choose(name="time"), choose()),
    "ResponsesToolChoiceCustom.type": refused("tool_choice.type", choose("other", "patch")),
    "ResponsesToolChoiceCustom.name": acts(choose("custom", "patch"), choose()),
    "ResponsesToolChoiceAllowed.type": refused(
        "tool_choice.type", tools(WEATHER, tool_choice={"type": "allowed", "mode": "auto", "tools": [WEATHER]})
    ),
    "ResponsesToolChoiceAllowed.mode": acts(allowed("required"), allowed()),
    "ResponsesToolChoiceAllowed.tools": acts(allowed(names=("time",)), allowed()),
    # Forms
    "ResponsesTextConfig.format": acts(text(), {}),
    "ResponsesTextConfig.verbosity": ignored("text.verbosity", {"text": {"verbosity": "low"}}),
    "ResponsesTextFormatText.type": acts(ANY_TEXT, ANY_JSON),
    "ResponsesTextFormatJsonObject.type": acts(ANY_JSON, {}),
    "ResponsesTextFormatJsonSchema.type": refused("text.format.type", text(type="schema")),
    "ResponsesTextFormatJsonSchema.name": documented(text(name="t"), text()),
    "ResponsesTextFormatJsonSchema.schema": acts(text(schema={"type": "array"}), text()),
    "ResponsesTextFormatJsonSchema.description": ignored("text.format.description", text(description="d")),
    "ResponsesTextFormatJsonSchema.strict": documented(text(strict=False), text()),
    "ResponsesReasoningConfig.effort": acts({"reasoning": {"effort": "none"}}, {"reasoning": {"effort": "high"}}),
    "ResponsesReasoningConfig.summary": acts({"reasoning": {"summary": "auto"}}),
    "ResponsesReasoningConfig.generate_summary": acts({"reasoning": {"generate_summary": "auto"}}),
}  # fmt: skip
FIELDS = fields_of(ContainerResponsesBody, {})
VARYING = ("id", "created_at", "completed_at", "item_id", "sequence_number")
REPEATED = ("tools", "text", "reasoning", "input")
"""What a response repeats, so that it says nothing of whether it had an effect."""


@pytest.fixture(scope="module")
def app(fakes):
    """The bundled model's own tokenizer and template; the engine gives a reply with reasoning in it."""
    tokenizer = ChatTokenizer(TINY)
    reply = [*tokenizer.marker_tokens(REPLY), *tokenizer.end_tokens[:1]]

    class Generation(fakes.Generation):
        def _reply(self, choice):
            return reply

    class Engine(fakes.Engine):
        context_length, vocab_size, generation = 4096, tokenizer.vocab_size, Generation

    with fakes.connected(Engine(), tokenizer, format=tokenizer.format) as app:
        yield app


def send(app, parameters):
    return app.client.post("/v1/responses", json={"input": "Hi", "seed": 0, **parameters})


def plain(value: Any) -> Any:
    if isinstance(value, list):
        return [plain(part) for part in value]
    if isinstance(value, dict):
        return {name: plain(part) for name, part in value.items() if name not in (*VARYING, *REPEATED)}
    return value


def effect(app, parameters):
    """All that a request brings about: what the engine is asked for, and the answer without what is new in each."""
    response = send(app, parameters)
    assert response.status_code == 200, response.text
    streamed = [line.removeprefix("data: ") for line in response.text.splitlines() if line.startswith("data: ")]
    said = plain([json.loads(one) for one in streamed or [response.text]])
    return app.engine.generations[-1].request, said, named(response)


def same(a, b):
    """Grammars are the same where their constraints are."""
    asked = [
        (r.prompt, r.sampling, r.seeds, r.top_logprobs, r.reasoning_limit, r.grammar and r.grammar.key)
        for r in (a[0], b[0])
    ]
    return asked[0] == asked[1] and a[1] == b[1]


def named(response):
    header = response.headers.get("x-ignored-parameters", "")
    return [unquote(name) for name in header.split(",") if name]


def test_every_field_of_the_body_has_a_case():
    assert set(CASES) == set(FIELDS)


@pytest.mark.parametrize("field", CASES)
def test_a_field_is_acted_on_or_refused_or_named(app, field):
    outcome, given, other = CASES[field]
    if outcome == "refused":
        response = send(app, given)
        assert response.status_code in (404, 422) and response.json()["error"]["param"] == other, response.text
        return
    found = effect(app, given)
    if outcome == "ignored":
        assert other in found[2]
        return
    without = effect(app, other)
    assert same(found, without) == (outcome == "documented")
    if outcome == "documented":
        said = FIELDS[field]
        assert field == "ResponsesCustomToolText.type" or any(
            words in said for words in ("changes nothing", "whatever this says")
        )
    else:
        assert field.rpartition(".")[2] not in [name.rpartition(".")[2] for name in found[2]]


def test_fields_that_the_document_does_not_know_are_named(app):
    given = {
        "moderation": {"model": "m"},
        "text": {"shape": 1},
        "input": [{**USER, "mood": "good"}],
        "tools": [{**WEATHER, "defer_loading": True}, {"type": "web_search", "filters": {}}],
    }
    known = {"moderation", "text.shape", "input.0.mood", "tools.0.defer_loading", "tools.1"}
    assert set(effect(app, given)[2]) == known


def test_of_include_what_is_about_other_tools_is_named(app):
    given = {"include": ["file_search_call.results", "reasoning.encrypted_content", "message.output_text.logprobs"]}
    assert effect(app, given)[2] == ["include.0"]
    assert effect(app, {"top_logprobs": 2})[2] == ["top_logprobs"]
    assert effect(app, {"reasoning": {"summary": "concise"}})[2] == ["reasoning.summary"]
