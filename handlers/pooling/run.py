"""The inputs of a request in the engine: each a request of its own there, batched with those of everybody."""

from collections import deque
from collections.abc import Sequence

import numpy as np

from backend import Admission, Prompt, QueueFull, Request, SamplingParams, UnknownAdapter
from handlers.generation.monitor import close_all
from handlers.http.client import current_cache_namespace, current_client
from handlers.http.errors import APIError, too_many
from handlers.loaded import Generation, PoolingModel
from handlers.metrics.request import RequestMetrics, failure_of
from handlers.tracing import current_trace

SHARE = 4
"""A request has at most one in so many of the places that its client may have at once: others come between."""
NOTHING_DRAWN = SamplingParams(max_tokens=0, end_tokens=())


async def pool(
    prompts: Sequence[tuple[int, ...]], adapter: str | None, model: PoolingModel, request_metrics: RequestMetrics
) -> list[np.ndarray]:
    """What the engine pools each prompt to, in order.

    Raises APIError 429 where the queue is full, 404 where the adapter is gone.
    """
    trace = current_trace.get().generation({"gen_ai.usage.input_tokens": sum(map(len, prompts))})
    run = _Run(prompts, adapter, model, request_metrics)
    try:
        vectors = await run.vectors()
    except BaseException as error:
        trace.ended(0, (), failure_of(error) or "invalid")
        raise
    finally:
        await close_all(run.open)
    if run.admission is not None:
        trace.started(run.admission.queued_seconds, run.admission.cached_tokens)
    trace.ended(0, ("stop",))
    request_metrics.answered(())
    return vectors


class _Run:
    """The prompts of one request on their way; `open` has those that the engine works on."""

    def __init__(
        self,
        prompts: Sequence[tuple[int, ...]],
        adapter: str | None,
        model: PoolingModel,
        request_metrics: RequestMetrics,
    ) -> None:
        self._prompts, self._adapter, self._model, self._metrics = prompts, adapter, model, request_metrics
        self._client, self._namespace = current_client(), current_cache_namespace()
        self._most = max(1, model.engine.max_choices_together // SHARE)
        self.open: deque[Generation] = deque()
        self.admission: Admission | None = None
        self._found: list[np.ndarray] = []

    async def vectors(self) -> list[np.ndarray]:
        """Of each prompt, in order: the engine takes them up in the order in which they come."""
        for prompt in self._prompts:
            if len(self.open) == self._most:
                await self._take()
            await self._submit(prompt)
        while self.open:
            await self._take()
        return self._found

    async def _submit(self, prompt: tuple[int, ...]) -> None:
        """Queues a prompt, where there is no place behind those of the same request."""
        request = Request(
            Prompt(prompt), NOTHING_DRAWN, (0,),
            pooled=True, client=self._client, namespace=self._namespace, adapter=self._adapter,
        )  # fmt: skip
        while True:
            try:
                self.open.append(self._model.engine.submit(request))
                self._metrics.accepted(len(prompt))
                return
            except QueueFull as error:
                if not self.open:
                    message = "the server has as many requests as it can queue, of all clients or of this one"
                    raise too_many(message, "queue_full", error.retry_after) from error
                await self._take()
            except UnknownAdapter as error:  # since the request was checked
                message = f"the adapter {error.args[0]!r} has just been unloaded"
                raise APIError(404, message, param="model", code="model_not_found") from error

    async def _take(self) -> None:
        """Waits for the first of those that are open."""
        generation = self.open[0]
        async for _ in generation:
            pass
        assert generation.pooled is not None and generation.admission is not None
        if self.admission is None:
            self.admission = generation.admission
            self._metrics.started(generation.admission, len(self._prompts[0]))
        self._found.append(generation.pooled)
        self.open.popleft()
