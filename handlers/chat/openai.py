"""What OpenAI's API says in other words than the vendored document, in the words of the latter."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import orjson

from generated.models import (
    AllowedToolsChoice,
    AssistantFunctionCall,
    AssistantMessage,
    AssistantMessageToolCall,
    AssistantMessageToolCallFunction,
    AudioContent,
    AudioData,
    ChatCompleteBodyToolChoice,
    ChatCompleteBodyToolChoiceFunction,
    ContainerChatCompletionBody,
    DeveloperMessage,
    FunctionChoice,
    FunctionMessage,
    InputAudioContent,
    RefusalContent,
    SystemMessage,
    TextContent,
    Tool,
    ToolMessage,
    UserMessage,
)
from handlers.chat.words import Words
from handlers.http.errors import invalid

Message = SystemMessage | UserMessage | AssistantMessage | ToolMessage
LENGTHS = ("max_tokens", "max_completion_tokens")


@dataclass(frozen=True)
class Translated:
    """A body in the words of the vendored document. inert: paths of the given one's fields that say nothing in it.

    functions: its tools were given as `functions`. allowed: names of the tools that may be called, None for all.
    """

    body: ContainerChatCompletionBody
    inert: tuple[str, ...]
    functions: bool
    allowed: tuple[str, ...] | None = None


def translate(given: ContainerChatCompletionBody) -> Translated:
    """Of a valid body the same in other words: one stop phrase as a list of one, `developer` as `system`, parts of text
    joined, `functions` as `tools`, a choice among some tools by its mode, no limit as absence. Raises APIError 422 for
    tools in both forms.
    """
    inert: list[str] = []
    updates: dict[str, Any] = {name: None for name in LENGTHS if getattr(given, name) == -1}
    if isinstance(given.stop, str):
        updates["stop"] = [given.stop]
    if given.top_k == -1:
        updates["top_k"] = None
        inert.append("top_k")
    if given.stream_options is not None and not given.stream:
        updates["stream_options"] = None
        inert.append("stream_options")
    allowed = None
    if isinstance(given.tool_choice, AllowedToolsChoice):
        updates["tool_choice"] = given.tool_choice.allowed_tools.mode
        allowed = tuple(tool.function.name for tool in given.tool_choice.allowed_tools.tools)
    functions = _uses_functions(given)
    if functions:
        updates["tools"] = [Tool(type="function", function=function) for function in given.functions or []]
        updates["tool_choice"] = _choice(given.function_call)
    unused = ("tool_choice", "parallel_tool_calls") if functions else ("function_call",)
    inert += [name for name in unused if getattr(given, name) is not None]
    updates["messages"] = list(messages_of(given.messages))
    inert += [
        f"messages.{i}.function_call"
        for i, message in enumerate(given.messages)
        if isinstance(message, AssistantMessage) and message.function_call and message.tool_calls
    ]
    return Translated(given.model_copy(update=updates), tuple(inert), functions, None if functions else allowed)


def function_words(count: int) -> Words:
    """What a request calls its tools that gives so many as `functions`."""
    own = {"tools": "functions", "tool_choice": "function_call", "tool_choice.function.name": "function_call.name"}
    return Words(own | {f"tools.{i}.function": f"functions.{i}" for i in range(count)})


def sound_words(given: ContainerChatCompletionBody) -> Words:
    """What a request calls its sounds that it gives in base64."""
    return Words(
        {
            f"messages.{i}.content.{j}.audio_url.url": f"messages.{i}.content.{j}.input_audio.data"
            for i, message in enumerate(given.messages)
            if isinstance(message, UserMessage) and isinstance(message.content, list)
            for j, part in enumerate(message.content)
            if isinstance(part, InputAudioContent)
        }
    )


def functions_as_tools(sent: Any) -> Any:
    """The JSON of a body that gives `functions`, with the same as `tools`."""
    return {**sent, "tools": [{"type": "function", "function": function} for function in sent["functions"]]}


def messages_of(given: Iterable[object]) -> Iterator[Message]:
    """The messages with the four roles of the vendored document, texts and arguments as strings.

    A call of the old form gets an id, and so does its result.
    """
    called: AssistantMessageToolCall | None = None  # in the old form, by the message before
    for i, message in enumerate(given):
        match message:
            case DeveloperMessage() | SystemMessage():
                yield SystemMessage(role="system", content=_text(message.content), name=message.name)
            case ToolMessage():
                yield message.model_copy(update={"content": _text(message.content)})
            case FunctionMessage():
                yield _result(message, called, f"function_{i}")
            case AssistantMessage():
                yield _answer(message, f"function_{i}")
            case UserMessage():
                yield message.model_copy(update={"content": _parts(message.content)})
        called = None
        if isinstance(message, AssistantMessage) and message.function_call and not message.tool_calls:
            called = _old_call(message.function_call, f"function_{i}")


def _uses_functions(given: ContainerChatCompletionBody) -> bool:
    """Whether tools are given, or asked for, in the old form."""
    if given.functions and given.tools:
        raise invalid(
            "functions cannot be used together with tools, which took their place; give one of them", "functions"
        )
    return bool(given.functions) or (not given.tools and given.function_call is not None and given.tool_choice is None)


def _choice(given: FunctionChoice | str | None) -> ChatCompleteBodyToolChoice | str | None:
    if not isinstance(given, FunctionChoice):
        return given
    return ChatCompleteBodyToolChoice(type="function", function=ChatCompleteBodyToolChoiceFunction(name=given.name))


def _result(message: FunctionMessage, called: AssistantMessageToolCall | None, call_id: str) -> ToolMessage:
    """The result of a call of the old form. called: the one before it. call_id: for a result that none asked for."""
    content = _text(message.content or "")
    if called is not None and called.function.name == message.name:
        return ToolMessage(role="tool", content=content, tool_call_id=called.id)
    return ToolMessage(role="tool", content=content, tool_call_id=call_id, name=message.name)


def _answer(message: AssistantMessage, call_id: str) -> AssistantMessage:
    """call_id: of a call of the old form."""
    calls = [call.model_copy(update={"function": _function(call.function)}) for call in message.tool_calls or []]
    if message.function_call is not None and not calls:
        calls = [_old_call(message.function_call, call_id)]
    content = None if message.content is None and calls else _text(message.content or "")
    return message.model_copy(update={"content": content, "tool_calls": calls or None, "function_call": None})


def _old_call(call: AssistantFunctionCall, call_id: str) -> AssistantMessageToolCall:
    return AssistantMessageToolCall(id=call_id, type="function", function=_function(call))


def _function(
    call: AssistantMessageToolCallFunction | AssistantFunctionCall,
) -> AssistantMessageToolCallFunction:
    given = call.arguments
    arguments = orjson.dumps(given).decode() if isinstance(given, dict) else given or ""
    return AssistantMessageToolCallFunction(name=call.name, arguments=arguments)


def _parts(content: Any) -> Any:
    """The content of a message of the user, with sound in base64 as a URL of it."""
    return [_part(part) for part in content] if isinstance(content, list) else content


def _part(part: Any) -> Any:
    if not isinstance(part, InputAudioContent):
        return part
    url = f"data:audio/{quote(part.input_audio.format, safe='')};base64,{part.input_audio.data}"
    return AudioContent(type="audio_url", audio_url=AudioData(url=url))


def _text(content: str | Sequence[TextContent] | Sequence[TextContent | RefusalContent]) -> str:
    """A string, or the text of parts with nothing between them."""
    if isinstance(content, str):
        return content
    return "".join(part.text if isinstance(part, TextContent) else part.refusal for part in content)
