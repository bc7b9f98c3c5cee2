"""What a chat request may not say although its schema allows it. Each check raises APIError 422 naming the field.

Fields are named as the API calls them in which the request was sent.
"""

from generated.models import AssistantMessage, ChatCompleteBodyToolChoice, ContainerChatCompletionBody
from handlers.chat.media import check_media
from handlers.chat.output import limits_reasoning, must_call, wants_form
from handlers.chat.request import ChatRequest
from handlers.generation.lengths import answer_length
from handlers.generation.sampling import check_sampling
from handlers.http.errors import invalid
from handlers.loaded import Engine, LoadedModel


def check_request(request: ChatRequest, loaded: LoadedModel, strict: bool) -> None:
    """Raises APIError 422, naming the field, for all that can be refused before the prompt is known.

    strict: what the vendored document's prose excludes is refused too.
    """
    engine, body = loaded.engine, request.body
    check_media(request, loaded)
    if strict:
        _check_strictly(request)
    _check_ending(request)
    _check_exclusions(request)
    _check_tools(request)
    _check_tool_choice(request, loaded)
    _check_reasoning_budget(request, loaded)
    _check_response_format(request, engine)
    _check_lengths(body)
    check_sampling(body, engine, request.told)


def token_budget(request: ChatRequest, prompt_tokens: int, context_length: int, clamp: bool) -> int:
    """The tokens that a choice may have: `max_tokens`, or all that fit the context. Raises APIError 422.

    clamp: a number beyond what fits is not refused, but means what fits.
    """
    body = request.body
    length = answer_length(
        requested_tokens(body),
        prompt_tokens,
        context_length,
        param=request.told(length_param(body)),
        prompt_param=request.told("messages"),
        prompt="the messages",
        clamp=clamp,
    )
    if body.min_tokens is not None and body.min_tokens > length:
        raise invalid(f"min_tokens is {body.min_tokens}, but only {length} tokens fit the context", "min_tokens")
    return length


def length_param(body: ContainerChatCompletionBody) -> str:
    """What a body that limits its answer calls the limit."""
    return "max_tokens" if body.max_tokens is not None else "max_completion_tokens"


def requested_tokens(body: ContainerChatCompletionBody) -> int | None:
    """`max_tokens` of the body, or `max_completion_tokens`, its other name; None where neither is set."""
    return body.max_tokens if body.max_tokens is not None else body.max_completion_tokens


def _check_strictly(request: ChatRequest) -> None:
    body, told = request.body, request.told
    for i, message in enumerate(body.messages):
        if isinstance(message, AssistantMessage) and message.content is None and not message.tool_calls:
            path = told(f"messages.{i}.content")
            raise invalid(f"{path} is required, because {told(f'messages.{i}')} has no tool_calls", path)
    if body.tools and wants_form(body):
        form, tools = told("response_format"), told("tools")
        raise invalid(f"{form} cannot be used together with {tools}; leave one of them out", form)
    if body.stream_options is not None and not body.stream:
        raise invalid("stream_options needs a stream; set stream to true", "stream_options")


def _check_ending(request: ChatRequest) -> None:
    body, param = request.body, request.told("continue_final_message")
    if not body.continue_final_message:
        return
    if body.add_generation_prompt:
        raise invalid(
            "add_generation_prompt begins a message of its own, and continue_final_message continues the last one; set "
            "one of them to false",
            "add_generation_prompt",
        )
    last = body.messages[-1]
    if not isinstance(last, AssistantMessage) or last.tool_calls:
        raise invalid(
            f"{param} needs a last message with role assistant and without calls",
            param,
        )


def _check_exclusions(request: ChatRequest) -> None:
    body, tools = request.body, request.told("tools")
    if body.min_tokens is not None and body.tools:
        raise invalid(f"min_tokens cannot be used together with {tools}; leave one of them out", "min_tokens")
    if body.min_tokens is not None and body.response_format is not None:
        raise invalid("min_tokens cannot be used together with response_format; leave one of them out", "min_tokens")
    if body.top_logprobs is not None and not body.logprobs:
        raise invalid("top_logprobs needs logprobs; set logprobs to true", "top_logprobs")


def _check_tools(request: ChatRequest) -> None:
    first: dict[str, int] = {}
    for i, tool in enumerate(request.body.tools or []):
        name, path = tool.function.name, request.told(f"tools.{i}.function.name")
        if first.setdefault(name, i) != i:
            other = request.told(f"tools.{first[name]}")
            raise invalid(f"{path} is {name!r}, as that of {other}; names must differ", path)


def _check_tool_choice(request: ChatRequest, loaded: LoadedModel) -> None:
    body, tools, param = request.body, request.told("tools"), request.told("tool_choice")
    choice, names = body.tool_choice, [tool.function.name for tool in body.tools or []]
    for i, name in enumerate(request.allowed or ()):
        if name not in names:
            message = f"{param} allows the function {name!r}, but {tools} has {', '.join(names) or 'none'}"
            raise invalid(message, f"{param}.allowed_tools.tools.{i}.function.name")
    if not must_call(body):
        return
    if not names:
        raise invalid(f"{param} asks for a call, but there are no {tools}; give {tools}", param)
    if isinstance(choice, ChatCompleteBodyToolChoice) and choice.function.name not in names:
        raise invalid(
            f"{param} names the function {choice.function.name!r}, but {tools} has {', '.join(names)}",
            request.told("tool_choice.function.name"),
        )
    reason = loaded.engine.constraint_unsupported_reason
    if reason is None and not loaded.format.tools:
        reason = "its chat template shows no form of tool calls that is known; --tool-format can name one"
    if reason is not None:
        raise invalid(f'a tool call cannot be enforced with this model: {reason}; use "auto" or "none"', param)


def _check_reasoning_budget(request: ChatRequest, loaded: LoadedModel) -> None:
    param = request.told("reasoning_budget")
    reason, reasons = loaded.engine.constraint_unsupported_reason, loaded.format.reasoning is not None
    if reasons and limits_reasoning(request.body) and reason is not None:
        raise invalid(f"{param} cannot be enforced with this model: {reason}", param)


def _check_response_format(request: ChatRequest, engine: Engine) -> None:
    if wants_form(request.body) and engine.constraint_unsupported_reason is not None:
        param, reason = request.told("response_format"), engine.constraint_unsupported_reason
        message = f"{param} cannot be enforced with this model: {reason}; use 'text', or leave it out"
        raise invalid(message, request.told("response_format.type"))


def _check_lengths(body: ContainerChatCompletionBody) -> None:
    both = body.max_tokens is not None and body.max_completion_tokens is not None
    if both and body.max_tokens != body.max_completion_tokens:
        raise invalid(
            f"max_tokens is {body.max_tokens} and max_completion_tokens is {body.max_completion_tokens}; give one of "
            "them, or the same number in both",
            "max_completion_tokens",
        )
    most = requested_tokens(body)
    if body.min_tokens is not None and most is not None and body.min_tokens > most:
        raise invalid(f"min_tokens is {body.min_tokens}, more than max_tokens, which is {most}", "min_tokens")
