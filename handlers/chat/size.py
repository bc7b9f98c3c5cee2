"""How large a chat request may be, found out before anything else is done for it."""

from collections.abc import Iterator
from typing import Any

from handlers.http.errors import APIError, invalid
from handlers.service import LoadedModel

MOST_TOOLS = 1024
LISTS = ("content", "tool_calls")
READ_CLOSELY = 6
"""Bytes of text per token of context above which tokens are counted before the prompt is made; text has about four."""


def check_counts(value: dict[str, Any], loaded: LoadedModel) -> None:
    """Raises APIError 422 where a valid body has more members somewhere than could ever be used."""
    messages, context = value["messages"], loaded.engine.context_length
    _check("messages", len(messages), context, f"the model's maximum context length is {context} tokens")
    parts = sum(len(message[name]) for message in messages for name in LISTS if isinstance(message.get(name), list))
    if parts > context:
        raise _too_long(f"the messages have {parts} parts and calls, more than the {context} tokens of the context")
    for name in ("tools", "functions"):
        _check(name, len(value.get(name) or ()), MOST_TOOLS)
    _check("logit_bias", len(value.get("logit_bias") or ()), loaded.engine.vocab_size, "the vocabulary has no more")


def check_text(value: dict[str, Any], loaded: LoadedModel) -> None:
    """Raises APIError 422 where the texts of the messages are longer than the context.

    Takes time in proportion to the context, however long they are.
    """
    context, tokenizer = loaded.engine.context_length, loaded.tokenizer
    size = sum(len(text.encode(errors="replace")) for text in _texts(value["messages"]))
    most = context * tokenizer.longest_token
    if size > most:
        raise _too_long(
            f"the messages have {size} bytes, but the model's maximum context length of {context} tokens is at most "
            f"{most} bytes; shorten the messages"
        )
    if size > READ_CLOSELY * context and tokenizer.exceeds(_texts(value["messages"]), context):
        raise _too_long(
            f"the messages have {size} bytes, more tokens than the model's maximum context length of {context} tokens; "
            "shorten the messages"
        )


def _check(name: str, count: int, most: int, why: str = "") -> None:
    if count > most:
        raise invalid(f"{name} has {count} members, but may have {most}{why and f', since {why}'}", name)


def _too_long(message: str) -> APIError:
    return APIError(422, message, param="messages", code="context_length_exceeded")


def _texts(messages: list[dict[str, Any]]) -> Iterator[str]:
    for message in messages:
        content = message.get("content")
        if isinstance(content, str):
            yield content
        for part in content if isinstance(content, list) else ():
            if isinstance(part.get("text"), str):
                yield part["text"]
