"""What a chat template takes, found once by rendering sentinel chats, and messages shaped to it."""

import hashlib
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import groupby, product
from typing import Any, Literal

from pydantic_core import from_json

Message = dict[str, Any]
FieldPlace = Literal["system", "user", "assistant", "tool", "function"]
Ending = Literal["answer", "turn", "content", "reasoning_content"]
"""What a prompt ends with: what begins an answer, or the last message, or this text of it, which is to be continued."""
Render = Callable[..., str]
"""Renders a chat template: `render(messages, tools=None, **variables)` gives the prompt, or raises what it raises."""


class PromptError(ValueError):
    """A chat that cannot become a prompt, by the client's doing. `param` is the path of the field at fault."""

    def __init__(self, message: str, param: str | None = None):
        super().__init__(message)
        self.message = message
        self.param = param


class RenderingExceeded(ValueError):
    """A chat template takes more time or memory, or writes more text, than a rendering may."""


@dataclass(frozen=True)
class TemplateTraits:
    """What one chat template takes.

    content: whether it wants text as a string or as a list of parts (a string where it takes both).
    null_content: an assistant message that only calls tools may lack content; otherwise it must be "".
    arguments: tool call arguments as a JSON object or as its text; None: it does not show tool calls.
    short_call_ids: it refuses tool call ids other than nine alphanumerics.
    tool_results, system, tools: messages of role tool, of role system, and tool definitions reach the prompt.
    needs_descriptions: it refuses definitions of functions without a description.
    opens_reasoning: the generation prompt ends inside the reasoning block.
    reasoning_effort: the variable of that name changes the prompt.
    media: kinds of parts ("image") in messages of the user that have a place in the prompt, one for each.
    """

    content: Literal["string", "parts"] = "string"
    null_content: bool = False
    arguments: Literal["object", "string"] | None = None
    short_call_ids: bool = False
    tool_results: bool = False
    system: bool = False
    tools: bool = False
    needs_descriptions: bool = False
    opens_reasoning: bool = False
    reasoning_effort: bool = False
    media: frozenset[str] = frozenset()


# --- Shaping: messages as the API has them to messages as the template takes them ---


def shape_messages(messages: list[Message], traits: TemplateTraits) -> list[Message]:
    """Messages of the API in the form that a template takes, with nothing in them but what the API names.

    Parts of text are joined with nothing between them; where there are media, those that follow each other. A tool
    result is given the name of the function it answers: of calls that share an id, the last one's that has no result
    yet. Of arguments that must be a JSON object and are not, as much is taken as can be read. Raises PromptError for
    media, tool calls and results that the template would leave out.
    """
    names: dict[str, list[str]] = {}
    shaped = []
    for index, message in enumerate(messages):
        shaped.append(_shape(message, names, traits, f"messages.{index}"))
        own: dict[str, list[str]] = {}
        for call in (message.get("tool_calls") or []) if message["role"] == "assistant" else []:
            own.setdefault(call["id"], []).append(call["function"]["name"])
        names |= own
    return shaped


def shape_tools(tools: list[Message] | None, traits: TemplateTraits) -> list[Message] | None:
    """Tool definitions of the API without null fields, for a template; None when there are none."""
    missing = {"description": ""} if traits.needs_descriptions else {}
    functions = [{key: value for key, value in tool["function"].items() if value is not None} for tool in tools or []]
    return [{"type": "function", "function": {**missing, **function}} for function in functions] or None


def _shape(message: Message, names: dict[str, list[str]], traits: TemplateTraits, path: str) -> Message:
    if message["role"] == "assistant":
        own = _shape_answer(message, traits, path)
    else:
        own = {"content": _shape_content(message["content"], traits, f"{path}.content")}
    if message["role"] == "tool":
        if not traits.tool_results:
            raise PromptError("this model's chat template has no place for tool results", f"{path}.role")
        call_id = message["tool_call_id"]
        called = names.get(call_id, [])
        name = called.pop(0) if len(called) > 1 else next(iter(called), None)
        own |= {"tool_call_id": _shape_id(call_id, traits), "name": name}
    shaped = {"role": message["role"], **own, "name": message.get("name") or own.get("name")}
    return {key: value for key, value in shaped.items() if value is not None}


