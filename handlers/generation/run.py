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
from handlers.metrics.request import RequestMetrics, failure_of
from handlers.service import ChatTokenizer, Engine, Generation, LoadedModel
from handlers.tracing import current_trace


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
    trace = current_trace.get().generation(traced_attributes(plan))
    try:
        async with deadline.enforced():
            generation = await submit(plan, loaded.engine)
    except BaseException as error:
        trace.ended(0, (), failure_of(error) or "invalid")
        raise
    request_metrics.accepted(len(plan.prompt))
    monitor = Monitor(plan, generation, request_metrics, deadline, trace)
    deltas = decode(generation, decoders(plan, loaded.tokenizer))
    if plan.constraint is not None:
        deltas = checked(deltas, plan.constraint.check, plan.begun)
    return RunningGeneration(monitor.deltas(deltas), monitor.aclose)


def traced_attributes(plan: GenerationPlan) -> dict[str, str | int | float]:
    """What a trace tells of a plan, under the names of OpenTelemetry's conventions for generative AI; no text."""
    sampling = plan.sampling
    return {
        "gen_ai.output.type": "text" if plan.is_whole is None else "json",
        "gen_ai.request.choice.count": len(plan.seeds),
        "gen_ai.request.max_tokens": sampling.max_tokens,
        "gen_ai.request.temperature": sampling.temperature,
        "gen_ai.request.top_p": sampling.top_p,
        "gen_ai.request.top_k": sampling.top_k,
        "gen_ai.request.frequency_penalty": sampling.frequency_penalty,
        "gen_ai.request.presence_penalty": sampling.presence_penalty,
        "gen_ai.request.seed": plan.seeds[0],
        "gen_ai.usage.input_tokens": len(plan.prompt),
    }


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
