"""No field of a request is silently dropped: each is acted on, refused by name, or named as ignored.

A field that the document gains fails the first test until it has an entry here.
"""

import pytest

from generated.models import ContainerMessagesBody
from tests.handlers.completeness import acts, bundled, check, documented, fields_of, ignored, refused, send

USER, ANSWER = {"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}
TEXT = {"type": "text", "text": "Hi"}
PICTURE = {"type": "base64", "media_type": "image/png", "data": "AAAA"}
LINK = {"type": "url", "url": "https://example.org/a.png"}
CALL = {"type": "tool_use", "id": "c", "name": "weather", "input": {"city": "Oslo"}}
RESULT = {"type": "tool_result", "tool_use_id": "c", "content": "rain"}
THOUGHT = {"type": "thinking", "thinking": "Hm.", "signature": "s"}
DOCUMENT = {"type": "document", "source": {"type": "text", "data": "A"}}
FOUND = {"type": "search_result", "content": [TEXT]}
SCHEMA = {"type": "object", "properties": {"city": {}}}
TOOL = {"name": "weather", "description": "Says it.", "input_schema": SCHEMA}
TOOLS = [TOOL, {**TOOL, "name": "time"}]


def messages(*given):
    return {"messages": [*given]}


def block(given, **fields):
    return messages({**USER, "content": [{**given, **fields}]})


def said(given, **fields):
    return messages(USER, {**ANSWER, "content": [{**given, **fields}, TEXT]}, USER)


def called(*before, **fields):
    return messages(USER, {**ANSWER, "content": [*before, {**CALL, **fields}]}, {**USER, "content": [RESULT]})


def thought(**fields):
    """Of an answer that is not complete; templates leave out other reasoning."""
    return called({**THOUGHT, **fields})


def result(**fields):
    return messages(USER, {**ANSWER, "content": [CALL]}, {**USER, "content": [{**RESULT, **fields}]})


def source(**fields):
    return block(DOCUMENT, source=fields)


def tool(**fields):
    return {"tools": [{**TOOL, **fields}, TOOLS[1]]}


def choice(kind, **fields):
    return {"tools": TOOLS, "tool_choice": {"type": kind, **fields}}


def thinking(kind, **fields):
    return {"thinking": {"type": kind, **fields}}


def form(**schema):
    return {"output_config": {"format": {"type": "json_schema", "schema": {"type": "object", **schema}}}}


BODY = "ContainerMessagesBody"
CASES = {
    f"{BODY}.model": refused("model", {"model": "another"}),
    f"{BODY}.messages": acts(messages({**USER, "content": "Bye"})),
    f"{BODY}.system": acts({"system": "Be kind."}),
    f"{BODY}.max_tokens": acts({"max_tokens": 5}),
    f"{BODY}.stream": acts({"stream": True}),
    f"{BODY}.temperature": acts({"temperature": 0.5}),
    f"{BODY}.top_p": acts({"top_p": 0.5}),
    f"{BODY}.top_k": acts({"top_k": 5}),
    f"{BODY}.stop_sequences": acts({"stop_sequences": ["there"]}),
    f"{BODY}.seed": acts({"seed": 1}),
    f"{BODY}.tools": acts({"tools": TOOLS}),
    f"{BODY}.tool_choice": acts(choice("any"), {"tools": TOOLS}),
    f"{BODY}.thinking": acts(thinking("enabled")),
    f"{BODY}.output_config": acts(form()),
    f"{BODY}.output_format": acts({"output_format": {"type": "json_schema", "schema": {"type": "object"}}}),
    **{
        f"{BODY}.{name}": ignored(name, {name: {}})
        for name in ("cache_control", "container", "context_manager", "inference_geo", "metadata", "service_tier")
    },
    "MessagesInputMessage.role": acts(messages(USER, ANSWER, USER), messages(USER, {**ANSWER, "role": "system"}, USER)),
    "MessagesInputMessage.content": acts(messages({**USER, "content": "Bye"})),
    "MessagesSystemTextBlock.type": refused("system.0.type", {"system": [{**TEXT, "type": "other"}]}),
    "MessagesSystemTextBlock.text": acts({"system": [TEXT]}, {"system": [{**TEXT, "text": "Bye"}]}),
    # Blocks
    "MessagesTextBlock.type": refused("messages.0.content.0.type", block(TEXT, type="other")),
    "MessagesTextBlock.text": acts(block(TEXT, text="Bye"), block(TEXT)),
    "MessagesImageBlock.type": refused("messages.0.content.0", block({"type": "image", "source": PICTURE})),
    "MessagesImageBlock.source": refused("messages.0.content.0.source", block({"type": "image"})),
    "MessagesBase64ImageSource.type": refused(
        "messages.0.content.0.source.type", block({"type": "image", "source": {**PICTURE, "type": "other"}})
    ),
    **{
        f"MessagesBase64ImageSource.{name}": refused(
            f"messages.0.content.0.source.{name}", block({"type": "image", "source": {**PICTURE, name: ""}})
        )
        for name in ("data", "media_type")
    },
    "MessagesUrlImageSource.type": refused("messages.0.content.0", block({"type": "image", "source": LINK})),
    "MessagesUrlImageSource.url": refused(
        "messages.0.content.0.source.url", block({"type": "image", "source": {**LINK, "url": ""}})
    ),
    "MessagesThinkingBlock.type": acts(thought(), called()),
    "MessagesThinkingBlock.thinking": acts(thought(), thought(thinking="Oh.")),
    "MessagesThinkingBlock.signature": documented(thought(), thought(signature="other")),
    "MessagesToolUseBlock.type": acts(called(), called(type="text", text="Hi")),
    "MessagesToolUseBlock.id": ignored("messages.2.content.0.tool_use_id", called(id="other")),
    "MessagesToolUseBlock.name": acts(called(name="time"), called()),
    "MessagesToolUseBlock.input": acts(called(input={}), called()),
    "MessagesToolResultBlock.type": acts(result(), result(type="text", text="rain")),
    "MessagesToolResultBlock.tool_use_id": ignored("messages.2.content.0.tool_use_id", result(tool_use_id="other")),
    "MessagesToolResultBlock.content": acts(result(content=[TEXT]), result()),
    "MessagesToolResultBlock.is_error": acts(result(is_error=True), result()),
    "MessagesCompatibilityBlock.type": ignored("messages.1.content.0", said({"type": "redacted_thinking"})),
    "MessagesDocumentBlock.type": refused("messages.0.content.0.type", block(DOCUMENT, type="file")),
    "MessagesDocumentBlock.source": acts(source(type="text", data="A"), source(type="text", data="B")),
    "MessagesDocumentBlock.title": acts(block(DOCUMENT, title="T"), block(DOCUMENT)),
    "MessagesDocumentBlock.context": acts(block(DOCUMENT, context="T"), block(DOCUMENT)),
    "MessagesTextSource.type": refused("messages.0.content.0.source.type", source(type="other", data="A")),
    "MessagesTextSource.data": acts(source(type="text", data="B"), block(DOCUMENT)),
    "MessagesTextSource.media_type": documented(source(type="text", data="A", media_type="a/b"), block(DOCUMENT)),
    "MessagesContentSource.type": acts(source(type="content", content="B"), block(DOCUMENT)),
    "MessagesContentSource.content": acts(source(type="content", content=[TEXT]), source(type="content", content="A")),
    "MessagesSearchResultBlock.type": refused("messages.0.content.0.type", block(FOUND, type="found")),
    "MessagesSearchResultBlock.title": acts(block(FOUND, title="T"), block(FOUND)),
    "MessagesSearchResultBlock.source": acts(block(FOUND, source="T"), block(FOUND)),
    "MessagesSearchResultBlock.content": acts(block(FOUND, content=[]), block(FOUND)),
    # Tools
    "MessagesToolDefinition.name": acts(tool(name="forecast"), tool()),
    "MessagesToolDefinition.type": ignored("tools.0", tool(type="web_search_20250305", input_schema=None)),
    "MessagesToolDefinition.description": acts(tool(description="Shows it."), tool()),
    "MessagesToolDefinition.input_schema": acts(tool(input_schema={"type": "object"}), tool()),
    "MessagesToolDefinition.strict": acts(tool(strict=True), tool()),
    "MessagesToolChoice.type": acts(choice("any"), choice("none")),
    "MessagesToolChoice.name": refused("tool_choice.name", choice("tool", name="other")),
    "MessagesToolChoice.disable_parallel_tool_use": acts(
        choice("auto", disable_parallel_tool_use=True), choice("auto")
    ),
    # Reasoning and form
    "MessagesThinkingConfig.type": acts(thinking("enabled"), thinking("disabled")),
    "MessagesThinkingConfig.budget_tokens": acts(thinking("enabled", budget_tokens=5), thinking("enabled")),
    "MessagesThinkingConfig.display": acts(thinking("enabled", display="omitted"), thinking("enabled")),
    "MessagesOutputConfig.effort": acts({"output_config": {"effort": "low"}}),
    "MessagesOutputConfig.format": acts(form()),
    "MessagesOutputFormat.type": refused(
        "output_config.format.schema", {"output_config": {"format": {"type": "json_schema"}}}
    ),
    "MessagesOutputFormat.schema": acts(form(properties={"a": {}}), form()),
}
FIELDS = fields_of(ContainerMessagesBody, {})


@pytest.fixture(scope="module")
def ask(fakes):
    """Sends parameters beside a message that has text."""
    with bundled(fakes) as app:
        yield lambda given: send(app, "/v1/messages", {"messages": [USER], "seed": 0, **given})


def test_every_field_of_the_body_has_a_case():
    assert set(CASES) == set(FIELDS)


@pytest.mark.parametrize("field", CASES)
def test_a_field_is_acted_on_or_refused_or_named(ask, field):
    check(ask, field, CASES[field], FIELDS)
