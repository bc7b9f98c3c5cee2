"""The same chat with one seed in every API: as a chat, a message, a response, and its prompt completed."""

from typing import Any, NamedTuple

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic_core import from_json

NAME, ABOUT = "get_weather", "Get the current weather in a city."
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
QUESTIONS = ("Hello!", "What is the capital of France?", "What is the weather in Paris?", "Thanks!")
TEXTS = st.sampled_from(QUESTIONS) | st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=12)
SAMPLING = st.fixed_dictionaries(
    {
        "seed": st.integers(0, 2**32),
        "temperature": st.sampled_from([0, 1, 1.7]),
        "top_p": st.sampled_from([1, 0.7]),
    }
)
MOST = 40
REASONS = {"end_turn": "stop", "max_tokens": "length", "tool_use": "tool_calls"}


class Answer(NamedTuple):
    """What all APIs say of an answer. reason: why it ends, in a chat's words."""

    text: str
    reasoning: str
    calls: list[tuple[str, Any]]
    reason: str
    prompt_tokens: int
    tokens: int


@settings(max_examples=15)
@given(
    system=st.none() | TEXTS,
    texts=st.lists(TEXTS, min_size=1, max_size=3).filter(lambda texts: len(texts) % 2),
    tools=st.booleans(),
    sampling=SAMPLING,
)
def test_the_same_chat_with_one_seed_is_the_same_answer_in_each_api(client, system, texts, tools, sampling):
    said = [{"role": ("user", "assistant")[i % 2], "content": text} for i, text in enumerate(texts)]
    chat = as_chat(client, system, said, tools, sampling)
    assert as_message(client, system, said, tools, sampling) == chat
    assert as_response(client, system, said, tools, sampling)._replace(reason=chat.reason) == chat
    if not tools:
        text, tokens, prompt_tokens, reason = as_completion(client, system, said, sampling)
        assert (text, tokens, prompt_tokens, reason) == (chat.text, chat.tokens, chat.prompt_tokens, chat.reason)


@pytest.mark.parametrize("text", ["What is the weather in Paris?", "Hello!"])
def test_the_same_is_a_call_or_a_text_in_each_api(client, text):
    """Those of the property above that are sure to be one of each."""
    asked = None, [{"role": "user", "content": text}], True, {"seed": 1, "temperature": 0}
    chat, message, response = (make(client, *asked) for make in (as_chat, as_message, as_response))
    assert chat == message and (chat.text, chat.calls) == (response.text, response.calls)
    assert chat.calls == ([(NAME, {"city": "Paris"})] if "weather" in text else []) and bool(chat.text) != bool(
        chat.calls
    )


def answered(client: httpx.Client, path: str, body: dict[str, Any]) -> Any:
    response = client.post(path, json={name: value for name, value in body.items() if value is not None})
    assert response.status_code == 200, response.text
    return response.json()


def messages_of(system, said):
    return [*([] if system is None else [{"role": "system", "content": system}]), *said]


def as_chat(client, system, said, tools, sampling):
    function = {"name": NAME, "description": ABOUT, "parameters": SCHEMA}
    body = {"messages": messages_of(system, said), "parse_reasoning": True, "max_tokens": MOST, **sampling}
    given = [{"type": "function", "function": function}] if tools else None
    result = answered(client, "/v1/chat/completions", {**body, "tools": given})
    (choice,) = result["choices"]
    message, usage = choice["message"], result["usage"]
    functions = [call["function"] for call in message.get("tool_calls") or []]
    return Answer(
        message["content"] or "", message.get("reasoning_content") or "",
        [(function["name"], read(function["arguments"])) for function in functions], choice["finish_reason"],
        usage["prompt_tokens"], usage["completion_tokens"],
    )  # fmt: skip


def as_message(client, system, said, tools, sampling):
    tool = {"name": NAME, "description": ABOUT, "input_schema": SCHEMA}
    body = {"system": system, "messages": said, "tools": [tool] if tools else None, "max_tokens": MOST, **sampling}
    message = answered(client, "/v1/messages", body)
    content, usage = message["content"], message["usage"]
    return Answer(
        "".join(block["text"] for block in content if block["type"] == "text"),
        "".join(block["thinking"] for block in content if block["type"] == "thinking"),
        [(block["name"], block["input"]) for block in content if block["type"] == "tool_use"],
        REASONS[message["stop_reason"]],
        usage["input_tokens"] + usage["cache_read_input_tokens"], usage["output_tokens"],
    )  # fmt: skip


def as_response(client, system, said, tools, sampling):
    tool = {"type": "function", "name": NAME, "description": ABOUT, "parameters": SCHEMA}
    body = {"instructions": system, "input": said, "tools": [tool] if tools else None, "store": False}
    response = answered(client, "/v1/responses", {**body, "max_output_tokens": MOST, **sampling})
    output, usage = response["output"], response["usage"]
    parts = [part for item in output if item["type"] in ("message", "reasoning") for part in item["content"]]
    return Answer(
        "".join(part["text"] for part in parts if part["type"] == "output_text"),
        "".join(part["text"] for part in parts if part["type"] == "reasoning_text"),
        [(item["name"], read(item["arguments"])) for item in output if item["type"] == "function_call"],
        "", usage["input_tokens"], usage["output_tokens"],
    )  # fmt: skip


def as_completion(client, system, said, sampling):
    """Of the prompt that the chat makes: text, tokens, those of the prompt, and why it ends."""
    prompt = answered(client, "/v1/chat/render", {"messages": messages_of(system, said)})["tokens"]
    result = answered(client, "/v1/completions", {"tokens": prompt, "max_tokens": MOST, **sampling})
    (choice,) = result["choices"]
    usage = result["usage"]
    return choice["text"], usage["completion_tokens"], usage["prompt_tokens"], choice["finish_reason"]


def read(arguments: str) -> Any:
    """Arguments that a limit may have cut, as far as they can be read."""
    return from_json(arguments or "{}", allow_partial=True)
