"""A chat request as a plan for the engine."""

import secrets
import string
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from backend import Prompt
from generated.models import AssistantMessage, ContainerChatCompletionBody, Tool
from handlers.chat.limits import token_budget
from handlers.chat.media import media_parts, media_prompt
from handlers.chat.output import NO_PARAMETERS, output_request
from handlers.chat.request import ChatRequest
from handlers.formats.names import FunctionNames
from handlers.formats.parser import OutputParser
from handlers.formats.segments import Content
from handlers.formats.syntax import Format
from handlers.generation.constraint import ConstraintBuilder, OutputConstraint
from handlers.generation.output import OutputPlan, plan_output
from handlers.generation.plan import GenerationPlan, reasoning_limit
from handlers.generation.prefill import Prefill, find_prefill
from handlers.generation.sampling import choice_seeds, sampling_params
from handlers.http.client import current_cache_namespace, current_client
from handlers.http.errors import APIError, invalid
from handlers.http.threads import in_prompt_thread
from handlers.loaded import ChatTokenizer, LoadedModel
from handlers.service import Acceptance
from handlers.text.shown_media import ShownMedium
from handlers.text.template import Ending, PromptError

ALPHANUMERICS = string.ascii_letters + string.digits


async def plan_chat(
    request: ChatRequest, loaded: LoadedModel, acceptance: Acceptance, adapter: str | None = None
) -> tuple[GenerationPlan, OutputPlan]:
    """The plan that the engine is given for a valid request, and what the model can do of what it asks of its answers.

    adapter: the name of the one that answers, None for the model itself.
    Raises APIError 422, and 429 where too many grammars are being compiled.
    """
    body, text = request.body, request.json_body.take_text()
    names = function_names(body, loaded.format)
    tokens = await in_prompt_thread(encode_prompt, request, names, loaded.tokenizer)
    prefill = await in_prompt_thread(prefill_of, request, names, tokens, loaded.tokenizer)
    asked = await in_prompt_thread(output_request, request, names, text)
    del text  # it may be large, and compiling may take long
    output = plan_output(asked, loaded, tokens if prefill is None else prefill.start)
    context, clamp = loaded.engine.context_length, acceptance.clamp_max_tokens
    budget = partial(token_budget, request, context_length=context, clamp=clamp)
    prompt = Prompt(tuple(tokens))
    if media_parts(request):
        encode = partial(encode_prompt, request, names, loaded.tokenizer, None)
        prompt = await media_prompt(request, loaded, encode, budget)
    constraint = await ConstraintBuilder(output, loaded.compiler, current_client()).build()
    functions = [tool.function for tool in body.tools or []] if output.calls else []
    markers = output.format.markers(calls=output.calls)
    written = "" if prefill is None else prefill.text(loaded.tokenizer, markers)
    parser = partial(
        OutputParser,
        output.format,
        {names.written(function.name): function.parameters or NO_PARAMETERS for function in functions},
        opened=output.opened,
        split=output.split,
        enforced=output.enforces_calls,
        only_calls=output.calls and output.tool_use.required,
        names=names.told,
        written=written,
        new_id=call_id,
    )
    max_tokens = budget(len(prompt))
    plan = GenerationPlan(
        prompt=prompt,
        sampling=sampling_params(
            body,
            max_tokens=max_tokens,
            end_tokens=loaded.tokenizer.end_tokens,
            defaults=loaded.sampling_defaults,
        ),
        seeds=choice_seeds(body),
        parser=parser,
        constraint=constraint,
        is_whole=is_whole(constraint, loaded.tokenizer, written) if output.form and constraint else None,
        prefill=None if prefill is None else prefill.with_markers(loaded.tokenizer, markers),
        begun=content_of(written, parser(written="")),
        reasoning_limit=reasoning_limit(output, loaded.tokenizer),
        top_logprobs=(body.top_logprobs or 0) if body.logprobs else None,
        stop=tuple(body.stop or ()),
        markers=markers,
        include_reasoning=body.include_reasoning is not False,
        client=current_client(),
        namespace=current_cache_namespace(),
        adapter=adapter,
    )
    return plan, output


def is_whole(constraint: OutputConstraint, tokenizer: ChatTokenizer, written: str) -> Callable[[str], bool]:
    """Whether a text, control tokens shown in it, behind what is written before it is all that the constraint asks for.

    Its grammar must be compiled.
    """
    return lambda text: constraint.grammar.accepts(tokenizer.spell(written + text))


