"""The layer that begins a trace with each request."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from handlers.http.request_id import request_id
from handlers.tracing.trace import Tracing, current_trace

UNTRACED = frozenset(["/health"])
"""Asked every few seconds by whoever watches."""


class TracingMiddleware:
    """Traces every request but those for /health. The outermost layer, so that it sees the status of every answer."""

    def __init__(self, app: ASGIApp, tracing: Tracing) -> None:
        self._app, self._tracing = app, tracing

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in UNTRACED:
            await self._app(scope, receive, send)
            return
        with self._tracing.request(scope) as trace:
            current_trace.set(trace)

            async def send_traced(message: Message) -> None:
                if message["type"] == "http.response.start":
                    trace.answered(message["status"], request_id.get())
                await send(message)

            await self._app(scope, receive, send_traced)
