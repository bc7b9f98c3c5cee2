"""What is told of a request while it is handled; the classes here tell nobody."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar

from starlette.types import Scope

Attribute = str | bool | int | float | Sequence[str] | Sequence[int]


class GenerationTrace:
    """Of one generation: when it waited, read its prompt and wrote. It begins where it is made."""

    def started(self, queued_seconds: float, cached_tokens: int) -> None:
        """The first of the answer is there.

        queued_seconds: until the first of its prompt was computed. cached_tokens: of the prompt, those that were not
        computed again.
        """

    def ended(self, output_tokens: int, finish_reasons: Sequence[str], error: str | None = None) -> None:
        """Nothing more comes. error: a word for why it is not complete, None where it is. The first call counts."""


class RequestTrace:
    """Of one request."""

    def describe(self, operation: str, model: str) -> None:
        """Which operation of the conventions for generative AI it is, such as "chat", by the model of that name."""

    def generation(self, attributes: Mapping[str, Attribute]) -> GenerationTrace:
        """A generation begins, and waits for its turn."""
        return GenerationTrace()

    def answered(self, status: int, request_id: str) -> None:
        """The status of its answer is known."""


class Tracing:
    """Makes traces of requests."""

    @contextmanager
    def request(self, scope: Scope) -> Iterator[RequestTrace]:
        """The trace of a request, which ends with the block."""
        yield NO_TRACE

    def close(self) -> None:
        """Sends what has not been sent."""


NO_TRACE, NO_TRACING = RequestTrace(), Tracing()
current_trace: ContextVar[RequestTrace] = ContextVar("trace", default=NO_TRACE)
"""Of the request that is being handled."""
