"""How one request is counted: once, under what became of it."""

import asyncio
import time
from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Literal

from starlette.requests import ClientDisconnect

from backend.request import Admission
from handlers.errors import APIError

if TYPE_CHECKING:
    from handlers.metrics.registry import Metrics

Failure = Literal["cancel", "timeout", "nan_error", "reject", "error"]
FAILURES: dict[Failure, tuple[str, str]] = {
    "cancel": ("friendli_failure_by_cancel", "Requests whose client left, or that were cut off by the shutdown"),
    "timeout": ("friendli_failure_by_timeout", "Requests that took longer than --request-timeout"),
    "nan_error": ("friendli_failure_by_nan_error", "Requests ended by a result that is not a number"),
    "reject": ("friendli_failure_by_reject", "Requests refused with 429 because too many were there"),
    "error": ("jaxchat_failure_by_error", "Requests ended by any other fault of the server"),
}
TIMEOUT_CODE = "request_timeout"
"""The code of the APIError by which a request ends that took too long."""


class Tally:
    """One request. Whatever is called, and in whatever order, it counts once as begun and once as ended.

    As a context manager it counts an exception that leaves the block. A request that the client got wrong (4xx apart
    from 429) is not counted, nor one that ended before its body was understood. Times start where the tally is made:
    when the body is there, so that a slow upload is not taken for a slow server.
    """

    def __init__(self, metrics: "Metrics", items: int) -> None:
        self._metrics, self._items = metrics, items
        self._arrived = time.monotonic_ns()
        self._begun = self._ended = False
        metrics.current_requests.inc()

    def accepted(self, prompt_tokens: int) -> None:
        """The request is in order and queued."""
        self._begin()
        self._metrics.input_lengths.observe(prompt_tokens)

    def started(self, admission: Admission, prompt_tokens: int) -> None:
        """The first of the answer is there."""
        self._metrics.ttft.observe(self._elapsed())
        self._metrics.queueing_delays.observe(round(admission.queued_seconds * 1e9))
        self._metrics.tcache_hit_ratio.observe(admission.cached_tokens / prompt_tokens)

    def answered(self, output_tokens: Sequence[int]) -> None:
        """The answer is complete. output_tokens: how many were drawn for each choice."""
        if self._end():
            self._metrics.responses.inc()
            self._metrics.latencies.observe(self._elapsed())
            for count in output_tokens:
                self._metrics.output_lengths.observe(count)

    def failed(self, failure: Failure | None) -> None:
        """There will be no (further) answer. None: it is the client's fault, and not counted."""
        if self._end() and failure is not None:
            self._begin()
            self._metrics.failures[failure].inc()

    def __enter__(self) -> "Tally":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is not None:
            self.failed(failure_of(error))

    def _begin(self) -> None:
        if not self._begun:
            self._begun = True
            self._metrics.requests.inc()
            self._metrics.items.inc(self._items)

    def _end(self) -> bool:
        """Whether it had not ended before."""
        first, self._ended = not self._ended, True
        if first:
            self._metrics.current_requests.dec()
        return first

    def _elapsed(self) -> int:
        return time.monotonic_ns() - self._arrived


def failure_of(error: BaseException) -> Failure | None:
    """What a request that ended so counts as; None for a fault of the client's.

    Not a number: FloatingPointError, which JAX raises under jax_debug_nans, itself or as the cause.
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
