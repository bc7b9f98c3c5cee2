"""A request of Anthropic's Messages API as a request for an answer to a chat."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

import generated.strict.models
from generated.models import ContainerChatCompletionBody, MessagesPrompt
from handlers.chat.request import ChatRequest, model_of
from handlers.chat.turns import loose_ends
from handlers.chat.words import Words
from handlers.http.errors import invalid
from handlers.http.validation import JSONBody
from handlers.loaded import LoadedModel
from handlers.messages.conversation import conversation_of

SAMPLING = ("max_tokens", "stream", "temperature", "top_p", "top_k", "seed")
"""Fields that have the same name and meaning in a chat."""
WITHOUT_EFFECT = ("cache_control", "container", "context_manager", "inference_geo", "metadata", "service_tier")
CHOICES = {"auto": "auto", "any": "required", "none": "none"}
EFFORTS = {"ultracode": "ultra"}
"""Levels that a chat calls otherwise."""
OWN_WORDS = {
    "stop": "stop_sequences",
    "tool_choice.function.name": "tool_choice.name",
    "parallel_tool_calls": "tool_choice.disable_parallel_tool_use",
    "reasoning_effort": "output_config.effort",
    "include_reasoning": "thinking.display",
    "chat_template_kwargs": "thinking",
}


@dataclass(frozen=True)
class Reasoning:
    """What is asked of reasoning, in a chat's words. param: what errors about its limit name."""

    fields: dict[str, Any]
    param: str = "thinking.budget_tokens"
    inert: tuple[str, ...] = ()


def read_messages(
    json_body: JSONBody, kind: type[MessagesPrompt], loaded: LoadedModel, strict: bool, betas: bool = False
) -> ChatRequest:
    """The request of a body that is valid by the document that is served; in it null and absence are one.

    kind: the model of the body, of `generated.models`. strict: that document is the strict one. betas: the request asks
    for some in a header.

    Raises APIError 422 for what no chat can be made of.
    """
    given = model_of(getattr(generated.strict.models, kind.__name__) if strict else kind, json_body.value)
    known = model_of(kind, given.model_dump(by_alias=True, exclude_unset=True)) if strict else given
    conversation, reasoning = conversation_of(known), _reasoning(known, loaded)
    tools = dict(_shown(json_body.value.get("tools")))
    form, form_path = _form(json_body.value, strict)
    words = Words(
        {
            **OWN_WORDS,
            **conversation.paths,
            **_tool_words(tools),
            "reasoning_budget": reasoning.param,
            "response_format": form_path,
            "response_format.json_schema.schema": f"{form_path}.schema",
        }
    )
    values = {
        **{name: value for name in SAMPLING if (value := getattr(known, name, None)) is not None},
        "model": known.model,
        "messages": conversation.messages,
        "tools": functions_of(json_body.value.get("tools")) or None,
        **_choice(known),
        "stop": getattr(known, "stop_sequences", None),
        "response_format": form,
        "reasoning_effort": _effort(known),
        **reasoning.fields,
        "continue_final_message": _continues(conversation.messages),
    }
    body = _chat_body({name: value for name, value in values.items() if value is not None}, words)
    inert = [
        *_ineffective(known),
        *(["anthropic-beta"] if betas else []),
        *(f"tools.{i}" for i, _ in enumerate(known.tools or []) if i not in tools),
        *conversation.inert,
        *reasoning.inert,
        *map(words.told, loose_ends(body.messages)),
    ]
    return ChatRequest(json_body, given, body, tuple(inert), words, lambda sent: _exact(sent, strict))


def functions_of(tools: list[dict[str, Any]] | None) -> list[dict[str, Any]]:
    """Tools of a body's JSON as a chat has them, without those that only Anthropic's models and servers know."""
    names = {"name": "name", "description": "description", "input_schema": "parameters", "strict": "strict"}
    return [
        {"type": "function", "function": {names[key]: tool[key] for key in names if tool.get(key) is not None}}
        for _, tool in _shown(tools)
    ]


def _exact(sent: dict[str, Any], strict: bool) -> dict[str, Any]:
    return {"tools": functions_of(sent.get("tools")), "response_format": _form(sent, strict)[0]}


