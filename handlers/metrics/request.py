"""How one request is counted: once, under what became of it."""

import asyncio
import time
from collections.abc import Sequence
from types import TracebackType

from starlette.requests import ClientDisconnect

from backend import Admission
from handlers.http.deadline import TIMEOUT_CODE
from handlers.http.errors import APIError
from handlers.metrics.endpoints import current_endpoint
from handlers.metrics.instruments import Failure, RequestInstruments


class RequestMetrics:
    """Counts one request. Whatever is called, and in whatever order, it counts once as begun and once as ended.

    As a context manager it counts an exception that leaves the block. A request that the client got wrong (4xx apart
    from 429) is not counted, nor one that ended before its body was understood. Times start where this is made:
    when the body is there, so that a slow upload is not taken for a slow server.
    """

    def __init__(self, instruments: RequestInstruments, items: int) -> None:
        self._instruments, self._items, self._endpoint = instruments, items, current_endpoint.get()
        self._arrived = time.monotonic_ns()
        self._begun = self._ended = False
        instruments.current_requests.inc()

    def accepted(self, prompt_tokens: int) -> None:
        """Counts the request as taken in: it is valid and queued."""
        self._begin()
        self._instruments.input_lengths.observe(prompt_tokens)
        self._instruments.by_endpoint.tokens.labels(self._endpoint, "prompt").inc(prompt_tokens)

    def started(self, admission: Admission, prompt_tokens: int) -> None:
        """Records the time to the first delta, the time in the queue and the share of the prompt that was cached."""
        elapsed = self._elapsed()
        self._instruments.ttft.observe(elapsed)
        self._instruments.by_endpoint.first_text.labels(self._endpoint).observe(elapsed / 1e9)
        self._instruments.queueing_delays.observe(round(admission.queued_seconds * 1e9))
        self._instruments.tcache_hit_ratio.observe(admission.cached_tokens / prompt_tokens)

    def answered(self, output_tokens: Sequence[int]) -> None:
        """Counts the answer as complete. output_tokens: how many tokens were drawn for each choice."""
        if self._end():
            self._instruments.responses.inc()
            self._instruments.latencies.observe(self._elapsed())
            for count in output_tokens:
                self._instruments.output_lengths.observe(count)
            self._instruments.by_endpoint.tokens.labels(self._endpoint, "output").inc(sum(output_tokens))
            self._instruments.by_endpoint.generations.labels(self._endpoint, "answered").inc()

    def failed(self, failure: Failure | None) -> None:
        """Ends the request without a whole answer and counts it under `failure`, not at all for None.

        None is for a fault of the client's. Does nothing if the request has ended.
        """
        if self._end() and failure is not None:
            self._begin()
            self._instruments.failures[failure].inc()
            self._instruments.by_endpoint.generations.labels(self._endpoint, failure).inc()

    def __enter__(self) -> "RequestMetrics":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is not None:
            self.failed(failure_of(error))

    def _begin(self) -> None:
        if not self._begun:
            self._begun = True
            self._instruments.requests.inc()
            self._instruments.items.inc(self._items)

    def _end(self) -> bool:
        """Whether it had not ended before."""
        first, self._ended = not self._ended, True
        if first:
            self._instruments.current_requests.dec()
        return first

    def _elapsed(self) -> int:
        return time.monotonic_ns() - self._arrived


def failure_of(error: BaseException) -> Failure | None:
    """What a request that ended with `error` is counted as; None for a fault of the client's, which is not counted.

    Not a number: FloatingPointError as the cause, where logits are not finite, or itself, under jax_debug_nans.
    """
    match error:
        case asyncio.CancelledError() | GeneratorExit() | ClientDisconnect():
            return "cancel"
        case APIError(code=code) if code == TIMEOUT_CODE:
            return "timeout"
        case APIError(status=429):
            return "reject"
        case APIError(status=status) if status < 500:
            return None
        case _ if isinstance(error, FloatingPointError) or isinstance(error.__cause__, FloatingPointError):
            return "nan_error"
        case _:
            return "error"
