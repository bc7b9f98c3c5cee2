"""Server-sent events: framing, pings while there is nothing to say, and a clean end however the stream ends."""

import asyncio
import math
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import orjson
from starlette.responses import StreamingResponse
from starlette.types import Message, Receive, Scope, Send

PING_SECONDS = 3.0  # clients give up after 5 s without a byte
FIRST_BYTE_SECONDS = 3.0  # after which a stream begins, whatever it is still waiting for
HEADERS = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}


@dataclass(frozen=True)
class Comment:
    """A line of a stream that is no event: clients pass over it. text: one line."""

    text: str


@dataclass(frozen=True)
class Event:
    """An event that has a name. data: plain values, sent as JSON."""

    name: str
    data: dict[str, Any]

    def encoded(self) -> bytes:
        """The bytes of the event."""
        return f"event: {self.name}\ndata: ".encode() + orjson.dumps(self.data) + b"\n\n"


@dataclass(frozen=True)
class Framing:
    """What an API has in its streams beside the events of an answer. ping: what is sent for clients to see that more
    will come. end: what comes behind the last event, b"" for nothing.
    """

    ping: bytes
    end: bytes


UNNAMED_EVENTS = Framing(ping=b": ping\n\n", end=b"data: [DONE]\n\n")


Chunks = AsyncGenerator[dict[str, Any] | Event | Comment, None]


class EventStream(StreamingResponse):
    """A response of server-sent events, one for each of `chunks`, then what ends the API's streams.

    When it ends, fails or the client leaves, even before the first chunk, `chunks` is closed and `close` awaited. What
    `chunks` raises is raised: ErrorMiddleware makes the last event of it.
    """

    def __init__(
        self,
        chunks: Chunks,
        close: Callable[[], Awaitable[None]],
        headers: Mapping[str, str],
        framing: Framing,
    ) -> None:
        self._chunks, self._close, self._ping = chunks, close, framing.ping
        super().__init__(events(chunks, framing.end), headers={**HEADERS, **headers}, media_type="text/event-stream")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            async with aclosing(self._chunks):
                await super().__call__(scope, receive, send)
        finally:
            await self._close()

    async def stream_response(self, send: Send) -> None:
        """Sends the events, and a ping after every PING_SECONDS in which there was none."""
        sender = PingingSender(send, PING_SECONDS, self._ping)
        pings = asyncio.create_task(sender.ping())
        try:
            await super().stream_response(sender)
        finally:
            pings.cancel()


class PingingSender:
    """An ASGI `send` that knows when it last sent, so that pings cost a timer and events cost nothing.

    seconds: of silence, after which `ping_event` is sent.
    """

    def __init__(self, send: Send, seconds: float, ping_event: bytes) -> None:
        self._send, self._seconds, self._ping_event = send, seconds, ping_event
        self._last, self._open = time.monotonic(), True

    async def __call__(self, message: Message) -> None:
        self._open = message["type"] != "http.response.body" or message["more_body"]
        self._last = math.inf  # a client that is slow to take this message is not waiting for a ping
        await self._send(message)
        self._last = time.monotonic()

    async def ping(self) -> None:
        """Sends pings until the response is complete."""
        while self._open:
            silence = max(0.0, time.monotonic() - self._last)
            if silence >= self._seconds:
                await self({"type": "http.response.body", "body": self._ping_event, "more_body": True})
                silence = 0.0
            await asyncio.sleep(self._seconds - silence)


async def events(chunks: Chunks, end: bytes) -> AsyncGenerator[bytes, None]:
    """Each chunk as the bytes of a server-sent event, then `end`, which is missing where the chunks fail."""
    async for chunk in chunks:
        yield _encoded(chunk)
    if end:
        yield end


def _encoded(chunk: dict[str, Any] | Event | Comment) -> bytes:
    match chunk:
        case Comment(text=text):
            return f": {text}\n\n".encode()
        case Event():
            return chunk.encoded()
        case _:
            return b"data: " + orjson.dumps(chunk) + b"\n\n"
