"""POST /v1/chat/completions, from the validated body to the answer."""

import asyncio
import secrets
import string
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from connexion.context import receive
from pydantic import ValidationError
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from backend.grammar import MAX_CLOSING_TOKENS, Grammar
from backend.request import Prompt, QueueFull, ReasoningLimit, Request
from generated.models import ContainerChatCompletionBody
from handlers.chat.answering import Answering, answering
from handlers.chat.completion import Completion
from handlers.chat.constraint import Constraints
from handlers.chat.deltas import ChoiceDecoder, decode
from handlers.chat.ignored import ignored_header
from handlers.chat.limits import check_request, token_budget
from handlers.chat.sampling import choice_seeds, sampling_params
from handlers.chat.watch import Watch
from handlers.formats.reader import Reader
from handlers.http.deadline import Deadline
from handlers.http.errors import APIError, invalid
from handlers.http.sse import EventStream
from handlers.http.validation import request_body, take_raw_body
from handlers.metrics.tally import Tally
from handlers.service import ChatTokenizer, Engine, Generation, Loaded, current_service
from handlers.text.template import PromptError

ALPHANUMERICS = string.ascii_letters + string.digits


async def complete_chat() -> Response:
    """Answers with one JSON object, or with a stream of events where `stream` is true.

    From here on the request's time runs, and it is counted once it is in order.
    """
    service, value = current_service(), request_body()
    loaded, body = service.loaded, read_body(value)
    model = service.resolve_model(body.model)
    check_request(body, loaded)
    deadline = Deadline(service.request_timeout)
    with service.metrics.tally(body.n or 1) as tally:
        chat = Chat(value, body, model, loaded)
        return await while_connected(answer(chat, tally, deadline))


@dataclass(frozen=True)
class Chat:
    """A request that is being answered. value: its body as it came, body: the same as a model, which is valid."""

    value: dict[str, Any]
    body: ContainerChatCompletionBody
    model: str
    loaded: Loaded


@dataclass(frozen=True)
class Prepared:
    """What the engine is asked for, and how what it gives is read. relaxed: see `Wish`."""

    request: Request
    answering: Answering
    constraints: Constraints
    relaxed: tuple[str, ...]


async def answer(chat: Chat, tally: Tally, deadline: Deadline) -> Response:
    """The whole answer, or the stream of it that is about to begin. Raises APIError, 504 at the deadline."""
    async with deadline.enforced():
        prepared = await prepare(chat)
        generation = await submit(chat.loaded.engine, prepared)
    request = prepared.request
    tally.accepted(len(request.prompt))
    watch = Watch(request, generation, tally, deadline)
    deltas = watch.deltas(decode(generation, decoders(chat, prepared)))
    completion = describe(chat, prepared)
    headers = ignored_header(chat.value, chat.body, chat.loaded, prepared.answering, prepared.relaxed)
    if chat.body.stream:
        return EventStream(completion.chunks(deltas), watch.aclose, headers)
    try:
        result = await completion.result(deltas)
    finally:
        await watch.aclose()
    return Response(orjson.dumps(result), headers=headers, media_type="application/json")


async def prepare(chat: Chat) -> Prepared:
    """What the engine is asked for; raises APIError 422, and 429 where too many grammars are being compiled."""
    body, loaded, raw = chat.body, chat.loaded, take_raw_body()
    prompt = await asyncio.to_thread(encode_prompt, body, loaded.tokenizer)
    wanted = answering(body, loaded, prompt)
    constraints = Constraints(body, raw, wanted, loaded.compiler)
    grammar, relaxed = await constraints.grammar()
    limit = reasoning_limit(wanted, loaded.tokenizer)
    return Prepared(engine_request(body, prompt, loaded, grammar, limit), wanted, constraints, relaxed)


def read_body(value: dict[str, Any]) -> ContainerChatCompletionBody:
    """The schema-valid body as the generated model, in which null and absence are one; raises APIError 422."""
    try:
        return ContainerChatCompletionBody.model_validate(value)
    except ValidationError as error:
        # The schema takes any integral number, such as 1e300, as an integer; the model only what is one in practice.
        first = error.errors(include_url=False, include_input=False)[0]
        param = str(first["loc"][0])
        raise invalid(f"{param}: {first['msg']}", param) from error


