"""POST /v1/chat/completions, from the validated body to the answer."""

import asyncio
from dataclasses import dataclass
from typing import Any

import orjson
from pydantic import ValidationError
from starlette.responses import Response

from generated.models import ContainerChatCompletionBody
from handlers.chat.completion import Completion
from handlers.chat.ignored import ignored_header, ignored_parameters
from handlers.chat.limits import check_request
from handlers.chat.plan import plan_chat
from handlers.generation.output import OutputPlan
from handlers.generation.plan import GenerationPlan
from handlers.generation.run import start
from handlers.http.connection import while_connected
from handlers.http.deadline import Deadline
from handlers.http.errors import invalid
from handlers.http.sse import EventStream
from handlers.http.validation import JSONBody
from handlers.metrics.request import RequestMetrics
from handlers.service import LoadedModel, current_service


async def complete_chat(json_body: JSONBody) -> Response:
    """Handles POST /v1/chat/completions: one JSON object, or a stream of events where `stream` is true.

    From here on the request's time runs, and it is counted once it is in order.
    """
    service = current_service()
    loaded, body = service.loaded, read_body(json_body.value)
    model = service.resolve_model(body.model)
    check_request(body, loaded)
    deadline = Deadline(service.request_timeout)
    with service.metrics.request(body.n or 1) as request_metrics:
        chat = Chat(json_body, body, model, loaded)
        return await while_connected(answer(chat, request_metrics, deadline))


@dataclass(frozen=True)
class Chat:
    """A request that is being answered. json_body: as it came, body: the same as a model, which is valid."""

    json_body: JSONBody
    body: ContainerChatCompletionBody
    model: str
    loaded: LoadedModel


async def answer(chat: Chat, request_metrics: RequestMetrics, deadline: Deadline) -> Response:
    """The whole answer, or the stream of it that is about to begin. Raises APIError, 504 at the deadline."""
    async with deadline.enforced():
        plan, output = await plan_chat(chat.body, chat.json_body.take_text(), chat.loaded)
        value = chat.json_body.value
        ignored = await asyncio.to_thread(ignored_parameters, value, chat.body, chat.loaded, output)
    running = await start(plan, chat.loaded, request_metrics, deadline)
    unenforced = () if plan.constraint is None else plan.constraint.unenforced
    headers = ignored_header([*ignored, *unenforced])
    completion = describe(chat, plan, output)
    if chat.body.stream:
        return EventStream(completion.chunks(running.deltas), running.aclose, headers)
    try:
        result = await completion.result(running.deltas)
    finally:
        await running.aclose()
    return Response(orjson.dumps(result), headers=headers, media_type="application/json")


def read_body(value: dict[str, Any]) -> ContainerChatCompletionBody:
    """The schema-valid body as the generated model, in which null and absence are one; raises APIError 422."""
    try:
        return ContainerChatCompletionBody.model_validate(value)
    except ValidationError as error:
        # The schema takes any integral number, such as 1e300, as an integer; the model only what is one in practice.
        first = error.errors(include_url=False, include_input=False)[0]
        param = str(first["loc"][0])
        raise invalid(f"{param}: {first['msg']}", param) from error


def describe(chat: Chat, plan: GenerationPlan, output: OutputPlan) -> Completion:
    """The completion that makes answers to `chat` of its deltas."""
    options = chat.body.stream_options
    return Completion(
        model=chat.model,
        prompt_tokens=len(plan.prompt),
        seeds=plan.seeds,
        logprobs=bool(chat.body.logprobs),
        include_usage=options is not None and bool(options.include_usage),
        reasoning=output.split,
    )
