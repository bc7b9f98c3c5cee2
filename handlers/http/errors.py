"""What a client is told when something fails: one exception, one JSON body, one place that answers failures."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import orjson
from connexion.exceptions import ProblemException
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from backend import EngineFailed, RequestFailed
from handlers.http.request_id import HEADER, id_of, request_id

logger = logging.getLogger(__name__)
LONGEST_TEXT = 2000  # characters of a message to a client
LAST_EVENT_SECONDS = 1.0  # for a client that is slow to take the event that says why its stream ends


class APIError(Exception):
    """A failure that the client is told of.

    status: of the HTTP response. message: what is wrong and what to do. param: path of the field at fault
    (`messages.2.content`).
    code: a word for programs. headers: further response headers.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        param: str | None = None,
        code: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.message, self.param, self.code = status, message, param, code
        self.headers = dict(headers or {})


def error_body(error: APIError) -> dict[str, Any]:
    """The JSON body of a failure, in the one form that the Friendli, OpenAI and Vercel clients all read."""
    kind = "invalid_request_error" if error.status < 500 else "server_error"
    message = brief(error.message)
    detail = {"message": message, "type": kind, "param": error.param and brief(error.param), "code": error.code}
    return {"message": message, "error": detail}


@dataclass(frozen=True)
class ErrorShape:
    """How an API tells of failures.

    body: of a failure, the JSON of its response. event: the name of the last event of a stream that has begun, "" for
    none; event_body: the JSON of that event, None for the same as that of a response. id_headers: in which the id of
    every request is told, beside x-request-id.
    """

    body: Callable[[APIError], dict[str, Any]] = error_body
    event: str = ""
    event_body: Callable[[APIError], dict[str, Any]] | None = None
    id_headers: tuple[str, ...] = ()

    def response(self, error: APIError) -> Response:
        """A failure as an HTTP response, where none has begun."""
        return Response(orjson.dumps(self.body(error)), error.status, error.headers, media_type="application/json")

    def last_event(self, error: APIError) -> bytes:
        """A failure as a server-sent event, the last one of a stream that has begun."""
        name = f"event: {self.event}\n".encode() if self.event else b""
        return name + b"data: " + orjson.dumps((self.event_body or self.body)(error)) + b"\n\n"


COMMON = ErrorShape()
NO_SHAPES: Mapping[str, ErrorShape] = MappingProxyType({})


def shape_of(path: str, shapes: Mapping[str, ErrorShape]) -> ErrorShape:
    """How failures are told at a path: by the longest beginning of it among `shapes`, else in the common way."""
    parts = path.split("/")
    beginnings = ("/".join(parts[:count]) for count in range(len(parts), 0, -1))
    return next((shapes[each] for each in beginnings if each in shapes), COMMON)


def brief(text: str) -> str:
    """`text`, without its middle where it is longer than LONGEST_TEXT: what a client sent may be part of it."""
    half = LONGEST_TEXT // 2
    return text if len(text) <= LONGEST_TEXT else f"{text[:half]} … {text[-half:]}"


def invalid(message: str, param: str | None = None) -> APIError:
    """422 for a body with something wrong in it. param: path of the field at fault, None for the whole body."""
    return APIError(422, message, param=param)


def too_many(message: str, code: str, retry_after: int) -> APIError:
    """429 for what may be taken in `retry_after` seconds."""
    message = f"{message}; try again in {retry_after} s"
    return APIError(429, message, code=code, headers={"Retry-After": str(retry_after)})


def internal_error(error: Exception) -> APIError:
    """500 for a fault of ours: logs it with its traceback, and tells the client only under which id."""
    logger.error("request %s failed: %r", request_id.get(), error, exc_info=error)
    return APIError(500, f"internal server error; the server's log has the cause under request {request_id.get()}")