def encode_prompt(body: ContainerChatCompletionBody, tokenizer: ChatTokenizer) -> list[int]:
    """The prompt's token ids; raises APIError 422 where the model's template refuses the messages."""
    hidden = body.tool_choice == "none" or not body.tools
    try:
        return tokenizer.encode_chat(
            [{"content": None, **message.model_dump(exclude_none=True)} for message in body.messages],
            tools=None if hidden else [tool.model_dump(exclude_none=True) for tool in body.tools or []],
            template_kwargs=body.chat_template_kwargs or {},
            reasoning_effort=body.reasoning_effort,
        )
    except PromptError as error:
        raise invalid(error.message, error.param) from error


def reasoning_limit(wanted: Answering, tokenizer: ChatTokenizer) -> ReasoningLimit | None:
    """The budget, and the tokens that end reasoning; raises APIError 422 where it cannot be enforced."""
    reasoning = wanted.format.reasoning
    if wanted.budget is None or reasoning is None:
        return None
    try:
        closing = tokenizer.marker_tokens(reasoning.close)
        if len(closing) > MAX_CLOSING_TOKENS:
            raise ValueError(f"{reasoning.close!r} takes {len(closing)} tokens, more than {MAX_CLOSING_TOKENS}")
        return ReasoningLimit(wanted.budget, closing)
    except ValueError as error:
        message = f"reasoning_budget cannot be enforced with this model: {error}; leave it out"
        raise invalid(message, "reasoning_budget") from error


def engine_request(
    body: ContainerChatCompletionBody,
    prompt: Sequence[int],
    loaded: Loaded,
    grammar: Grammar | None,
    reasoning_limit: ReasoningLimit | None = None,
) -> Request:
    """The prompt with the parameters; raises APIError 422 where it leaves too little room for an answer."""
    max_tokens = token_budget(body, len(prompt), loaded.engine.context_length)
    return Request(
        prompt=Prompt(tuple(prompt)),
        sampling=sampling_params(body, max_tokens=max_tokens, end_tokens=loaded.tokenizer.end_tokens),
        seeds=choice_seeds(body),
        top_logprobs=(body.top_logprobs or 0) if body.logprobs else None,
        grammar=grammar,
        reasoning_limit=reasoning_limit,
    )


def describe(chat: Chat, prepared: Prepared) -> Completion:
    """What the answers to this request repeat."""
    options = chat.body.stream_options
    return Completion(
        model=chat.model,
        prompt_tokens=len(prepared.request.prompt),
        seeds=prepared.request.seeds,
        logprobs=bool(chat.body.logprobs),
        include_usage=options is not None and bool(options.include_usage),
        reasoning=prepared.answering.split,
    )


def decoders(chat: Chat, prepared: Prepared) -> list[ChoiceDecoder]:
    """One per choice."""
    body, wanted, tokenizer = chat.body, prepared.answering, chat.loaded.tokenizer
    tools = {tool.function.name: tool.function.parameters for tool in body.tools or []} if wanted.calls else {}
    markers = wanted.format.markers(calls=wanted.calls)
    return [
        ChoiceDecoder(
            i,
            tokenizer.text_stream(prepared.request.prompt.tokens, body.stop or [], markers),
            tokenizer,
            Reader(wanted.format, tools, opened=wanted.opened, split=wanted.split, new_id=call_id),
            logprobs=bool(body.logprobs),
            include_reasoning=body.include_reasoning is not False,
        )
        for i in range(body.n or 1)
    ]


def call_id(_: int) -> str:
    """A random one, as Friendli's own are: 24 letters and digits."""
    return "call_" + "".join(secrets.choice(ALPHANUMERICS) for _ in range(24))


async def submit(engine: Engine, prepared: Prepared) -> Generation:
    """Queues the request, then waits for its grammar: compiling takes the time in which the prompt is read.

    Raises APIError 429 where the queue is full, 422 where there is no grammar for what the body asks.
    """
    request = prepared.request
    try:
        generation = engine.submit(request)
    except QueueFull as error:
        message = "the server has as many requests as it can queue; try again in a second"
        raise APIError(429, message, code="queue_full", headers={"Retry-After": "1"}) from error
    if request.grammar is not None:
        try:
            await prepared.constraints.compiled(request.grammar)
        except BaseException:
            await generation.aclose()
            raise
    return generation


async def while_connected(work: Coroutine[Any, Any, Response]) -> Response:
    """The result of `work`; raises ClientDisconnect as soon as the client leaves, once `work` has been cancelled."""
    response, departure = asyncio.create_task(work), asyncio.create_task(_departure())
    try:
        await asyncio.wait({response, departure}, return_when=asyncio.FIRST_COMPLETED)
        if not response.done():
            raise ClientDisconnect()
        return response.result()
    finally:
        response.cancel()
        departure.cancel()
        await asyncio.wait({response, departure})


async def _departure() -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
