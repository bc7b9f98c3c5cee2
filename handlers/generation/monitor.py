"""A request in the engine, watched until it ends: it is counted, held to its deadline, and closed once."""

from collections.abc import AsyncIterator

from handlers.generation.deltas import Delta
from handlers.generation.plan import GenerationPlan
from handlers.http.deadline import Deadline
from handlers.metrics.instruments import Failure
from handlers.metrics.request import RequestMetrics, failure_of
from handlers.service import Generation
from handlers.tracing import GenerationTrace


class Monitor:
    """Counts and traces one generation, holds it to its deadline and closes it once.

    The deadline ends it also while nobody reads its deltas, as with a client that stalls.
    """

    def __init__(
        self,
        plan: GenerationPlan,
        generation: Generation,
        request_metrics: RequestMetrics,
        deadline: Deadline,
        trace: GenerationTrace,
    ) -> None:
        self._plan, self._generation = plan, generation
        self._metrics, self._deadline, self._trace = request_metrics, deadline, trace
        self._tokens, self._finish_reasons = [0] * len(plan.seeds), [""] * len(plan.seeds)
        self._stop_clock = deadline.call(self._expire)

    async def deltas(self, deltas: AsyncIterator[Delta]) -> AsyncIterator[Delta]:
        """Passes on the deltas of this generation while it counts them; raises APIError 504 at the deadline."""
        started = False
        try:
            async for delta in self._deadline.each(deltas):
                if not started:
                    started = True
                    self._start()
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
        await self._generation.aclose()

    def _start(self) -> None:
        admission = self._generation.admission
        assert admission is not None, "a delta came before its request was admitted"
        self._metrics.started(admission, len(self._plan.prompt))
        self._trace.started(admission.queued_seconds, admission.cached_tokens)

    def _fail(self, failure: Failure | None) -> None:
        self._metrics.failed(failure)
        self._end_trace(failure or "error")

    def _end_trace(self, failure: str | None) -> None:
        self._trace.ended(sum(self._tokens), list(filter(None, self._finish_reasons)), failure)

    def _expire(self) -> None:
        self._fail("timeout")
        for choice in range(len(self._plan.seeds)):
            self._generation.cancel(choice)