def _shape_answer(message: Message, traits: TemplateTraits, path: str) -> Message:
    content, calls = message.get("content"), message.get("tool_calls") or []
    absent = content is None and calls and traits.null_content
    return {
        "content": None if absent else _shape_content(content or "", traits, f"{path}.content"),
        "reasoning_content": message.get("reasoning_content") or message.get("reasoning"),
        "tool_calls": [_shape_call(call, traits, f"{path}.tool_calls.{j}") for j, call in enumerate(calls)] or None,
    }


def _shape_content(content: str | list[Message], traits: TemplateTraits, path: str) -> str | list[Message]:
    if isinstance(content, list):
        # One string each: the pieces of a control token, spread over parts, must not meet in the template.
        parts: list[Message] = []
        for is_text, run in groupby(enumerate(content), key=lambda each: each[1]["type"] == "text"):
            if is_text:
                parts.append({"type": "text", "text": "".join(part["text"] for _, part in run)})
            else:
                parts += [_medium(part, traits, f"{path}.{index}") for index, part in run]
        if any(part["type"] != "text" for part in parts):
            return parts
        content = parts[0]["text"] if parts else ""
    return content if traits.content == "string" else [{"type": "text", "text": content}]


def _medium(part: Message, traits: TemplateTraits, path: str) -> Message:
    """What stands for a medium in the words of templates, which are not those of URLs."""
    kind = part["type"].removesuffix("_url")
    if kind not in traits.media:
        raise PromptError(f"this model does not support {kind} inputs", path)
    return {"type": kind}


def _shape_call(call: Message, traits: TemplateTraits, path: str) -> Message:
    if traits.arguments is None:
        raise PromptError("this model's chat template has no place for tool calls", path)
    function = call["function"]
    arguments = function["arguments"]
    if traits.arguments == "object":
        arguments = _json_object(arguments)
    return {
        "id": _shape_id(call["id"], traits),
        "type": "function",
        "function": {"name": function["name"], "arguments": arguments},
    }


def _json_object(text: str) -> dict[str, Any]:
    """The object that a text of JSON holds, as far as the text goes where it was cut off; "" is one without members.

    What is no object at all is the one member `arguments` of one.
    """
    try:
        value = from_json(text.strip() or "{}", allow_inf_nan=False, allow_partial="trailing-strings")
    except ValueError:
        value = text
    return value if isinstance(value, dict) else {"arguments": value}


def _shape_id(call_id: str, traits: TemplateTraits) -> str:
    if not traits.short_call_ids or re.fullmatch("[a-zA-Z0-9]{9}", call_id):
        return call_id
    return hashlib.sha256(call_id.encode(errors="surrogatepass")).hexdigest()[:9]


# --- Probing: what a template takes, told from what it renders ---

_SYSTEM, _USER, _ANSWER, _RESULT, _KEY, _VALUE = ("quokka", "wombat", "numbat", "bilby", "echidna", "platypus")
_CALL = {"name": "find_dingo", "arguments": json.dumps({_KEY: _VALUE})}
_TOOL: Message = {
    "type": "function",
    "function": {
        "name": "find_dingo",
        "description": "Finds a dingo.",
        "parameters": {"type": "object", "properties": {"age": {"type": "integer"}}},
    },
}
_CALL_ID = "call_abcdefghijklmnopqrstuvwx"
_USER_MESSAGE: Message = {"role": "user", "content": _USER}
_TOOL_CHAT: list[Message] = [
    _USER_MESSAGE,
    {"role": "assistant", "content": None, "tool_calls": [{"id": _CALL_ID, "type": "function", "function": _CALL}]},
    {"role": "tool", "content": _RESULT, "tool_call_id": _CALL_ID},
]
_TWO_TURNS: list[Message] = [
    _USER_MESSAGE,
    {"role": "assistant", "content": _ANSWER, "reasoning_content": _RESULT},
    _USER_MESSAGE,
]
_FIELD = "kookaburra"
_MEDIA = ("image", "audio", "video")
_VARIABLE_VALUES = (True, False, "low", "high")


