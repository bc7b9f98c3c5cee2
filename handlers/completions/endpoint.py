"""POST /v1/completions, from the validated body to the answer."""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from starlette.responses import Response

from generated.models import ContainerCompletionsBody
from handlers.chat.respond import answer
from handlers.chat.stream import Answer, begin_stream
from handlers.completions.completion import Completion
from handlers.completions.limits import check_request
from handlers.completions.plan import TokenizedPrompt, plan_completions
from handlers.completions.request import CompletionRequest, check_counts, read_request
from handlers.generation.plan import GenerationPlan
from handlers.generation.run import start_all
from handlers.http.connection import while_connected
from handlers.http.deadline import Deadline
from handlers.http.sse import UNNAMED_EVENTS
from handlers.http.validation import JSONBody
from handlers.loaded import LoadedModel
from handlers.metrics.request import RequestMetrics
from handlers.service import Acceptance, current_service
from handlers.tracing import current_trace


async def complete_text(json_body: JSONBody) -> Response:
    """Handles POST /v1/completions: one JSON object, or a stream of events where `stream` is true.

    From here on the request's time runs, and it is counted once it is in order.
    """
    service = current_service()
    loaded, acceptance = service.loaded, service.acceptance
    check_counts(json_body.value, loaded)
    request = await asyncio.to_thread(read_request, json_body, acceptance.strict)
    model, adapter = service.resolve_model(request.body.model)
    await asyncio.to_thread(check_request, request, loaded, acceptance.strict)
    deadline = Deadline(service.request_timeout)
    current_trace.get().describe("text_completion", model)
    with service.metrics.request(request.choices) as request_metrics:
        text = Text(request, model, adapter, loaded, acceptance, service.report_cached_tokens)
        beginning = begin(text, request_metrics, deadline)
        if not request.body.stream:
            return await while_connected(answer(beginning))
        return await while_connected(begin_stream(beginning, request_metrics, request.without_effect, UNNAMED_EVENTS))


@dataclass(frozen=True)
class Text:
    """A request whose prompts are being continued, by the model of that name, or by its adapter of that name."""

    request: CompletionRequest
    model: str
    adapter: str | None
    loaded: LoadedModel
    acceptance: Acceptance
    report_cached_tokens: bool


async def begin(text: Text, request_metrics: RequestMetrics, deadline: Deadline) -> Answer:
    """Has the engine begin the answer, once its grammar is compiled. Raises APIError, 504 at the deadline."""
    async with deadline.enforced():
        plans, prompts = await plan_completions(text.request, text.loaded, text.acceptance)
        plans = [replace(plan, adapter=text.adapter) for plan in plans]
    running = await start_all(plans, text.loaded, request_metrics, deadline)
    constraint = plans[0].constraint
    unenforced = () if constraint is None else constraint.unenforced
    ignored = (*text.request.without_effect(), *clamped(text.request.body, plans), *unenforced)
    return Answer(running, describe(text, plans, prompts), ignored)


def describe(text: Text, plans: Sequence[GenerationPlan], prompts: Sequence[TokenizedPrompt]) -> Completion:
    """The completion that makes the answer of its deltas."""
    body = text.request.body
    options = body.stream_options
    return Completion(
        model=text.model,
        tokenizer=text.loaded.tokenizer,
        prompts=prompts,
        seeds=tuple(seed for plan in plans for seed in plan.seeds),
        logprobs=body.logprobs is not None,
        include_usage=options is not None and bool(options.include_usage),
        echo=bool(body.echo),
        forced=None if body.forced_output_tokens is None else len(body.forced_output_tokens),
        cached_tokens=text.report_cached_tokens,
    )


def clamped(body: ContainerCompletionsBody, plans: Sequence[GenerationPlan]) -> Iterator[str]:
    """What asks for more tokens than an answer may have."""
    for plan in plans:
        most = plan.sampling.max_tokens
        if most == len(plan.sampling.forced):
            continue  # there is nothing to come behind what is forced
        if body.max_tokens is not None and body.max_tokens > most:
            yield "max_tokens"
        if body.max_total_tokens is not None and body.max_total_tokens > len(plan.prompt) + most:
            yield "max_total_tokens"
