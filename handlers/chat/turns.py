"""Whether the messages of a conversation follow from each other: a tool's result answers a call made before it."""

from collections.abc import Iterator, Sequence

from generated.models import AssistantMessage, ToolMessage
from handlers.http.errors import invalid


def check_turns(messages: Sequence[object]) -> None:
    """Raises APIError 422, naming the message, for a result that no call asked for, that comes twice or out of place,
    and for calls of one message that share an id.

    Results stand behind the message that called, before anything else, in any order. Calls need not be answered.
    """
    open_ids: set[str] = set()
    answered: set[str] = set()
    for i, message in enumerate(messages):
        if isinstance(message, ToolMessage):
            _check_result(message, i, open_ids, answered)
            open_ids.discard(message.tool_call_id)
            answered.add(message.tool_call_id)
        else:
            open_ids = set(_call_ids(message, i))


def _check_result(message: ToolMessage, i: int, open_ids: set[str], answered: set[str]) -> None:
    call_id, path = message.tool_call_id, f"messages.{i}.tool_call_id"
    if call_id in open_ids:
        return
    if call_id in answered:
        raise invalid(f"{path} is {call_id!r}, and an earlier message has that call's result already", path)
    raise invalid(
        f"{path} is {call_id!r}, but the message before the tool messages makes no such call; a result follows "
        "the assistant message that has the call in tool_calls",
        path,
    )


def _call_ids(message: object, i: int) -> Iterator[str]:
    if not isinstance(message, AssistantMessage):
        return
    seen: set[str] = set()
    for j, call in enumerate(message.tool_calls or []):
        if call.id in seen:
            path = f"messages.{i}.tool_calls.{j}.id"
            raise invalid(f"{path} is {call.id!r}, as that of an earlier call of the message; ids must differ", path)
        seen.add(call.id)
        yield call.id
