"""Conversations of Anthropic's Messages API as messages of a chat, and the paths that are told of them."""

import pytest

from generated.models import MessagesPrompt
from handlers.chat.words import Words
from handlers.http.errors import APIError
from handlers.messages.conversation import conversation_of

TEXT = {"type": "text", "text": "a"}
PICTURE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AA=="}}
LINK = {"type": "image", "source": {"type": "url", "url": "https://example.org/b"}}
CALL = {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {"x": 1.50, "y": ["é"]}}
ARGUMENTS = '{"x": 1.5, "y": ["é"]}'


def made(*messages, **fields):
    return conversation_of(MessagesPrompt.model_validate({"messages": messages, **fields}))


def user(*content):
    return {"role": "user", "content": content[0] if content and isinstance(content[0], str) else [*content]}


def assistant(*content):
    return user(*content) | {"role": "assistant"}


def result(content=None, **fields):
    return {"type": "tool_result", "tool_use_id": "toolu_1", "content": content, **fields}


def text(given):
    return {"type": "text", "text": given}


def tool(content):
    return {"role": "tool", "content": content, "tool_call_id": "toolu_1"}


CALLED = {"id": "toolu_1", "type": "function", "function": {"name": "f", "arguments": ARGUMENTS}}
URL = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}


@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        ([user("a")], [user("a")]),
        ([user(TEXT, text("b"))], [user(TEXT, text("b"))]),
        ([user()], [{"role": "user", "content": ""}]),
        ([user(PICTURE, TEXT, LINK)], [user(URL, TEXT, {**URL, "image_url": {"url": "https://example.org/b"}})]),
        # Turns of one role are one
        ([user("a"), user("b")], [user(text("a"), text("\n\n"), text("b"))]),
        ([user("a"), assistant("b"), assistant(text("c"))], [user("a"), {"role": "assistant", "content": "b\n\nc"}]),
        ([user(PICTURE), user("b")], [user(URL, text("b"))]),
        ([user("a"), assistant()], [user("a"), {"role": "assistant", "content": ""}]),
        # Calls and results
        ([assistant(TEXT, CALL)], [{"role": "assistant", "content": "a", "tool_calls": [CALLED]}]),
        ([assistant(CALL)], [{"role": "assistant", "content": None, "tool_calls": [CALLED]}]),
        ([user(result("r"))], [tool("r")]),
        ([user(result())], [tool("")]),
        ([user(result([TEXT, text("b")], is_error=True))], [tool("Error: ab")]),
        ([user(result("r"), TEXT)], [tool("r"), user(TEXT)]),
        ([user(TEXT, result("r"), text("b"))], [user(TEXT), tool("r"), user(text("b"))]),
        ([user(result([TEXT, PICTURE]), result("r"), text("b"))], [tool("a"), tool("r"), user(URL, text("b"))]),
        # Reasoning
        (
            [assistant({"type": "thinking", "thinking": "t", "signature": "s"}, TEXT)],
            [{"role": "assistant", "content": "a", "reasoning_content": "t"}],
        ),
        # Documents and the system inside
        (
            [user({"type": "document", "title": "T", "source": {"type": "text", "data": "d"}})],
            [user(text("T\nd"))],
        ),
        ([user({"type": "document", "source": {"type": "content", "content": [TEXT, TEXT]}})], [user(text("aa"))]),
        ([user({"type": "search_result", "source": "s", "title": "T", "content": [TEXT]})], [user(text("T\ns\na"))]),
        ([user("a"), {"role": "system", "content": "s"}], [user("a"), {"role": "system", "content": "s"}]),
    ],
)
def test_a_conversation_is_the_messages_of_a_chat(messages, expected):
    assert made(*messages).messages == expected


def test_a_call_without_an_id_has_one_of_its_own():
    calls = made(assistant({**CALL, "id": None}, {**CALL, "id": None})).messages[0]["tool_calls"]
    assert len({call["id"] for call in calls}) == 2


@pytest.mark.parametrize(
    ("system", "first"), [("s", "s"), ([TEXT, text("b")], "ab"), ("", None), ([], None), (None, None)]
)
def test_the_system_prompt_is_the_first_message(system, first):
    expected = [] if first is None else [{"role": "system", "content": first}]
    assert made(user("a"), system=system).messages == [*expected, user("a")]


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("messages.0.role", "system.role"),
        ("messages.0.content", "system"),
        ("messages.1", "messages.0"),
        ("messages.1.content", "messages.0.content"),
        ("messages.2.content", "messages.1.content.0"),
        ("messages.2.tool_calls.0.id", "messages.1.content.1.id"),
        ("messages.2.tool_calls.0.function.name", "messages.1.content.1.name"),
        ("messages.2.tool_calls.0.function.arguments", "messages.1.content.1.input"),
        ("messages.3.tool_call_id", "messages.2.content.0.tool_use_id"),
        ("messages.4.content.0", "messages.2.content.0.content.1"),
        ("messages.4.content.1.image_url", "messages.2.content.1.source"),
        ("messages.4.content.1.image_url.url", "messages.2.content.1.source.data"),
        ("messages.4.content.2.image_url.url", "messages.2.content.2.source.url"),
        ("messages.5.reasoning_content", "messages.3.content.0"),
        ("messages.6.content.0", "messages.4.content.0"),
        ("messages.6.content.1", "messages.5.content.0"),
        ("messages.6.content.2", "messages.5.content.0"),
    ],
)
def test_each_part_is_told_by_where_it_came_from(path, told):
    conversation = made(
        user("a"),
        assistant(TEXT, CALL),
        user(result([TEXT, PICTURE]), PICTURE, LINK),
        assistant({"type": "thinking", "thinking": "t"}, TEXT),
        user(TEXT),
        user(text("b")),
        system="s",
    )
    assert Words(conversation.paths).told(path) == told


@pytest.mark.parametrize(
    ("messages", "inert"),
    [
        ([assistant({"type": "redacted_thinking", "data": "x"}, TEXT)], ["messages.0.content.0"]),
        ([user({"type": "container_upload", "file_id": "x"}, TEXT)], ["messages.0.content.0"]),
        ([user(TEXT), assistant(TEXT, PICTURE)], ["messages.1.content.1"]),
        ([user(result([TEXT, {"type": "tool_reference", "tool_name": "f"}]))], ["messages.0.content.0.content.1"]),
        ([{"role": "system", "content": [TEXT, PICTURE]}], ["messages.0.content.1"]),
    ],
)
def test_what_no_chat_has_is_left_out_and_named(messages, inert):
    assert made(*messages).inert == inert


@pytest.mark.parametrize(
    ("block", "param"),
    [
        (
            {"type": "document", "source": {**PICTURE["source"], "media_type": "application/pdf"}},
            "messages.0.content.0",
        ),
        (result([{"type": "text"}]), "messages.0.content.0.content.0.text"),
        (result([{"type": "image", "source": {"type": "other"}}]), "messages.0.content.0.content.0.source"),
    ],
)
def test_what_nothing_can_be_made_of_is_refused_by_name(block, param):
    with pytest.raises(APIError) as raised:
        made(user(block))
    assert raised.value.status == 422 and raised.value.param.startswith(param)
