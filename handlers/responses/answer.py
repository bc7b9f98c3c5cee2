"""A response made of deltas: the whole object, or the events of its stream with their numbers."""

import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

from handlers.chat.completion import Counts
from handlers.generation.deltas import Delta
from handlers.responses.items import Event, OutputForm, OutputItems

Response = dict[str, Any]
"""A response as plain values (schema ContainerResponsesSuccess)."""


@dataclass(frozen=True)
class ResponseMaker:
    """Makes the response to one request of its deltas.

    asked: what the response gives back of the request, and its model. form: how it shows its output. prompt_tokens: of
    the prompt. seed: with which it is drawn. cached_tokens: it is told how much of the prompt was cached. keep: keeps
    the response when it has ended, before it is sent; gives whether it is kept. fail: what a client is told of an
    exception, as a code and a message. created: Unix seconds.
    """

    asked: Mapping[str, Any]
    form: OutputForm
    prompt_tokens: int
    seed: int
    keep: Callable[[Response], bool]
    fail: Callable[[Exception], tuple[str, str]]
    cached_tokens: bool = True
    created: int = field(default_factory=lambda: int(time.time()))

    async def result(self, deltas: AsyncIterator[Delta]) -> Response:
        """The response, complete or incomplete. Raises what the deltas raise."""
        output, counts, last = OutputItems(self.form), Counts(), Delta(0)
        async for delta in deltas:
            counts.add(delta)
            last = delta
            for _ in output.feed(delta):
                pass
        return self._kept(self._ended(output, counts, last))

    async def events(self, deltas: AsyncIterator[Delta]) -> AsyncGenerator[Event, None]:
        """The events of its stream (schema ResponsesStreamEvent), numbered from 0.

        What the deltas raise becomes the last event, `response.failed`.
        """
        number = 0
        async with aclosing(self._unnumbered(deltas)) as events:
            async for event in events:
                yield {"type": event["type"], "sequence_number": number, **event}
                number += 1

    async def _unnumbered(self, deltas: AsyncIterator[Delta]) -> AsyncGenerator[Event, None]:
        begun = self._response("in_progress")
        yield {"type": "response.created", "response": begun}
        yield {"type": "response.in_progress", "response": begun}
        output, counts, last = OutputItems(self.form), Counts(), Delta(0)
        try:
            async for delta in deltas:
                counts.add(delta)
                last = delta
                for event in output.feed(delta):
                    yield event
        except Exception as error:
            code, message = self.fail(error)
            failure = {"error": {"code": code, "message": message}}
            yield {"type": "response.failed", "response": self._response("failed", output, **failure)}
            return
        response = self._kept(self._ended(output, counts, last))
        yield {"type": f"response.{response['status']}", "response": response}

    def _ended(self, output: OutputItems, counts: Counts, last: Delta) -> Response:
        if last.finish_reason == "length":
            status, details = "incomplete", {"reason": "max_output_tokens"}
            return self._response(status, output, incomplete_details=details, usage=self._usage(counts))
        return self._response("completed", output, usage=self._usage(counts), completed_at=int(time.time()))

    def _kept(self, response: Response) -> Response:
        if response["store"] and not self.keep(response):
            return {**response, "store": False}
        return response

    def _response(self, status: str, output: OutputItems | None = None, **fields: Any) -> Response:
        return {
            "id": f"resp_{self.form.id}",
            "object": "response",
            "created_at": self.created,
            "completed_at": None,
            "status": status,
            "error": None,
            "incomplete_details": None,
            **self.asked,
            "output": [] if output is None else list(output.items),
            "seed": self.seed,
            "usage": None,
            **fields,
        }

    def _usage(self, counts: Counts) -> dict[str, Any]:
        cached = {"input_tokens_details": {"cached_tokens": counts.cached}} if self.cached_tokens else {}
        return {
            "input_tokens": self.prompt_tokens,
            **cached,
            "output_tokens": counts.tokens,
            "output_tokens_details": {"reasoning_tokens": counts.reasoning},
            "total_tokens": self.prompt_tokens + counts.tokens,
        }
