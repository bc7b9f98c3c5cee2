"""A plan in the engine: submitted, held to its deadline, counted, and read as deltas."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

from backend import QueueFull, Request
from handlers.generation.check import checked
from handlers.generation.deltas import ChoiceDecoder, Delta, decode
from handlers.generation.monitor import Monitor
from handlers.generation.plan import GenerationPlan
from handlers.http.deadline import Deadline
from handlers.http.errors import invalid, too_many
from handlers.metrics.request import RequestMetrics
from handlers.service import ChatTokenizer, Engine, Generation, LoadedModel


@dataclass(frozen=True)
class RunningGeneration:
    """A plan that the engine has accepted and works on.

    deltas: of all choices, as they come; they raise APIError 504 at the deadline. aclose: frees what the request holds,
    and must be awaited however the deltas end, also where none were read.
    """

    deltas: AsyncIterator[Delta]
    aclose: Callable[[], Awaitable[None]]


async def start(
    plan: GenerationPlan, loaded: LoadedModel, request_metrics: RequestMetrics, deadline: Deadline
) -> RunningGeneration:
    """Gives the plan to the engine; returns its deltas once its constraint is compiled.

    Raises APIError 429 where the queue is full, 422 where the constraint cannot be compiled, 504 at the deadline.
    """
    async with deadline.enforced():
        generation = await submit(plan, loaded.engine)
    request_metrics.accepted(len(plan.prompt))
    monitor = Monitor(plan, generation, request_metrics, deadline)
    deltas = decode(generation, decoders(plan, loaded.tokenizer))
    if plan.constraint is not None:
        deltas = checked(deltas, plan.constraint.check, plan.begun)
    return RunningGeneration(monitor.deltas(deltas), monitor.aclose)


async def submit(plan: GenerationPlan, engine: Engine) -> Generation:
    """Queues the plan's request, then waits for its grammar, which is compiled while the prompt is computed.

    Raises APIError 429 where the queue is full, 422 where the grammar cannot be compiled or does not allow what the
    answer begins with.
    """
    request = plan.request()
    try:
        generation = engine.submit(request)
    except QueueFull as error:
        message = "the server has as many requests as it can queue, of all clients or of this one"
        raise too_many(message, "queue_full", error.retry_after) from error
    if plan.constraint is not None:
        try:
            await plan.constraint.ready()
            await check_prefill(plan, engine, request)
        except BaseException:
            await generation.aclose()
            raise
    return generation


async def check_prefill(plan: GenerationPlan, engine: Engine, request: Request) -> None:
    """Raises APIError 422 where what the answer begins with is not how an answer can begin by its constraint."""
    if plan.prefill is not None and not await asyncio.to_thread(engine.allows, request):
        param = plan.prefill.param
        message = f"{param} is not the beginning of any answer of the form that was asked for; mend it or leave it out"
        raise invalid(message, param)


def decoders(plan: GenerationPlan, tokenizer: ChatTokenizer) -> list[ChoiceDecoder]:
    """A decoder of deltas for each choice of the plan, in order."""
    return [
        ChoiceDecoder(
            i,
            tokenizer.detokenizer(plan.prompt.tokens, plan.stop, plan.markers, plan.sampling.min_tokens),
            tokenizer,
            plan.parser(),
            logprobs=plan.top_logprobs is not None,
            include_reasoning=plan.include_reasoning,
            is_whole=plan.is_whole,
        )
        for i in range(len(plan.seeds))
    ]
