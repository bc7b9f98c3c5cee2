"""The load generator: a closed loop of HTTP/1.1 requests that keeps raw bytes and times, and reads them afterwards.

While servers share the machine with their client, the client must cost next to nothing: what arrives is put
into a list with its time; httptools, uvicorn's own parser, takes the chunked encoding off.
"""

import asyncio
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import httptools


class Refused(Exception):
    """A server answered with something else than a whole answer."""


@dataclass
class Exchange:
    """One request and its answer. Seconds on one clock. received: the body as it came, in seconds and bytes."""

    sent: float
    status: int = 0
    received: list[tuple[float, bytes]] = field(default_factory=list)
    ended: float = 0.0

    @property
    def body(self) -> bytes:
        """The answer's whole body."""
        return b"".join(data for _, data in self.received)


class Connection(asyncio.Protocol):
    """A kept connection; one exchange at a time."""

    def __init__(self) -> None:
        self._parser, self._exchange = httptools.HttpResponseParser(self), Exchange(0.0)
        self._done: asyncio.Future[None] | None = None
        self._now = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    async def post(self, request: bytes) -> Exchange:
        """Send a whole request, and wait for the end of its answer. Raises Refused."""
        self._done = done = asyncio.get_running_loop().create_future()
        self._parser = httptools.HttpResponseParser(self)
        self._exchange = exchange = Exchange(time.perf_counter())
        self.transport.write(request)
        await done
        if exchange.status != 200:
            raise Refused(f"HTTP {exchange.status}: {exchange.body[:500].decode(errors='replace')}")
        return exchange

    def data_received(self, data: bytes) -> None:
        self._now = time.perf_counter()
        self._parser.feed_data(data)

    def on_body(self, body: bytes) -> None:
        """The parser's: bytes of the body."""
        self._exchange.received.append((self._now, body))

    def on_message_complete(self) -> None:
        """The parser's: the answer's end."""
        self._exchange.status, self._exchange.ended = self._parser.get_status_code(), self._now
        if self._done is not None:
            self._done.set_result(None)
            self._done = None

    def connection_lost(self, exc: Exception | None) -> None:
        if self._done is not None:
            self._done.set_exception(Refused(f"the server closed the connection in the midst of an answer ({exc})"))


def post_request(path: str, body: dict) -> bytes:
    """The bytes of a POST of JSON."""
    content = json.dumps(body).encode()
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(content)}\r\n\r\n".encode() + content


async def closed_loop(url: str, requests: Sequence[bytes], streams: int, keep: bool = False) -> list[Exchange]:
    """The exchanges, `streams` at a time: each stream sends the next request when it has its answer.

    keep: on one connection, which llama-server does not allow; else every request has a connection of its own.
    """
    address = urlsplit(url)
    waiting, exchanges = iter(enumerate(requests)), {}
    loop = asyncio.get_running_loop()

    async def stream() -> None:
        connection = None
        for index, request in waiting:
            if connection is None or not keep:
                _, connection = await loop.create_connection(Connection, address.hostname, address.port)
            exchanges[index] = await connection.post(request)
            if not keep:
                connection.transport.close()

    await asyncio.gather(*(stream() for _ in range(streams)))
    return [exchanges[index] for index in range(len(requests))]


@dataclass(frozen=True)
class Answer:
    """A streamed answer. arrivals: seconds from sending the request until each event with text.

    tokens: that were drawn. prompt_tokens, cached_tokens: None where the server does not tell.
    """

    sent: float
    ended: float
    arrivals: tuple[float, ...]
    tokens: int
    prompt_tokens: int | None
    cached_tokens: int | None
    text: str

    @property
    def first(self) -> float:
        """Seconds until the first text."""
        return self.arrivals[0]

    @property
    def pace(self) -> float:
        """Seconds per token after the first."""
        return (self.arrivals[-1] - self.arrivals[0]) / max(1, self.tokens - 1)


def read_stream(exchange: Exchange, max_tokens: int) -> Answer:
    """What the events of a stream say. An answer that does not count its tokens must have ended by their number.

    Raises Refused for errors in the stream, and where the number of tokens cannot be told.
    """
    arrivals, text, usage, reason = [], [], None, None
    for at, event in _events(exchange):
        if "error" in event:
            raise Refused(f"in the stream: {event['error']}")
        usage = event.get("usage") or usage
        for choice in event["choices"]:
            reason = choice.get("finish_reason") or reason
            if content := choice["delta"].get("content"):
                text.append(content)
                arrivals.append(at - exchange.sent)
    if not arrivals or (usage is None and reason != "length"):
        raise Refused(f"no tokens to count in {exchange.body[-500:].decode(errors='replace')}")
    counted = usage or {"completion_tokens": max_tokens}
    return Answer(
        sent=exchange.sent,
        ended=exchange.ended,
        arrivals=tuple(arrivals),
        tokens=counted["completion_tokens"],
        prompt_tokens=counted.get("prompt_tokens"),
        cached_tokens=(counted.get("prompt_tokens_details") or {}).get("cached_tokens"),
        text="".join(text),
    )


def _events(exchange: Exchange) -> list[tuple[float, dict]]:
    """(time of arrival, JSON) of each event that is neither a ping nor the end mark."""
    events, held = [], b""
    for at, data in exchange.received:
        *lines, held = (held + data).split(b"\n")
        for line in lines:
            data = line.removeprefix(b"data: ").strip()
            if line.startswith(b"data: ") and data != b"[DONE]":
                events.append((at, json.loads(data)))
    return events
