"""From a request for an answer to a chat, in whatever API it was sent, to the answer in that API."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import orjson
from starlette.responses import Response

from handlers.chat.ignored import ignored_parameters
from handlers.chat.limits import check_request
from handlers.chat.plan import plan_chat
from handlers.chat.request import ChatRequest
from handlers.chat.size import check_text
from handlers.chat.stream import Answer, AnswerMaker, begin_stream
from handlers.generation.output import OutputPlan
from handlers.generation.plan import GenerationPlan
from handlers.generation.run import start
from handlers.http.connection import while_connected
from handlers.http.deadline import Deadline
from handlers.http.ignored import ignored_header
from handlers.http.sse import Framing
from handlers.http.threads import in_prompt_thread
from handlers.loaded import LoadedModel
from handlers.metrics.request import RequestMetrics
from handlers.service import Acceptance, current_service
from handlers.tracing import current_trace


@dataclass(frozen=True)
class Chat:
    """A request that is being answered, by the model of that name, or by its adapter of that name.

    describe: makes what makes its answer.
    """

    request: ChatRequest
    model: str
    adapter: str | None
    loaded: LoadedModel
    acceptance: Acceptance
    report_cached_tokens: bool
    describe: "Describe"


Describe = Callable[[Chat, GenerationPlan, OutputPlan], AnswerMaker]
"""Makes, for a chat and its plans, what turns deltas into answers of the API that was spoken."""


async def respond(request: ChatRequest, describe: Describe, framing: Framing) -> Response:
    """Answers a request: one JSON object, or a stream of events, with that framing, where `stream` is true.

    From here on the request's time runs, and it is counted once it is in order. Raises APIError.
    """
    service = current_service()
    loaded, acceptance = service.loaded, service.acceptance
    model, adapter = service.resolve_model(request.body.model)
    check_request(request, loaded, acceptance.strict)
    deadline = Deadline(service.request_timeout)
    with service.metrics.request(request.body.n or 1) as request_metrics:
        chat = Chat(request, model, adapter, loaded, acceptance, service.report_cached_tokens, describe)
        beginning = begin(chat, request_metrics, deadline)
        if not request.body.stream:
            return await while_connected(answer(beginning))
        return await while_connected(begin_stream(beginning, request_metrics, request.without_effect, framing))


async def begin(chat: Chat, request_metrics: RequestMetrics, deadline: Deadline) -> Answer:
    """Has the engine begin the answer, once its grammar is compiled. Raises APIError, 504 at the deadline."""
    async with deadline.enforced():
        await in_prompt_thread(check_text, chat.request, chat.loaded)
        plan, output = await plan_chat(chat.request, chat.loaded, chat.acceptance, chat.adapter)
        ignored = await asyncio.to_thread(ignored_parameters, chat.request, chat.loaded, output, plan)
    current_trace.get().describe("chat", chat.model)
    running = await start(plan, chat.loaded, request_metrics, deadline)
    unenforced = () if plan.constraint is None else plan.constraint.unenforced
    return Answer(running, chat.describe(chat, plan, output), (*ignored, *unenforced))


async def answer(beginning: Awaitable[Answer]) -> Response:
    """The whole answer. Raises APIError, 504 at the deadline."""
    begun = await beginning
    try:
        result = await begun.maker.result(begun.running.deltas)
    finally:
        await begun.running.aclose()
    return Response(orjson.dumps(result), headers=ignored_header(begun.ignored), media_type="application/json")