def request_failed(error: RequestFailed) -> APIError:
    """500 for a fault of ours that concerns this request only."""
    logger.error("request %s failed: %s", request_id.get(), error, exc_info=error)
    message = f"the server failed at this request; try again, its log has the cause under request {request_id.get()}"
    if isinstance(error.__cause__, FloatingPointError):
        message = f"the model computed what is no number; the server's log has this under request {request_id.get()}"
        return APIError(500, message, code="not_a_number")
    return APIError(500, message, code="request_failed")


def engine_failed() -> APIError:
    """503 without Retry-After: the engine has failed, and answers nobody until the server is restarted.

    Not for what reason: that is the operator's, and may say where what is on the machine.
    """
    message = "the model cannot answer until the server is started anew; the server's log has the cause"
    return APIError(503, message, code="failed")


class ErrorMiddleware:
    """The outermost layer: gives every request an id, its own `x-request-id` or a new one, with which it is answered,
    and tells its client of every failure.

    In JSON where no answer has begun, as the last event where it is a stream of events that has.

    shapes: of the errors of the paths that begin with these, see `shape_of`.
    """

    def __init__(self, app: ASGIApp, shapes: Mapping[str, ErrorShape] = NO_SHAPES) -> None:
        self._app, self._shapes = app, shapes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id.set(id_of(Headers(scope=scope)))
        shape = shape_of(scope["path"], self._shapes)
        sender = _Sender(send, shape)
        try:
            await self._app(scope, receive, sender)
        except ClientDisconnect:
            logger.info("request %s: the client left", request_id.get())
        except Exception as error:
            if not sender.started:
                await shape.response(as_api_error(error, scope))(scope, receive, sender)
            elif sender.in_events:
                await sender.end_with(as_api_error(error, scope))
            else:
                raise


class _Sender:
    """`send` that adds the request id to the headers, and remembers how far the answer is.

    started: the headers have gone out. in_events: so has the beginning of a stream of events, but not its end.
    """

    def __init__(self, send: Send, shape: ErrorShape) -> None:
        self._send, self._shape, self.started, self.in_events = send, shape, False, False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name in (HEADER, *self._shape.id_headers):
                headers[name] = request_id.get()
            await self._send(message)
            self.started = True
            self.in_events = headers.get("content-type", "").startswith("text/event-stream")
        else:
            await self._send(message)
            self.in_events &= message.get("more_body", False)

    async def end_with(self, error: APIError) -> None:
        """Ends a stream of events with an error; gives up on a client that does not take it."""
        try:
            async with asyncio.timeout(LAST_EVENT_SECONDS):
                await self({"type": "http.response.body", "body": self._shape.last_event(error), "more_body": True})
                await self({"type": "http.response.body", "body": b"", "more_body": False})
        except TimeoutError:
            logger.info("request %s: the client does not read", request_id.get())


def as_api_error(error: Exception, scope: Scope) -> APIError:
    """What a client is told of an exception; logs the ones that it is not told all of."""
    match error:
        case APIError():
            return error
        case RequestFailed():
            return request_failed(error)
        case EngineFailed():
            logger.error("request %s failed: %s", request_id.get(), error)
            return engine_failed()
        case ProblemException():  # a subclass of HTTPException, so it comes first
            return APIError(error.status, _problem_message(error, scope), headers=error.headers)
        case HTTPException():
            return APIError(error.status_code, _http_message(error, scope), headers=error.headers)
        case _:
            return internal_error(error)


def _problem_message(error: ProblemException, scope: Scope) -> str:
    if error.status == 415:
        return f"Content-Type is {Headers(scope=scope).get('content-type', '')!r}; use application/json"
    message: str = error.detail or error.title
    return message


def _http_message(error: HTTPException, scope: Scope) -> str:
    match error.status_code:
        case 404:
            return f"there is nothing at {scope['path']}; /ui/ lists the paths"
        case 405:
            allowed = (error.headers or {}).get("Allow", "")
            return f"{scope['method']} is not possible at {scope['path']}; use {allowed}"
        case _:
            return error.detail