def content_of(text: str, parser: OutputParser) -> str:
    """What of the text is content."""
    segments = [*(parser.feed(text) if text else []), *parser.finish()]
    return "".join(segment.text for segment in segments if isinstance(segment, Content))


def encode_prompt(
    request: ChatRequest,
    names: FunctionNames,
    tokenizer: ChatTokenizer,
    answered: int | None = None,
    media: Sequence[ShownMedium] = (),
) -> list[int]:
    """Token ids of the prompt that the request's messages and tools make, with functions under their `names`.

    answered: only so many messages, and what begins an answer to them. media: what stands for those of the messages.
    Raises APIError 422 where the model's template refuses them.
    """
    body = request.body
    hidden = body.tool_choice == "none" or not body.tools
    messages = body.messages[:answered]
    try:
        return tokenizer.encode_chat(
            [_message({"content": None, **message.model_dump(exclude_none=True)}, names) for message in messages],
            tools=None if hidden else [_definition(tool, names) for tool in body.tools or []],
            template_kwargs=body.chat_template_kwargs or {},
            reasoning_effort=body.reasoning_effort,
            ending=_ending(body, tokenizer) if answered is None else "answer",
            media=media,
        )
    except PromptError as error:
        raise _refusal(error, request) from error


def _refusal(error: PromptError, request: ChatRequest) -> APIError:
    """422 for messages that make no prompt; what is said of a field may begin with its path."""
    if error.param is None:
        return invalid(error.message)
    param, rest = request.told(error.param), error.message.removeprefix(error.param)
    return invalid(error.message if rest == error.message else param + rest, param)


def prefill_of(
    request: ChatRequest, names: FunctionNames, prompt: list[int], tokenizer: ChatTokenizer
) -> Prefill | None:
    """What of the prompt begins the answer, where the request has its last message continued."""
    body = request.body
    if not body.continue_final_message:
        return None
    last = len(body.messages) - 1
    message = body.messages[last]
    try:
        fresh = encode_prompt(request, names, tokenizer, answered=last)
    except APIError:  # as where there is no other message
        fresh = []
    field = _ending(body, tokenizer)
    param = request.told(f"messages.{last}.{field}")
    return find_prefill(prompt, fresh, getattr(message, field) or "", tokenizer, param)


def function_names(body: ContainerChatCompletionBody, format: Format) -> FunctionNames:
    """What the model is shown as names of the functions that the body's tools and messages name."""
    tools = [tool.function.name for tool in body.tools or []]
    messages = (message for message in body.messages if isinstance(message, AssistantMessage))
    return FunctionNames(
        format, [*tools, *(call.function.name for message in messages for call in message.tool_calls or [])]
    )


def _ending(body: ContainerChatCompletionBody, tokenizer: ChatTokenizer) -> Ending:
    """What the prompt ends with; of a message without content it is the reasoning that is continued."""
    if not body.continue_final_message:
        return "turn" if body.add_generation_prompt is False else "answer"
    last = body.messages[-1]
    reasons = isinstance(last, AssistantMessage) and not last.content and last.reasoning_content
    return "reasoning_content" if reasons and tokenizer.template_shows("assistant", "reasoning_content") else "content"


def _message(message: dict[str, Any], names: FunctionNames) -> dict[str, Any]:
    """A message with functions under the names that the model knows."""
    renamed: dict[str, Any] = (
        {"name": names.written(message["name"])} if message["role"] == "tool" and "name" in message else {}
    )
    if "tool_calls" in message:
        renamed["tool_calls"] = [
            {**call, "function": {**call["function"], "name": names.written(call["function"]["name"])}}
            for call in message["tool_calls"]
        ]
    return message | renamed


def _definition(tool: Tool, names: FunctionNames) -> dict[str, Any]:
    """For the template: without nulls, and with the parameters that a function without any has."""
    function = {"parameters": NO_PARAMETERS, **tool.function.model_dump(exclude_none=True)}
    return {**tool.model_dump(exclude_none=True), "function": {**function, "name": names.written(tool.function.name)}}


def call_id(_: int) -> str:
    """A random id of a tool call, as Friendli's own are: call_ and 24 letters and digits. Its index is not used."""
    return "call_" + "".join(secrets.choice(ALPHANUMERICS) for _ in range(24))
