"""What a request says without effect: fields that the document does not know, parameters that this model cannot use."""

from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import quote

from pydantic import BaseModel

from generated.models import AssistantMessage, ContainerChatCompletionBody, ResponseFormatJsonSchema
from handlers.chat.output import may_call
from handlers.generation.output import OutputPlan
from handlers.service import ChatTokenizer, LoadedModel

HEADER = "x-ignored-parameters"
LONGEST_HEADER = 1024
MORE = "..."


def ignored_parameters(
    value: dict[str, Any], body: ContainerChatCompletionBody, loaded: LoadedModel, output: OutputPlan
) -> list[str]:
    """Paths of all in a request that has no effect, but for what its grammar leaves out.

    value: the body as it came. body: the same as a model.
    """
    ineffective = [*ineffective_parameters(body, loaded, output), *_unshown_fields(body, loaded.tokenizer)]
    return [*unknown_fields(value, body), *ineffective]


def ignored_header(names: Iterable[str]) -> dict[str, str]:
    """The header x-ignored-parameters, which has each of `names` once; {} if there are none."""
    once = list(dict.fromkeys(names))
    return {HEADER: encode(once)} if once else {}


def unknown_fields(value: Any, model: Any, path: str = "") -> Iterator[str]:
    """Paths of the fields of `value` that `model`, made from it, has no place for. Free-form objects have no such."""
    if isinstance(model, list):
        for i, (item, part) in enumerate(zip(value, model, strict=True)):
            yield from unknown_fields(item, part, f"{path}{i}.")
    if not isinstance(model, BaseModel):
        return
    fields = {field.alias or name: name for name, field in type(model).model_fields.items()}
    for key, item in value.items():
        if key not in fields:
            yield f"{path}{key}"
        else:
            yield from unknown_fields(item, getattr(model, fields[key]), f"{path}{key}.")


def ineffective_parameters(body: ContainerChatCompletionBody, loaded: LoadedModel, output: OutputPlan) -> Iterator[str]:
    """Paths of known parameters that are set and that this model cannot act on."""
    if body.parse_reasoning is not None and body.parse_reasoning != output.split:
        yield "parse_reasoning"
    if body.include_reasoning is False and body.parse_reasoning and not output.split:
        yield "include_reasoning"
    if body.reasoning_budget is not None and body.reasoning_budget >= 0 and output.budget is None:
        yield "reasoning_budget"
    match body.response_format:
        case ResponseFormatJsonSchema(json_schema=schema) if schema.description:
            yield "response_format.json_schema.description"
    if body.reasoning_effort is not None and not loaded.tokenizer.template_uses("reasoning_effort"):
        yield "reasoning_effort"
    if body.tools and not may_call(body):
        yield "tools"  # hidden from the model, so that it does not call them
    if body.parallel_tool_calls is False and may_call(body) and not output.enforces_calls:
        yield "parallel_tool_calls"


def _unshown_fields(body: ContainerChatCompletionBody, tokenizer: ChatTokenizer) -> Iterator[str]:
    """Texts of messages and of tools that the model's template has no place for."""
    for i, message in enumerate(body.messages):
        if message.name and not tokenizer.template_shows(message.role, "name"):
            yield f"messages.{i}.name"
        if isinstance(message, AssistantMessage):
            shows = tokenizer.template_shows("assistant", "reasoning_content")
            if message.reasoning_content and not shows:
                yield f"messages.{i}.reasoning_content"
            outdone = message.reasoning_content and message.reasoning_content != message.reasoning
            if message.reasoning and (outdone or not shows):
                yield f"messages.{i}.reasoning"
    for i, tool in enumerate((body.tools or []) if may_call(body) else []):
        if tool.function.description and not tokenizer.template_shows("function", "description"):
            yield f"tools.{i}.function.description"


def encode(names: Iterable[str]) -> str:
    """A header value: comma-separated, percent-encoded, cut at whole names with "..." at the end when too long."""
    encoded = ""
    for name in names:
        longer = f"{encoded},{quote(name, safe='')}" if encoded else quote(name, safe="")
        if len(longer) > LONGEST_HEADER:
            return f"{encoded},{MORE}" if encoded else MORE
        encoded = longer
    return encoded
