"""A request in the engine, watched until it ends: it is counted, held to its deadline, and closed once."""

from collections.abc import AsyncIterator

from handlers.generation.deltas import Delta
from handlers.generation.plan import GenerationPlan
from handlers.http.deadline import Deadline
from handlers.metrics.request import RequestMetrics, failure_of
from handlers.service import Generation


class Monitor:
    """Counts one generation, holds it to its deadline and closes it once.

    The deadline ends it also while nobody reads its deltas, as with a client that stalls.
    """

    def __init__(
        self, plan: GenerationPlan, generation: Generation, request_metrics: RequestMetrics, deadline: Deadline
    ) -> None:
        self._plan, self._generation = plan, generation
        self._metrics, self._deadline = request_metrics, deadline
        self._stop_clock = deadline.call(self._expire)

    async def deltas(self, deltas: AsyncIterator[Delta]) -> AsyncIterator[Delta]:
        """Passes on the deltas of this generation while it counts them; raises APIError 504 at the deadline."""
        tokens, started = [0] * len(self._plan.seeds), False
        try:
            async for delta in self._deadline.each(deltas):
                if not started:
                    started = True
                    self._start()
                tokens[delta.choice] += delta.tokens
                yield delta
        except Exception as error:
            self._metrics.failed(failure_of(error))
            raise
        self._metrics.answered(tokens)

    async def aclose(self) -> None:
        """Frees what the request holds in the engine; if its answer is not complete, it is counted as cancelled."""
        self._stop_clock()
        self._metrics.failed("cancel")
        await self._generation.aclose()

    def _start(self) -> None:
        admission = self._generation.admission
        assert admission is not None, "a delta came before its request was admitted"
        self._metrics.started(admission, len(self._plan.prompt))

    def _expire(self) -> None:
        self._metrics.failed("timeout")
        for choice in range(len(self._plan.seeds)):
            self._generation.cancel(choice)
