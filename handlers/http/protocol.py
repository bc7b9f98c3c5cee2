"""HTTP/1.1 connections that nobody can hold for nothing: heads under a size limit, reading under time limits.

uvicorn's own take heads of any size, wait for the rest of a request for ever, and answer in plain text.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

import httptools
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from uvicorn._types import ASGI3Application
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from handlers.http.errors import NO_SHAPES, APIError, ErrorShape, shape_of
from handlers.http.half_closed import can_tell, watch
from handlers.http.http10 import UntilClosed
from handlers.http.lingering import LingeringTransport
from handlers.http.request_id import HEADER, id_of, request_id

logger = logging.getLogger(__name__)

ALWAYS_ANSWERED = b"/health"
RESERVED_CONNECTIONS = 64
"""Above the limit, for /health and for those that are told that there are too many."""


@dataclass(frozen=True)
class ConnectionLimits:
    """What a connection may take before a request is there.

    target_bytes: of the path with its query. head_bytes: of all before the body. head_seconds: from the first byte of a
    request to the end of its head. body_seconds: in which `body_bytes` of a body must come, or its end. idle_seconds:
    until the first request, and from an answer to the next one. connections: that are open at a time. linger_seconds,
    linger_bytes: what of a request that was refused is still read, so that its client reads why.
    """

    target_bytes: int = 8 << 10
    head_bytes: int = 64 << 10
    head_seconds: float = 10
    body_seconds: float = 10
    body_bytes: int = 4 << 10
    idle_seconds: float = 75
    connections: int = 4096
    linger_seconds: float = 5
    linger_bytes: int = 64 << 20


class LimitedProtocol(HttpToolsProtocol):
    """A connection of uvicorn's under limits. What cannot be read gets one JSON error, and the connection ends.

    shapes: of the errors by path, see `shape_of`; a path that is not there yet has the common one.
    """

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        *,
        limits: ConnectionLimits,
        shapes: Mapping[str, ErrorShape] = NO_SHAPES,
        **options: Any,
    ) -> None:
        super().__init__(config, server_state, app_state, **options)
        self.limits, self._shapes = limits, shapes
        self.url: bytes = b""
        self._usual_app = self.app
        self._in_head, self._head_bytes, self._body_bytes = False, 0, 0
        self._clock: asyncio.TimerHandle | None = None
        self._error: APIError | None = None
        self._refused = False

    # The connection

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Waits for a request, unless there are even more connections than can be told that there are too many."""
        limits, sending = self.limits, self._is_sent_more
        kept = LingeringTransport(transport, limits.linger_seconds, limits.linger_bytes, sending, self.loop.call_later)
        super().connection_made(kept)  # type: ignore[arg-type]
        if len(self.connections) > self.limits.connections + RESERVED_CONNECTIONS:
            self._refuse(self._too_many(), linger=False)
        else:
            self._wait(self.limits.idle_seconds, self.transport.close)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stops the clock too."""
        self._stop_clock()
        super().connection_lost(exc)

    def eof_received(self) -> bool | None:  # type: ignore[override]
        """Goes on with the answer to a client who has sent its request and sends no more, but not if it has left."""
        if self.cycle is None or self.cycle.response_complete or self.cycle.more_body or not can_tell(self.transport):
            return None
        self.cycle.keep_alive = False
        watch(self.transport, self.cycle, self.loop.call_later)
        return True

    def data_received(self, data: bytes) -> None:
        """Reads on, and refuses what cannot be read and a head that is too long."""
        if self.transport.is_closing():
            self.transport.drop(len(data))  # type: ignore[attr-defined]
            return
        self._unset_keepalive_if_required()
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._read_without_upgrade(data[upgrade.args[0] :])
        except httptools.HttpParserError:
            self._refuse(self._error or APIError(400, "this is no HTTP/1.1 request", code="bad_request"))
        if self._in_head and not self.transport.is_closing():
            self._head_bytes += len(data)
            if self._head_bytes > self.limits.head_bytes:
                self._refuse(self._head_too_long())

    # The request

    def on_message_begin(self) -> None:
        """A request begins: its head has so long."""
        super().on_message_begin()
        self._in_head, self._head_bytes = True, 0
        self._wait(self.limits.head_seconds, lambda: self._refuse(_too_slow("head", self.limits.head_seconds)))

    def on_url(self, url: bytes) -> None:
        """Takes more of the target."""
        super().on_url(url)
        if len(self.url) > self.limits.target_bytes:
            self._fail(414, f"the path and query are longer than {self.limits.target_bytes} bytes", "uri_too_long")

    def on_headers_complete(self) -> None:
        """Has the request answered, unless its head is too long or can be read in two ways."""
        self._in_head = False
        self._check_head()
        if self.parser.should_upgrade():
            return  # it is read again, see _read_without_upgrade
        crowded = len(self.connections) > self.limits.connections and not self.url.startswith(ALWAYS_ANSWERED)
        self.app = self._answer_crowd if crowded else self._usual_app
        super().on_headers_complete()
        if crowded:
            self.cycle.keep_alive = False
        self._body_bytes = 0
        self._wait(self.limits.body_seconds, self._check_body)

    def on_body(self, body: bytes) -> None:
        """Takes more of the body."""
        self._body_bytes += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The whole request is there."""
        if not self.parser.should_upgrade():
            self._stop_clock()
            super().on_message_complete()

    def on_response_complete(self) -> None:
        """Leaves the client who still sends a body some time to stop."""
        super().on_response_complete()
        if self.cycle.more_body:
            self._wait(self.limits.body_seconds, self.transport.close)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        if cycle.scope["http_version"] == "1.0":
            cycle.__class__ = UntilClosed  # uvicorn makes the cycle, and has no other way to be told
        super()._start_asgi_task(cycle, app)

    def _read_without_upgrade(self, rest: bytes) -> None:
        """Reads a head again without its wish for another protocol, which may be declined, and then `rest`.

        The parser reads nothing behind such a head, not even its body; Java's client sends one before every body.
        """
        line = b"%b %b HTTP/%b\r\n" % (self.parser.get_method(), self.url, self.parser.get_http_version().encode())
        close = not self.parser.should_keep_alive()
        kept = [(name, value) for name, value in self.headers if name not in (b"connection", b"upgrade")]
        headers = [*kept, (b"connection", b"close")] if close else kept
        self.parser = httptools.HttpRequestParser(self)
        self.data_received(line + b"".join(b"%b: %b\r\n" % header for header in headers) + b"\r\n" + rest)

    def _check_head(self) -> None:
        if len(self.url) + sum(len(name) + len(value) for name, value in self.headers) > self.limits.head_bytes:
            self._error = self._head_too_long()
            raise self._error
        if self.parser.get_method() == b"CONNECT":
            self._fail(501, "this server is no proxy", "not_implemented")
        hosts = [value for name, value in self.headers if name == b"host"]
        if len(hosts) > 1 or (not hosts and self.parser.get_http_version() == "1.1"):
            self._fail(400, "a request has one Host header", "bad_request")
        encodings = [value.strip().lower() for name, value in self.headers if name == b"transfer-encoding"]
        if encodings not in ([], [b"chunked"]):
            self._fail(501, "the only Transfer-Encoding that is read is chunked", "unknown_transfer_encoding")

    def _check_body(self) -> None:
        """Ends a request whose body comes too slowly, where it could have come faster."""
        held = self.flow.read_paused or self.cycle.waiting_for_100_continue
        if not held and self._body_bytes < self.limits.body_bytes:
            self._refuse(_too_slow("body", self.limits.body_seconds))
        else:
            self._body_bytes = 0
            self._wait(self.limits.body_seconds, self._check_body)

    # Refusals

    def _fail(self, status: int, message: str, code: str) -> None:
        """Ends the parsing; the parser's caller then sends this."""
        self._error = APIError(status, message, code=code)
        raise self._error

    def _is_sent_more(self) -> bool:
        """Whether the client may still be sending a request."""
        return self._refused or self._in_head or (self.cycle is not None and self.cycle.more_body)

    def _refuse(self, error: APIError, linger: bool = True) -> None:
        """Says what is wrong, where no answer has begun, and closes the connection; `linger`: so that it is read."""
        self._stop_clock()
        self._in_head, self._refused = False, linger
        if self.transport.is_closing():
            return
        if self.cycle is None or self.cycle.response_complete or not self.cycle.response_started:
            self.transport.write(_raw(self._told(error)))
        self.transport.close()

    def _too_many(self) -> APIError:
        message = f"the server has its most connections, {self.limits.connections}; close idle ones, or try again later"
        return APIError(503, message, code="too_many_connections", headers={"Retry-After": "5"})

    def _head_too_long(self) -> APIError:
        message = f"the request's head is longer than {self.limits.head_bytes} bytes"
        return APIError(431, message, code="headers_too_large")

    async def _answer_crowd(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._told(self._too_many())(scope, receive, send)

    def _told(self, error: APIError) -> Response:
        """The error in the form of its path, with the id of its request, under which it is in the log."""
        shape = shape_of(_path(self.url), self._shapes)
        request_id.set(id_of(Headers(raw=self.headers or [])))
        error.headers |= dict.fromkeys((HEADER, *shape.id_headers), request_id.get())
        logger.info("request %s: %d, %s", request_id.get(), error.status, error.message)
        return shape.response(error)

    # The clock

    def _wait(self, seconds: float, then: Callable[[], object]) -> None:
        self._stop_clock()
        self._clock = self.loop.call_later(seconds, then)

    def _stop_clock(self) -> None:
        if self._clock is not None:
            self._clock.cancel()
            self._clock = None


def _too_slow(part: str, seconds: float) -> APIError:
    message = f"the request's {part} came too slowly: the server waits {seconds:g} s for a part of it"
    return APIError(408, message, code="request_timeout")


def _path(url: bytes) -> str:
    """The path of a request's target, "" where it has none."""
    try:
        return unquote((httptools.parse_url(url).path or b"").decode("latin-1"))
    except httptools.HttpParserError:
        return ""


def _raw(response: Response) -> bytes:
    """A response as bytes, the last ones of its connection."""
    headers = [*response.raw_headers, (b"connection", b"close")]
    lines = b"".join(b"%b: %b\r\n" % header for header in headers)
    return b"".join([STATUS_LINE[response.status_code], lines, b"\r\n", bytes(response.body)])
