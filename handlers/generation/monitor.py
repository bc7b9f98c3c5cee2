"""A request in the engine, watched until it ends: it is counted, held to its deadline, and closed once."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack

from handlers.generation.deltas import Delta
from handlers.generation.plan import GenerationPlan
from handlers.http.deadline import Deadline
from handlers.loaded import Generation
from handlers.metrics.instruments import Failure
from handlers.metrics.request import RequestMetrics, failure_of
from handlers.tracing import GenerationTrace


class Monitor:
    """Counts and traces the generations of one request as one, holds them to its deadline and closes them once.

    The deadline ends them also while nobody reads their deltas, as with a client that stalls.

    plans, generations: one for each prompt; the choices of the first come first.
    """

    def __init__(
        self,
        plans: Sequence[GenerationPlan],
        generations: Sequence[Generation],
        request_metrics: RequestMetrics,
        deadline: Deadline,
        trace: GenerationTrace,
    ) -> None:
        self._plans, self._generations = plans, generations
        self._metrics, self._deadline, self._trace = request_metrics, deadline, trace
        self._prompt_of = [i for i, plan in enumerate(plans) for _ in plan.seeds]
        self._tokens, self._finish_reasons = [0] * len(self._prompt_of), [""] * len(self._prompt_of)
        self._stop_clock = deadline.call(self._expire)

    async def deltas(self, deltas: AsyncIterator[Delta]) -> AsyncIterator[Delta]:
        """Passes on the deltas of all generations while it counts them; raises APIError 504 at the deadline."""
        started = False
        try:
            async for delta in self._deadline.each(deltas):
                if not started:
                    started = True
                    self._start(self._prompt_of[delta.choice])
                self._tokens[delta.choice] += delta.tokens
                self._finish_reasons[delta.choice] = delta.finish_reason or ""
                yield delta
        except Exception as error:
            self._fail(failure_of(error))
            raise
        self._metrics.answered(self._tokens)
        self._end_trace(None)

    async def aclose(self) -> None:
        """Frees what the request holds in the engine; if its answer is not complete, it is counted as cancelled."""
        self._stop_clock()
        self._fail("cancel")
        await close_all(self._generations)

    def _start(self, prompt: int) -> None:
        admission = self._generations[prompt].admission
        assert admission is not None, "a delta came before its request was admitted"
        self._metrics.started(admission, len(self._plans[prompt].prompt))
        self._trace.started(admission.queued_seconds, admission.cached_tokens)

    def _fail(self, failure: Failure | None) -> None:
        self._metrics.failed(failure)
        self._end_trace(failure or "error")

    def _end_trace(self, failure: str | None) -> None:
        self._trace.ended(sum(self._tokens), list(filter(None, self._finish_reasons)), failure)

    def _expire(self) -> None:
        self._fail("timeout")
        for plan, generation in zip(self._plans, self._generations, strict=True):
            for choice in range(len(plan.seeds)):
                generation.cancel(choice)


async def close_all(generations: Sequence[Generation]) -> None:
    """Frees what generations hold in the engine: each of them, also where the caller is cancelled meanwhile."""
    async with AsyncExitStack() as stack:
        for generation in generations:
            stack.push_async_callback(generation.aclose)
