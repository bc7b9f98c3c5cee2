"""A stream of an answer's chunks that begins in time, whatever the answer still waits for."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Protocol

from handlers.generation.deltas import Delta
from handlers.generation.run import RunningGeneration
from handlers.http import sse
from handlers.http.ignored import HEADER, encode, ignored_header
from handlers.http.sse import Chunks, Comment, EventStream, Framing
from handlers.metrics.request import RequestMetrics


class AnswerMaker(Protocol):
    """Makes the answer to one request, in the API that was spoken, of its deltas."""

    async def result(self, deltas: AsyncIterator[Delta]) -> dict[str, Any]:
        """The whole answer as plain values."""
        ...

    def chunks(self, deltas: AsyncIterator[Delta]) -> Chunks:
        """The events of a stream."""
        ...


@dataclass(frozen=True)
class Answer:
    """An answer that has begun in the engine. maker: of what is sent of it. ignored: paths of what has no effect in the
    request, some repeated.
    """

    running: RunningGeneration
    maker: AnswerMaker
    ignored: tuple[str, ...]


async def begin_stream(
    work: Coroutine[Any, Any, Answer],
    request_metrics: RequestMetrics,
    known: Callable[[], Iterable[str]],
    framing: Framing,
) -> EventStream:
    """The stream of the answer that `work` begins; raises what `work` raises in the first FIRST_BYTE_SECONDS.

    Later the stream begins without it: what `work` raises then is raised by the stream's chunks, and what has no effect
    is named in a comment, but for what is `known` before. If the client leaves, `work` is cancelled.

    framing: of the API that was spoken.
    """
    beginning = asyncio.create_task(work)
    try:
        await asyncio.wait({beginning}, timeout=sse.FIRST_BYTE_SECONDS)
        if beginning.done():
            answer = beginning.result()
            chunks = answer.maker.chunks(answer.running.deltas)
            return EventStream(chunks, answer.running.aclose, ignored_header(answer.ignored), framing)
        late = LateAnswer(beginning, request_metrics, await asyncio.to_thread(lambda: frozenset(known())))
    except BaseException:
        await _abandon(beginning)
        raise
    return EventStream(late.chunks(), late.aclose, ignored_header(sorted(late.named)), framing)


class LateAnswer:
    """An answer whose stream begins before the answer does. named: paths that its header names as without effect."""

    def __init__(
        self, beginning: "asyncio.Task[Answer]", request_metrics: RequestMetrics, named: frozenset[str]
    ) -> None:
        self.named = named
        self._beginning, self._metrics = beginning, request_metrics

    async def chunks(self) -> Chunks:
        """A comment at once, one more if there is more to name, then the answer's chunks; raises what it raises."""
        yield Comment("ping")
        with self._metrics:
            await asyncio.wait(
                {self._beginning}
            )  # to be cancelled by `aclose` alone: twice would interrupt its cleanup
            answer = self._beginning.result()
        names = [name for name in dict.fromkeys(answer.ignored) if name not in self.named]
        if names:
            yield Comment(f"{HEADER} {encode(names)}")
        async with aclosing(answer.maker.chunks(answer.running.deltas)) as chunks:
            async for chunk in chunks:
                yield chunk

    async def aclose(self) -> None:
        """Ends the answer, begun or not; if it is not complete, it is counted as cancelled."""
        self._metrics.failed("cancel")
        await _abandon(self._beginning)


async def _abandon(beginning: "asyncio.Task[Answer]") -> None:
    """Frees what an answer holds, or will hold."""
    beginning.cancel()
    await asyncio.wait({beginning})
    if not beginning.cancelled() and beginning.exception() is None:
        await beginning.result().running.aclose()
