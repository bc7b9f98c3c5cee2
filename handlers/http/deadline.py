"""How long a request may take."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

from handlers.http.errors import APIError

Item = TypeVar("Item")
TIMEOUT_CODE = "request_timeout"
"""The code of the APIError by which a request ends that took too long."""


class Deadline:
    """The moment at which a request must be answered: `seconds` after this is made, never for None.

    What runs into it gets 504. 408 would be wrong: it blames the client for sending slowly. So would 429, though an old
    client library of Friendli's names it: that says to send less often, and when the same request will be taken.
    """

    def __init__(self, seconds: float | None) -> None:
        self._seconds = seconds
        self._loop = asyncio.get_running_loop()
        self._at = None if seconds is None else self._loop.time() + seconds

    @asynccontextmanager
    async def enforced(self) -> AsyncIterator[None]:
        """Cancels the `async with` block at the deadline; then raises APIError 504."""
        try:
            async with asyncio.timeout_at(self._at) as scope:
                yield
        except TimeoutError as error:
            if scope.expired():
                raise self._error() from error
            raise

    def each(self, items: AsyncIterator[Item]) -> AsyncIterator[Item]:
        """Passes on the items that come before the deadline, at which it raises APIError 504."""
        return items if self._at is None else self._until(self._at, items)

    def call(self, function: Callable[[], None]) -> Callable[[], None]:
        """Has `function` called at the deadline; calling what this returns prevents that."""
        if self._at is None:
            return lambda: None
        return self._loop.call_at(self._at, function).cancel

    async def _until(self, end: float, items: AsyncIterator[Item]) -> AsyncIterator[Item]:
        while self._loop.time() < end:
            async with self.enforced():
                try:
                    item = await anext(items)
                except StopAsyncIteration:
                    return
            yield item
        raise self._error()

    def _error(self) -> APIError:
        message = (
            f"the answer was not complete after {self._seconds:g} seconds, which is as long as this server works on a "
            "request; ask for fewer tokens (max_tokens, n), or try again when there is less to do"
        )
        return APIError(504, message, code=TIMEOUT_CODE)
