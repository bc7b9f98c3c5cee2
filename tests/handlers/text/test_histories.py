"""Histories that no model could have made, in real chat templates: shown as well as each of them can."""

import pytest

from handlers.text.tokenizer import ChatTokenizer
from tests.handlers.text.test_tokenizer import REAL, save_byte_level

USER = {"role": "user", "content": "And now?"}
TEMPLATES = ["qwen3", "gemma3", "cohere", "phi3", "glm4moe", "gptoss", "llama3_1", "deepseekv3"]
"""With places for tools and without, some of which want user and assistant by turns."""


def calls(*ids, arguments='{"x": 1}'):
    made = [{"id": id, "type": "function", "function": {"name": "find", "arguments": arguments}} for id in ids]
    return {"role": "assistant", "content": None, "tool_calls": made}


def result(id, text):
    return {"role": "tool", "tool_call_id": id, "content": text}


@pytest.fixture(scope="module")
def tokenizer_of(tmp_path_factory):
    found = {}

    def load(name):
        if name not in found:
            folder = save_byte_level(tmp_path_factory.mktemp(name), REAL[name], visible=["<think>", "</think>"])
            found[name] = ChatTokenizer(folder)
        return found[name]

    return load


def shown(tokenizer, messages):
    tools = [{"type": "function", "function": {"name": "find", "parameters": {"type": "object", "properties": {}}}}]
    ids = tokenizer.encode_chat(messages, tools=tools, template_kwargs={}, reasoning_effort=None)
    return tokenizer.decode_tail(ids, len(ids))


@pytest.mark.parametrize("name", TEMPLATES)
@pytest.mark.parametrize(
    "messages",
    [
        [result("a", "first"), USER],
        [result("a", "first"), result("b", "second"), {"role": "assistant", "content": "So."}, USER],
        [USER, calls("a"), result("b", "first"), USER],
        [USER, calls("a"), result("a", "first"), result("a", "second"), USER],
        [USER, calls("a"), result("a", "first"), USER],
    ],
    ids=["trimmed", "trimmed further", "unknown", "twice", "in order"],
)
def test_every_result_is_shown_and_what_is_said_then(tokenizer_of, name, messages):
    text = shown(tokenizer_of(name), messages)
    for message in messages:
        assert message["content"] is None or message["content"] in text


@pytest.mark.parametrize("name", TEMPLATES)
def test_of_arguments_that_were_cut_off_what_can_be_read_is_shown(tokenizer_of, name):
    text = shown(tokenizer_of(name), [USER, calls("a", arguments='{"city": "Os'), result("a", "first"), USER])
    assert "city" in text and "Os" in text and "first" in text