def probe_template(render: Render) -> TemplateTraits:
    """What a template takes, found by rendering sentinel chats.

    Raises ValueError when it cannot render even one message of a user, RenderingExceeded where it takes too much.
    """
    probe = _Probe(render)
    traits = probe.content()
    traits = replace(
        traits,
        system=_SYSTEM in (probe.attempt([{"role": "system", "content": _SYSTEM}, _USER_MESSAGE], traits) or ""),
        tools=_TOOL["function"]["name"] in (probe.attempt([_USER_MESSAGE], traits, tools=[_TOOL]) or ""),
        media=probe.media(),
    )
    traits = probe.tool_calls(traits)
    undescribed = {key: value for key, value in _TOOL["function"].items() if key != "description"}
    definition = {"type": "function", "function": undescribed}
    return replace(
        traits,
        needs_descriptions=traits.tools and probe.attempt([_USER_MESSAGE], traits, tools=[definition]) is None,
        opens_reasoning=probe.opens_reasoning(traits),
        reasoning_effort=variable_matters(render, traits, "reasoning_effort"),
    )


def variable_matters(render: Render, traits: TemplateTraits, name: str) -> bool:
    """Whether any of a few values of one template variable changes the rendering of a sentinel chat."""
    usual = render_sentinels(render, traits)
    return any(render_sentinels(render, traits, **{name: value}) != usual for value in _VARIABLE_VALUES)


def field_matters(render: Render, traits: TemplateTraits, place: FieldPlace, name: str) -> bool:
    """Whether a text in one field changes the rendering of a sentinel chat.

    place: the role of the messages that have the field, or "function" for the definitions of tools.
    """
    probe = _Probe(render)

    def shown(chat: list[Message], **field: str) -> str | None:
        function = {key: value for key, value in _TOOL["function"].items() if key != name}
        tool = {**_TOOL, "function": function | field} if place == "function" else _TOOL
        messages = [
            {key: value for key, value in message.items() if key != name} | field
            if message["role"] == place
            else message
            for message in chat
        ]
        return probe.attempt(messages, traits, tools=[tool] if traits.tools else None)

    return any(shown(chat, **{name: _FIELD}) != shown(chat) for chat in _sentinel_chats(traits))


def render_sentinels(render: Render, traits: TemplateTraits, /, **variables: Any) -> tuple[str | None, ...]:
    """The sentinel chats that the template has a place for, rendered with these variables; None where it refuses."""
    probe, tools = _Probe(render), [_TOOL] if traits.tools else None
    return tuple(probe.attempt(chat, traits, tools=tools, **variables) for chat in _sentinel_chats(traits))


def _sentinel_chats(traits: TemplateTraits) -> list[list[Message]]:
    """Those that the template has a place for."""
    chats = [[_USER_MESSAGE], _TWO_TURNS]
    if traits.system:
        chats.append([{"role": "system", "content": _SYSTEM}, _USER_MESSAGE])
    if traits.arguments and traits.tool_results:
        chats.append(_TOOL_CHAT)
    return chats


def behind_answer(render: Render, traits: TemplateTraits) -> str:
    """What a template writes behind an earlier answer of the assistant, up to the next text of the user."""
    text = _Probe(render).attempt(_TWO_TURNS, traits) or ""
    return text.partition(_ANSWER)[2].partition(_USER)[0]


