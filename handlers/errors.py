"""What a client is told when something fails: one exception, one JSON body, one place that answers failures."""

import logging
from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any
from uuid import uuid4

import orjson
from connexion.exceptions import ProblemException
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

logger = logging.getLogger(__name__)
request_id: ContextVar[str] = ContextVar("request_id", default="-")


class APIError(Exception):
    """An answer other than 200.

    message: what is wrong and what to do. param: path of the field at fault (`messages.2.content`).
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

    def body(self) -> dict[str, Any]:
        """The JSON body, in the one form that the Friendli, OpenAI and Vercel clients all read."""
        kind = "invalid_request_error" if self.status < 500 else "server_error"
        detail = {"message": self.message, "type": kind, "param": self.param, "code": self.code}
        return {"message": self.message, "error": detail}

    def response(self) -> Response:
        return Response(orjson.dumps(self.body()), self.status, self.headers, media_type="application/json")


def invalid(message: str, param: str | None = None) -> APIError:
    """422: something is wrong with the body."""
    return APIError(422, message, param=param)


def internal_error(error: Exception) -> APIError:
    """500 for a fault of ours: logs it with its traceback, and tells the client only under which id."""
    logger.error("request %s failed: %r", request_id.get(), error, exc_info=error)
    return APIError(500, f"internal server error; the server's log has the cause under request {request_id.get()}")


class ErrorMiddleware:
    """The outermost layer: gives every request an id (also in `x-request-id`) and answers every failure in JSON."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id.set(uuid4().hex)
        sender = _Sender(send)
        try:
            await self._app(scope, receive, sender)
        except ClientDisconnect:
            logger.info("request %s: the client left", request_id.get())
        except Exception as error:
            if sender.started:
                raise
            await _as_api_error(error, scope).response()(scope, receive, sender)


class _Sender:
    """`send` that adds the request id to the headers and remembers whether they have gone out."""

    def __init__(self, send: Send) -> None:
        self._send, self.started = send, False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.started = True
            MutableHeaders(scope=message)["x-request-id"] = request_id.get()
        await self._send(message)


def _as_api_error(error: Exception, scope: Scope) -> APIError:
    match error:
        case APIError():
            return error
        case ProblemException():  # a subclass of HTTPException, so it comes first
            return APIError(error.status, error.detail or error.title, headers=error.headers)
        case HTTPException():
            return APIError(error.status_code, _http_message(error, scope), headers=error.headers)
        case _:
            return internal_error(error)


def _http_message(error: HTTPException, scope: Scope) -> str:
    match error.status_code:
        case 404:
            return f"there is nothing at {scope['path']}; /ui/ lists the paths"
        case 405:
            allowed = (error.headers or {}).get("Allow", "")
            return f"{scope['method']} is not possible at {scope['path']}; use {allowed}"
        case _:
            return error.detail
