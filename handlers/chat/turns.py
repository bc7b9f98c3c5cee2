"""Conversation turns: which results, calls and messages of a history do not follow from what stands before them."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

from generated.models import (
    AssistantFunctionCall,
    AssistantMessage,
    AssistantMessageToolCallFunction,
    FunctionMessage,
    ToolMessage,
)


def loose_ends(messages: Sequence[object]) -> Iterator[str]:
    """Paths of what a history has that no model could have made: it is put to the model as well as it can be.

    A result that no call asked for, that comes twice or out of place; calls of one message that share an id; arguments
    that are no JSON object; a message of the assistant with neither content nor calls. Results stand behind the message
    that called, before anything else, in any order. Calls need not be answered.
    """
    open_ids: set[str] = set()
    function: str | None = None
    for i, message in enumerate(messages):
        path = f"messages.{i}"
        match message:
            case ToolMessage(tool_call_id=call_id):
                if call_id not in open_ids:
                    yield f"{path}.tool_call_id"
                open_ids.discard(call_id)
            case FunctionMessage(name=name):
                if name != function:
                    yield f"{path}.name"
                function = None
            case AssistantMessage():
                yield from _loose_calls(message, path)
                open_ids = {call.id for call in message.tool_calls or []}
                function = message.function_call.name if message.function_call else None
            case _:
                open_ids, function = set(), None


def _loose_calls(message: AssistantMessage, path: str) -> Iterator[str]:
    calls, old, seen = message.tool_calls or [], message.function_call, set()
    if message.content is None and not calls and old is None:
        yield f"{path}.content"
    for j, call in enumerate(calls):
        if call.id in seen:
            yield f"{path}.tool_calls.{j}.id"
        seen.add(call.id)
        if not _has_arguments(call.function):
            yield f"{path}.tool_calls.{j}.function.arguments"
    if old is not None and not _has_arguments(old):
        yield f"{path}.function_call.arguments"


def _has_arguments(call: AssistantMessageToolCallFunction | AssistantFunctionCall) -> bool:
    """Whether the arguments of a call are a JSON object or its text; clients send "" for a call without any."""
    if not isinstance(call.arguments, str):
        return call.arguments is not None
    try:
        value = json.loads(call.arguments.strip() or "{}", parse_constant=_refuse)
    except (ValueError, RecursionError):
        return False
    return isinstance(value, dict)


def _refuse(name: str) -> Any:
    raise ValueError(f"{name} is not a JSON value")
