"""POST /v1/chat/completions, from the validated body to the answer."""

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any

import orjson
from connexion.context import receive
from pydantic import ValidationError
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from backend.request import Grammar, QueueFull, Request
from generated.models import ContainerChatCompletionBody
from handlers.completion import Completion
from handlers.constraint import compiled, request_grammar
from handlers.deadline import Deadline
from handlers.deltas import ChoiceDecoder, decode
from handlers.errors import APIError, invalid
from handlers.ignored import ignored_header
from handlers.limits import check_request, token_budget
from handlers.metrics.tally import Tally
from handlers.sampling import choice_seeds, sampling_params
from handlers.service import ChatTokenizer, Engine, Generation, Loaded, current_service
from handlers.sse import EventStream
from handlers.template import PromptError
from handlers.validation import request_body, take_raw_body
from handlers.watch import Watch


async def complete_chat() -> Response:
    """Answers with one JSON object, or with a stream of events where `stream` is true.

    From here on the request's time runs, and it is counted once it is in order.
    """
    service, value = current_service(), request_body()
    loaded, body = service.loaded, read_body(value)
    model = service.resolve_model(body.model)
    check_request(body, loaded.engine)
    headers = ignored_header(value, body, loaded.tokenizer)
    deadline = Deadline(service.request_timeout)
    with service.metrics.tally(body.n or 1) as tally:
        response = await while_connected(answer(body, model, loaded, tally, deadline))
    response.headers.update(headers)
    return response


async def answer(
    body: ContainerChatCompletionBody, model: str, loaded: Loaded, tally: Tally, deadline: Deadline
) -> Response:
    """The whole answer, or the stream of it that is about to begin. Raises APIError, 504 at the deadline."""
    async with deadline.enforced():
        request = await prepare(body, loaded)
        generation = await submit(loaded.engine, request, body)
    tally.accepted(len(request.prompt))
    watch = Watch(request, generation, tally, deadline)
    deltas = watch.deltas(decode(generation, decoders(body, request.prompt, loaded.tokenizer)))
    completion = describe(body, model, request)
    if body.stream:
        return EventStream(completion.chunks(deltas), watch.aclose, {})
    try:
        result = await completion.result(deltas)
    finally:
        await watch.aclose()
    return Response(orjson.dumps(result), media_type="application/json")


async def prepare(body: ContainerChatCompletionBody, loaded: Loaded) -> Request:
    """What the engine is asked for; raises APIError 422, and 429 where too many grammars are being compiled."""
    grammar = await request_grammar(body, take_raw_body(), loaded.compiler)
    prompt = await asyncio.to_thread(encode_prompt, body, loaded.tokenizer)
    return engine_request(body, prompt, loaded, grammar)


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


def engine_request(
    body: ContainerChatCompletionBody, prompt: Sequence[int], loaded: Loaded, grammar: Grammar | None
) -> Request:
    """The prompt with the parameters; raises APIError 422 where it leaves too little room for an answer."""
    max_tokens = token_budget(body, len(prompt), loaded.engine.context_length)
    return Request(
        prompt=tuple(prompt),
        sampling=sampling_params(body, max_tokens=max_tokens, end_tokens=loaded.tokenizer.end_tokens),
        seeds=choice_seeds(body),
        top_logprobs=(body.top_logprobs or 0) if body.logprobs else None,
        grammar=grammar,
    )


def describe(body: ContainerChatCompletionBody, model: str, request: Request) -> Completion:
    """What the answers to this request repeat."""
    options = body.stream_options
    return Completion(
        model=model,
        prompt_tokens=len(request.prompt),
        seeds=request.seeds,
        logprobs=bool(body.logprobs),
        include_usage=options is not None and bool(options.include_usage),
    )


def decoders(body: ContainerChatCompletionBody, prompt: Sequence[int], tokenizer: ChatTokenizer) -> list[ChoiceDecoder]:
    """One per choice."""
    return [
        ChoiceDecoder(i, tokenizer.text_stream(prompt, body.stop or []), tokenizer, logprobs=bool(body.logprobs))
        for i in range(body.n or 1)
    ]


async def submit(engine: Engine, request: Request, body: ContainerChatCompletionBody) -> Generation:
    """Queues the request, then waits for its grammar: compiling takes the time in which the prompt is read.

    Raises APIError 429 where the queue is full, 422 where there is no grammar for what the body asks.
    """
    try:
        generation = engine.submit(request)
    except QueueFull as error:
        message = "the server has as many requests as it can queue; try again in a second"
        raise APIError(429, message, code="queue_full", headers={"Retry-After": "1"}) from error
    if request.grammar is not None:
        try:
            await compiled(body, request.grammar)
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
