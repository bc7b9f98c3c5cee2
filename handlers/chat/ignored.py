"""What a request says without effect: fields that the document does not know, parameters that this model cannot use."""

from collections.abc import Container, Iterator
from typing import cast

from pydantic import BaseModel

from generated.models import AssistantMessage, ContainerChatCompletionBody, ResponseFormatJsonSchema
from handlers.chat.limits import length_param, requested_tokens
from handlers.chat.output import limits_reasoning, may_call, must_call, wants_form
from handlers.chat.request import ChatRequest
from handlers.generation.output import OutputPlan
from handlers.generation.plan import GenerationPlan
from handlers.loaded import ChatTokenizer, LoadedModel
from handlers.text.template import FieldPlace


def ignored_parameters(
    request: ChatRequest, loaded: LoadedModel, output: OutputPlan, plan: GenerationPlan
) -> list[str]:
    """Paths of all in a request that has no effect, but for what its grammar leaves out."""
    return [
        *request.without_effect(),
        *map(request.told, ineffective_parameters(request.body, output)),
        *map(request.told, _clamped(request.body, plan)),
        *not_in_the_prompt(request, loaded.tokenizer),
    ]


def not_in_the_prompt(request: ChatRequest, tokenizer: ChatTokenizer) -> Iterator[str]:
    """Paths of what is given for the prompt, and that the model's template puts in none."""
    body = request.body
    yield from map(request.told, _unused_variables(body, tokenizer))
    if body.tools and not may_call(body):
        yield request.told("tools")  # hidden from the model, so that it does not call them
    yield from map(request.told, _unshown_fields(body, tokenizer))


def given_beside(names: Container[str], given: BaseModel) -> Iterator[str]:
    """The fields that are given in a body, and are none of these."""
    for name, field in type(given).model_fields.items():
        if name not in names and getattr(given, name) not in (None, field.default):
            yield field.alias or name


def ineffective_parameters(body: ContainerChatCompletionBody, output: OutputPlan) -> Iterator[str]:
    """Paths of known parameters that are set and that this model cannot act on."""
    if body.parse_reasoning is not None and body.parse_reasoning != output.split:
        yield "parse_reasoning"
    if body.include_reasoning is False and body.parse_reasoning and not output.split:
        yield "include_reasoning"
    if limits_reasoning(body) and output.budget is None:
        yield "reasoning_budget"
    match body.response_format:
        case ResponseFormatJsonSchema(json_schema=schema) if schema.description:
            yield "response_format.json_schema.description"
    if wants_form(body) and must_call(body):
        yield "response_format"
    if body.parallel_tool_calls is False and may_call(body) and not output.enforces_calls:
        yield "parallel_tool_calls"
    if output.tool_use.subset_param is not None and not output.enforces_calls:
        yield output.tool_use.subset_param


def _unused_variables(body: ContainerChatCompletionBody, tokenizer: ChatTokenizer) -> Iterator[str]:
    """What sets variables that the model's template does not read, or that are set otherwise."""
    given = body.chat_template_kwargs or {}
    if body.reasoning_effort is not None:
        wanted = tokenizer.effort_variables(body.reasoning_effort)
        if not any(given.get(name, value) == value for name, value in wanted.items()):
            yield "reasoning_effort"
    for name in given:
        if not tokenizer.template_knows(name):
            yield f"chat_template_kwargs.{name}"


def _clamped(body: ContainerChatCompletionBody, plan: GenerationPlan) -> Iterator[str]:
    """What asks for more tokens than an answer may have."""
    if (requested_tokens(body) or 0) > plan.sampling.max_tokens:
        yield length_param(body)


def _unshown_fields(body: ContainerChatCompletionBody, tokenizer: ChatTokenizer) -> Iterator[str]:
    """Texts of messages and of tools that the model's template has no place for."""
    for i, message in enumerate(body.messages):
        if message.name and not tokenizer.template_shows(cast(FieldPlace, message.role), "name"):
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