def behind_reasoning(render: Render, traits: TemplateTraits, close: str) -> str | None:
    """The white space that a template writes between reasoning that `close` ends and the answer; None if it shows none.

    Told from an answer with reasoning, or else from a prompt that has it closed already.
    """
    probe = _Probe(render)
    shown = probe.attempt(_TWO_TURNS[:2], traits) or ""
    skipped = probe.attempt(_TWO_TURNS[:1], traits, enable_thinking=False) or ""
    for text, answer in ((shown.partition(_RESULT)[2], _ANSWER), (skipped.partition(_USER)[2], "")):
        _, closed, behind = text.partition(close)
        space = behind.partition(answer)[0] if answer else behind
        if closed and not space.strip():
            return space
    return None


class _Probe:
    def __init__(self, render: Render):
        self._render = render

    def attempt(self, messages: list[Message], traits: TemplateTraits, /, **options: Any) -> str | None:
        """The rendering, or None where the template refuses: that it raises, whatever it raises, is the answer.

        Only what takes too much is no answer: RenderingExceeded.
        """
        try:
            return self._render(shape_messages(messages, traits), **options)
        except RenderingExceeded:
            raise
        except Exception:
            return None

    def content(self) -> TemplateTraits:
        for traits in (TemplateTraits(content="string"), TemplateTraits(content="parts")):
            if _USER in (self.attempt([_USER_MESSAGE], traits) or ""):
                return traits
        try:
            self._render([_USER_MESSAGE])
        except RenderingExceeded:
            raise
        except Exception as error:
            raise ValueError(f"the chat template cannot render a user message: {error}") from error
        raise ValueError("the chat template leaves the user's message out of the prompt")

    def media(self) -> frozenset[str]:
        """Kinds of parts that change a message by something for each, and leave its text what it is."""
        return frozenset(kind for kind in _MEDIA if self._shows(kind))

    def _shows(self, kind: str) -> bool:
        text: Message = {"type": "text", "text": _USER}
        shown = [self._as_parts([*[{"type": kind}] * count, text]) for count in range(3)]
        if any(prompt is None or prompt.count(_USER) != 1 or "'type'" in prompt for prompt in shown):
            return False
        without, one, two = (len(prompt or "") for prompt in shown)
        return without < one < two

    def _as_parts(self, parts: list[Message]) -> str | None:
        try:
            return self._render([{"role": "user", "content": parts}])
        except RenderingExceeded:
            raise
        except Exception:
            return None

    def tool_calls(self, traits: TemplateTraits) -> TemplateTraits:
        """The first form of tool calls that arrives whole: ids as they are, an object, no content, where it can be."""
        for candidate in self._tool_call_forms(traits):
            text = self.attempt(_TOOL_CHAT, candidate, tools=[_TOOL] if traits.tools else None)
            if text is not None and _shows_arguments(text):
                return replace(candidate, tool_results=_RESULT in text)
        return traits

    def _tool_call_forms(self, traits: TemplateTraits) -> Iterator[TemplateTraits]:
        forms: tuple[Literal["object", "string"], ...] = ("object", "string")
        for short_ids, form, null in product((False, True), forms, (True, False)):
            yield replace(traits, short_call_ids=short_ids, arguments=form, null_content=null, tool_results=True)

    def opens_reasoning(self, traits: TemplateTraits) -> bool:
        """Whether the generation prompt ends with an opening tag that is no part of the assistant's header.

        The header is what stands before an earlier answer, perhaps with an empty or a filled reasoning block after it.
        """
        earlier = (self.attempt(_TWO_TURNS, traits) or "").partition(_USER)[2].partition(_ANSWER)[0]
        generation = (self.attempt([_USER_MESSAGE], traits) or "").partition(_USER)[2]
        tag = re.search(r"[<\[][^/<>\[\]][^<>\[\]]*[>\]]$", generation.rstrip())
        if not earlier or tag is None:
            return False
        closing = f"{tag[0][0]}/{tag[0][1:]}"
        return tag[0] not in earlier or closing in earlier


def _shows_arguments(text: str) -> bool:
    """Key and value are there, neither as Python prints a dict nor as JSON inside a JSON string."""
    as_printed, as_nested = f"'{_KEY}'", f'\\"{_KEY}'
    return _KEY in text and _VALUE in text and as_printed not in text and as_nested not in text
