"""The requests that are being answered: counted, refused while the server drains, and ended when it waits no longer."""

import asyncio
from collections.abc import Awaitable
from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send

from handlers.http.errors import APIError

ALWAYS_ANSWERED = "/health"


class ActiveRequests:
    """The requests that are being answered now; `len` counts them. For the thread of the event loop only."""

    def __init__(self) -> None:
        self._tasks: dict[asyncio.Task[Any], APIError | None] = {}

    def __len__(self) -> int:
        return len(self._tasks)

    async def answer(self, work: Awaitable[None]) -> None:
        """Awaits `work`, which answers the request of the current task; raises the error of `end` if that ended it."""
        task = asyncio.current_task()
        assert task is not None
        self._tasks[task] = None
        try:
            await work
        except asyncio.CancelledError:
            error = self._tasks[task]
            if error is None or task.uncancel() > 0:  # somebody else cancelled the task
                raise
            raise error from None
        finally:
            del self._tasks[task]

    def end(self, error: APIError) -> None:
        """Cancels every request wherever it waits; each frees what it holds, and its client gets `error`."""
        for task, earlier in self._tasks.items():
            if earlier is None:
                self._tasks[task] = error
                task.cancel()

    async def finished(self) -> None:
        """Waits until all requests that are being answered now have ended, their last byte sent."""
        if self._tasks:
            await asyncio.wait(self._tasks)


class LifecycleMiddleware:
    """Counts every request but those of /health, and refuses them all with 503 while the server drains."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] == ALWAYS_ANSWERED:
            await self._app(scope, receive, send)
            return
        service = scope["state"]["service"]
        if service.status == "draining":
            refusal = service.unavailable()
            refusal.headers["Connection"] = "close"  # the client's next attempt may then reach another server
            raise refusal
        await service.requests.answer(self._app(scope, receive, send))