def _shown(tools: list[dict[str, Any]] | None) -> Iterator[tuple[int, dict[str, Any]]]:
    for i, tool in enumerate(tools or []):
        if tool.get("input_schema") is not None or tool.get("type") in (None, "custom"):
            yield i, tool


def _tool_words(shown: Iterable[int]) -> dict[str, str]:
    """Of the tools with these indices, which are the only ones of the chat."""
    words: dict[str, str] = {}
    for j, i in enumerate(shown):
        words |= {f"tools.{j}": f"tools.{i}", f"tools.{j}.function": f"tools.{i}"}
        words[f"tools.{j}.function.parameters"] = f"tools.{i}.input_schema"
    return words


def _choice(body: MessagesPrompt) -> dict[str, Any]:
    choice = body.tool_choice
    if choice is None:
        return {}
    parallel = {"parallel_tool_calls": False} if choice.disable_parallel_tool_use else {}
    if choice.type != "tool":
        return {"tool_choice": CHOICES[choice.type], **parallel}
    if choice.name is None:
        raise invalid("tool_choice.name is required where tool_choice.type is 'tool'", "tool_choice.name")
    return {"tool_choice": {"type": "function", "function": {"name": choice.name}}, **parallel}


def _form(sent: dict[str, Any], strict: bool) -> tuple[dict[str, Any] | None, str]:
    """The form of the answer that a body's JSON asks for as a chat has it, and its path. Raises APIError 422."""
    path, form = "output_config.format", (sent.get("output_config") or {}).get("format")
    if form is None and not strict:
        path, form = "output_format", sent.get("output_format")
    if form is None or (form.get("type") is None and form.get("schema") is None):
        return None, path
    if form.get("schema") is None:
        raise invalid(f"{path}.schema is required; give a JSON Schema, or leave {path} out", f"{path}.schema")
    return {"type": "json_schema", "json_schema": {"schema": form["schema"]}}, path


def _effort(body: MessagesPrompt) -> str | None:
    effort = None if body.output_config is None else body.output_config.effort
    return None if effort is None else EFFORTS.get(effort, effort)


def _reasoning(body: MessagesPrompt, loaded: LoadedModel) -> Reasoning:
    """Reasoning is always told apart. A model that cannot be told not to reason gets a limit of no tokens."""
    reasons, switches = loaded.format.reasoning is not None, loaded.tokenizer.template_knows("enable_thinking")
    fields: dict[str, Any] = {"parse_reasoning": True} if reasons else {}
    asked = body.thinking
    if asked is None:
        return Reasoning(fields)
    if asked.type == "disabled":
        off = {"chat_template_kwargs": {"enable_thinking": False}} if switches else {"reasoning_budget": 0}
        return Reasoning(fields | off if reasons or switches else fields, "thinking")
    fields["reasoning_budget"] = asked.budget_tokens
    if switches:
        fields["chat_template_kwargs"] = {"enable_thinking": True}
    if asked.display == "omitted":
        fields["include_reasoning"] = False
    inert = [] if reasons or switches else ["thinking"]
    if asked.type == "between_tools":
        inert.append("thinking.type")
    return Reasoning(fields, inert=tuple(inert))


def _continues(messages: list[dict[str, Any]]) -> bool | None:
    """Whether there is an answer at the end that has text, and calls nothing: that is continued."""
    last = messages[-1] if messages else {}
    return True if last.get("role") == "assistant" and last["content"] and not last.get("tool_calls") else None


def _ineffective(body: MessagesPrompt) -> Iterator[str]:
    yield from (name for name in WITHOUT_EFFECT if getattr(body, name) is not None)
    if body.output_format is not None and body.output_config is not None and body.output_config.format is not None:
        yield "output_format"


def _chat_body(values: dict[str, Any], words: Words) -> ContainerChatCompletionBody:
    try:
        return ContainerChatCompletionBody.model_validate(values)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        param = words.told(".".join(map(str, first["loc"])))
        raise invalid(f"{param}: {first['msg']}", param) from error
