"""How large a chat request may be, found out before anything else is done for it."""

from collections.abc import Iterable, Iterator
from typing import Any

from generated.models import TextContent
from handlers.chat.request import ChatRequest
from handlers.http.errors import APIError, invalid
from handlers.loaded import LoadedModel

MOST_TOOLS = 1024
LISTS = ("content", "tool_calls")
READ_CLOSELY = 6
"""Bytes of text per token of context above which tokens are counted before the prompt is made; text has about four."""


def check_counts(value: dict[str, Any], loaded: LoadedModel) -> None:
    """Raises APIError 422 where a valid body has more members somewhere than could ever be used."""
    messages, context = value["messages"], loaded.engine.context_length
    _check("messages", len(messages), context, f"the model's maximum context length is {context} tokens")
    parts = sum(map(_parts, messages))
    if parts > context:
        message = f"the messages have {parts} parts and calls, more than the {context} tokens of the context"
        raise _too_long(message, "messages")
    for name in ("tools", "functions"):
        _check(name, members(value.get(name)), MOST_TOOLS)
    for name in ("logit_bias", "eos_token"):
        _check(name, members(value.get(name)), loaded.engine.vocab_size, "the vocabulary has no more")


def members(value: Any) -> int:
    """Of a list or an object of JSON; what the document does not know may be anything, which has none."""
    return len(value) if isinstance(value, list | dict) else 0


def check_text(request: ChatRequest, loaded: LoadedModel) -> None:
    """Raises APIError 422 where the texts of the messages are longer than the context.

    Takes time in proportion to the context, however long they are.
    """
    context, tokenizer, param = loaded.engine.context_length, loaded.tokenizer, request.told("messages")
    texts = list(_texts(request.body.messages))
    size = sum(len(text.encode(errors="replace")) for text in texts)
    most = context * tokenizer.longest_token
    if size > most:
        raise _too_long(
            f"the messages have {size} bytes, but the model's maximum context length of {context} tokens is at most "
            f"{most} bytes; shorten the messages",
            param,
        )
    if size > READ_CLOSELY * context and tokenizer.exceeds(texts, context):
        raise _too_long(
            f"the messages have {size} bytes, more tokens than the model's maximum context length of {context} tokens; "
            "shorten the messages",
            param,
        )


def _parts(value: Any) -> int:
    """Parts and calls of a message, and those in its parts, which the results of tools are in some APIs."""
    lists = [value[name] for name in LISTS if isinstance(value.get(name), list)] if isinstance(value, dict) else []
    return sum(len(each) + sum(map(_parts, each)) for each in lists)


def _check(name: str, count: int, most: int, why: str = "") -> None:
    if count > most:
        raise invalid(f"{name} has {count} members, but may have {most}{why and f', since {why}'}", name)


def _too_long(message: str, param: str) -> APIError:
    return APIError(422, message, param=param, code="context_length_exceeded")


def _texts(messages: Iterable[Any]) -> Iterator[str]:
    for message in messages:
        content = message.content
        if isinstance(content, str):
            yield content
        for part in content if isinstance(content, list) else ():
            if isinstance(part, TextContent):
                yield part.text
