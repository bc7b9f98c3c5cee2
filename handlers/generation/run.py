"""A plan in the engine: submitted, held to its deadline, counted, and read as deltas."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate

from backend import QueueFull, Request, UnknownAdapter
from handlers.generation.check import checked
from handlers.generation.deltas import ChoiceDecoder, Delta, decode
from handlers.generation.interleave import interleaved
from handlers.generation.monitor import Monitor, close_all
from handlers.generation.plan import GenerationPlan
from handlers.http.deadline import Deadline
from handlers.http.errors import APIError, invalid, too_many
from handlers.loaded import ChatTokenizer, Engine, Generation, LoadedModel
from handlers.metrics.request import RequestMetrics, failure_of
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
    """`start_all` of the one plan that a request with one prompt is."""
    return await start_all((plan,), loaded, request_metrics, deadline)


async def start_all(
    plans: Sequence[GenerationPlan], loaded: LoadedModel, request_metrics: RequestMetrics, deadline: Deadline
) -> RunningGeneration:
    """Gives the plans of a request to the engine, one for each prompt; returns their deltas once they are constrained.

    In the deltas the choices of all plans are counted through. Raises APIError 429 where the queue is full, 422 where a
    constraint cannot be compiled, 504 at the deadline.
    """
    trace = current_trace.get().generation(traced_attributes(plans))
    try:
        async with deadline.enforced():
            generations = await submit(plans, loaded.engine)
    except BaseException as error:
        trace.ended(0, (), failure_of(error) or "invalid")
        raise
    for plan in plans:
        request_metrics.accepted(len(plan.prompt))
    monitor = Monitor(plans, generations, request_metrics, deadline, trace)
    firsts = accumulate((len(plan.seeds) for plan in plans), initial=0)
    deltas = [
        _deltas(plan, generation, loaded.tokenizer, first)
        for plan, generation, first in zip(plans, generations, firsts, strict=False)
    ]
    return RunningGeneration(monitor.deltas(deltas[0] if len(deltas) == 1 else interleaved(deltas)), monitor.aclose)


def _deltas(
    plan: GenerationPlan, generation: Generation, tokenizer: ChatTokenizer, first: int
) -> AsyncGenerator[Delta, None]:
    """Those of one plan. first: what its first choice is called."""
    deltas = decode(generation, decoders(plan, tokenizer, first), draws=plan.sampling.max_tokens > 0)
    return deltas if plan.constraint is None else checked(deltas, plan.constraint.check, plan.begun)


def traced_attributes(plans: Sequence[GenerationPlan]) -> dict[str, str | int | float]:
    """What a trace tells of a request, under the names of OpenTelemetry's conventions for generative AI; no text."""
    plan, sampling = plans[0], plans[0].sampling
    return {
        "gen_ai.output.type": "text" if plan.is_whole is None else "json",
        "gen_ai.request.choice.count": sum(len(plan.seeds) for plan in plans),
        "gen_ai.request.max_tokens": sampling.max_tokens,
        "gen_ai.request.temperature": sampling.temperature,
        "gen_ai.request.top_p": sampling.top_p,
        "gen_ai.request.top_k": sampling.top_k,
        "gen_ai.request.frequency_penalty": sampling.frequency_penalty,
        "gen_ai.request.presence_penalty": sampling.presence_penalty,
        "gen_ai.request.seed": plan.seeds[0],
        "gen_ai.usage.input_tokens": sum(len(plan.prompt) for plan in plans),
    }


async def submit(plans: Sequence[GenerationPlan], engine: Engine) -> list[Generation]:
    """Queues the requests of plans, then waits for their grammars, which are compiled while prompts are computed.

    Raises APIError 404 where the adapter is gone, 429 where the queue is full, 422 where a grammar cannot be compiled
    or does not allow what the answer begins with; then none of them is left in the engine.
    """
    requests, generations = [plan.request() for plan in plans], list[Generation]()
    try:
        for request in requests:
            generations.append(engine.submit(request))
        for constraint in {id(plan.constraint): plan.constraint for plan in plans}.values():
            if constraint is not None:
                await constraint.ready()
        for plan, request in zip(plans, requests, strict=True):
            await check_prefill(plan, engine, request)
    except QueueFull as error:
        await close_all(generations)
        message = "the server has as many requests as it can queue, of all clients or of this one"
        raise too_many(message, "queue_full", error.retry_after) from error
    except UnknownAdapter as error:  # since the request was checked
        await close_all(generations)
        message = f"the adapter {error.args[0]!r} has just been unloaded"
        raise APIError(404, message, param="model", code="model_not_found") from error
    except BaseException:
        await close_all(generations)
        raise
    return generations


async def check_prefill(plan: GenerationPlan, engine: Engine, request: Request) -> None:
    """Raises APIError 422 where what the answer begins with is not how an answer can begin by its constraint."""
    if plan.constraint and plan.prefill and not await asyncio.to_thread(engine.allows, request):
        param = plan.prefill.param
        message = f"{param} is not the beginning of any answer of the form that was asked for; mend it or leave it out"
        raise invalid(message, param)


def decoders(plan: GenerationPlan, tokenizer: ChatTokenizer, first: int = 0) -> list[ChoiceDecoder]:
    """A decoder of deltas for each choice of the plan, in order. first: what the first is called."""
    return [
        ChoiceDecoder(
            first + i,
            tokenizer.detokenizer(
                plan.prompt.tokens, plan.stop, plan.markers, plan.sampling.min_tokens, plan.stop_tokens
            ),
            tokenizer,
            plan.parser(),
            logprobs=plan.top_logprobs is not None,
            every_token=plan.every_token,
            include_reasoning=plan.include_reasoning,
            is_whole=plan.is_whole,
        )
        for i in range(len(plan.seeds))
    ]
