"""The body of POST /v1/responses as a request for an answer to a chat, and what concerns the response alone."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import TypeAdapter

from generated.models import (
    ContainerChatCompletionBody,
    ContainerResponsesBody,
    ResponseFormatJsonObject,
    ResponseFormatJsonSchema,
    ResponseFormatJsonSchemaSchema,
    ResponsesTextFormatJsonObject,
    ResponsesTextFormatJsonSchema,
    UserMessage,
)
from handlers.chat.request import ChatRequest, model_of, unknown_fields
from handlers.chat.size import MOST_TOOLS
from handlers.chat.turns import loose_ends
from handlers.chat.words import Words
from handlers.formats.syntax import Format
from handlers.http.errors import invalid
from handlers.http.validation import JSONBody
from handlers.responses.conversation import Conversation, Item, Place
from handlers.responses.store import StoredResponse
from handlers.responses.tools import Tools, read_tools

ENCRYPTED, LOGPROBS = "reasoning.encrypted_content", "message.output_text.logprobs"
"""What `include` may ask for."""
ITEMS: TypeAdapter[list[Item]] = TypeAdapter(list[Item])
HIGHEST = {"ultracode": "ultra"}
"""Levels of effort that a chat calls otherwise."""
WORDS = {
    "messages": "input",
    "max_tokens": "max_output_tokens",
    "reasoning_effort": "reasoning.effort",
    "response_format": "text.format",
    "response_format.json_schema": "text.format",
}
"""What the fields of a chat are called here, where that is not the same and does not depend on the request."""


@dataclass(frozen=True)
class ResponseRequest(ChatRequest):
    """A request for a response. body: the chat. asked: what was sent, as a model. tools: those of the request."""

    asked: ContainerResponsesBody = field(kw_only=True)
    tools: Tools = field(kw_only=True)

    def without_effect(self) -> Iterator[str]:
        """Paths of the fields that the document does not know, and of those that say nothing by themselves.

        Of an item or a tool that has no effect at all its own path will do.
        """
        inert = set(self.inert)
        for path in unknown_fields(self.json_body.value, self.given):
            if ".".join(path.split(".")[:2]) not in inert:
                yield path
        yield from self.inert

    @property
    def encrypts(self) -> bool:
        """Whether reasoning is given as encrypted content too."""
        return ENCRYPTED in (self.asked.include or ())

    @property
    def summarises(self) -> bool:
        """Whether reasoning is given as a summary."""
        return summary(self.asked) is not None

    @property
    def logprobs(self) -> bool:
        """Whether texts have log-probabilities."""
        return LOGPROBS in (self.asked.include or ())


def summary(body: ContainerResponsesBody) -> str | None:
    """What kind of summary of reasoning is asked for."""
    reasoning = body.reasoning
    return None if reasoning is None else reasoning.summary or reasoning.generate_summary


def read_items(items: Sequence[dict[str, Any]]) -> list[Item]:
    """Items that are valid by the document, as its models."""
    return ITEMS.validate_python(items)


def check_size(value: dict[str, Any], context: int) -> None:
    """Raises APIError 422 where a valid body has more members somewhere than could ever be used."""
    items, tools = value["input"], value.get("tools") or []
    if isinstance(items, list):
        lists = (item.get(name) for item in items for name in ("content", "output", "summary"))
        parts = sum(len(found) for found in lists if isinstance(found, list))
        if len(items) + parts > context:
            most = f"more than the {context} tokens of the model's context"
            raise invalid(f"input has {len(items)} items and {parts} parts, {most}", "input")
    count = len(tools) + sum(len(tool["tools"]) for tool in tools if tool["type"] == "namespace")
    if count > MOST_TOOLS:
        raise invalid(f"tools has {count} members, those of namespaces included, but may have {MOST_TOOLS}", "tools")


def read_body(json_body: JSONBody) -> ContainerResponsesBody:
    """A body that is valid by the document, as its model. Raises APIError 422."""
    return model_of(ContainerResponsesBody, json_body.value)


def read_request(
    json_body: JSONBody,
    asked: ContainerResponsesBody,
    previous: StoredResponse | None,
    referenced: dict[int, dict[str, Any]],
    format: Format,
    keeps: bool,
) -> ResponseRequest:
    """The request of a body.

    asked: the body. previous: the response that it follows. referenced: by place in `input`, the item that
    a reference there means. format: how the model writes answers, which says what has an effect. keeps: responses are
    kept.

    Raises APIError 422 for pictures in messages that are not the user's, a choice of a tool that there is not, and no
    input.
    """
    conversation, tools = Conversation(), read_tools(asked)
    if asked.instructions is not None:
        conversation.instruct(asked.instructions)
    history = [] if previous is None else read_items(previous.items())
    earlier = [(Place("previous_response_id", exact=False), item) for item in history]
    if isinstance(asked.input, str):
        conversation.add(earlier)
        place = Place("input", exact=False)
        conversation.say(UserMessage(role="user", content=asked.input), place, {"content": ""})
    else:
        found = read_items(list(referenced.values()))
        meant = dict(zip(referenced, found, strict=True))
        given = [(Place(f"input.{i}"), meant.get(i, item)) for i, item in enumerate(asked.input)]
        conversation.add([*earlier, *given])
    if not conversation.messages:
        raise invalid("input has no items that the model is shown; give a message of the user", "input")
    words = Words({**WORDS, **conversation.paths, **tools.paths()})
    return ResponseRequest(
        json_body=json_body,
        given=asked,
        body=_chat(asked, conversation, tools, format),
        inert=(
            *conversation.inert,
            *tools.inert,
            *(["store"] if asked.store and not keeps else []),
            *_inert(asked, format),
            *map(words.told, loose_ends(conversation.messages)),
        ),
        words=words,
        exact=lambda value: {"tools": tools.exact(value), "response_format": _exact_format(value)},
        texts=tools.texts(),
        allowed=tools.allowed,
        asked=asked,
        tools=tools,
    )


def _chat(
    asked: ContainerResponsesBody, conversation: Conversation, tools: Tools, format: Format
) -> ContainerChatCompletionBody:
    effort = asked.reasoning and asked.reasoning.effort
    logprobs = LOGPROBS in (asked.include or ())
    return ContainerChatCompletionBody.model_construct(  # of values that are valid already
        model=asked.model,
        messages=conversation.messages,
        max_tokens=asked.max_output_tokens,
        temperature=asked.temperature,
        top_p=asked.top_p,
        seed=asked.seed,
        stream=bool(asked.stream),
        tools=tools.functions(),
        tool_choice=tools.choice,
        parallel_tool_calls=asked.parallel_tool_calls,
        reasoning_effort=HIGHEST.get(effort, effort) if effort else None,
        parse_reasoning=True if format.reasoning is not None else None,
        response_format=_format(asked),
        logprobs=logprobs or None,
        top_logprobs=asked.top_logprobs if logprobs else None,
    )


def _format(asked: ContainerResponsesBody) -> ResponseFormatJsonSchema | ResponseFormatJsonObject | None:
    match asked.text and asked.text.format:
        case ResponsesTextFormatJsonObject():
            return ResponseFormatJsonObject(type="json_object")
        case ResponsesTextFormatJsonSchema() as form:
            fields = {"name": form.name, "description": form.description, "strict": form.strict}
            schema = ResponseFormatJsonSchemaSchema.model_validate({"schema": form.schema_, **fields})
            return ResponseFormatJsonSchema(type="json_schema", json_schema=schema)
    return None


def _exact_format(value: Any) -> Any:
    format = (value.get("text") or {}).get("format") or {}
    if format.get("type") != "json_schema":
        return format
    return {"type": "json_schema", "json_schema": {"schema": format["schema"], "strict": format.get("strict")}}


def _inert(asked: ContainerResponsesBody, format: Format) -> Iterator[str]:
    """Paths of fields without effect, but for those of a chat."""
    for name in ("max_tool_calls", "prompt_cache_key", "safety_identifier", "user"):
        if getattr(asked, name) is not None:
            yield name
    if asked.truncation == "auto":
        yield "truncation"
    if asked.service_tier not in (None, "auto", "default"):
        yield "service_tier"
    if asked.text is not None and asked.text.verbosity is not None:
        yield "text.verbosity"
    if asked.stream_options is not None and asked.stream_options.include_obfuscation:
        yield "stream_options.include_obfuscation"
    yield from _inert_reasoning(asked, format)
    if asked.top_logprobs is not None and LOGPROBS not in (asked.include or ()):
        yield "top_logprobs"
    for i, name in enumerate(asked.include or ()):
        if name != LOGPROBS and (name != ENCRYPTED or format.reasoning is None):
            yield f"include.{i}"


def _inert_reasoning(asked: ContainerResponsesBody, format: Format) -> Iterator[str]:
    if asked.reasoning is None:
        return
    given, old = asked.reasoning.summary, asked.reasoning.generate_summary
    if given is not None and (given == "concise" or format.reasoning is None):
        yield "reasoning.summary"
    if old is not None and (given is not None or old == "concise" or format.reasoning is None):
        yield "reasoning.generate_summary"
