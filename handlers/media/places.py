"""Places for work that holds memory, which clients share."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from handlers.http.errors import too_many

RETRY_AFTER = 2


class Places:
    """At most `all_clients` hold one at a time, `one_client` of them for one client; others wait as they came.

    At most `waiting` wait: more get 429. For one event loop. name: what they are for, as a client is told.
    """

    def __init__(self, name: str, all_clients: int, one_client: int, waiting: int) -> None:
        self._name, self._each, self._most_waiting = name, one_client, waiting
        self._all = asyncio.Semaphore(all_clients)
        self._clients: dict[str | None, asyncio.Semaphore] = {}
        self._present: Counter[str | None] = Counter()
        self._waiting = 0

    @asynccontextmanager
    async def one(self, client: str | None) -> AsyncIterator[None]:
        """Holds a place for the block; raises APIError 429 where too many wait already."""
        if self._waiting >= self._most_waiting:
            raise too_many(f"too much {self._name} is being waited for", "media_busy", RETRY_AFTER)
        own = self._clients.setdefault(client, asyncio.Semaphore(self._each))
        self._present[client] += 1
        self._waiting += 1
        waits = True
        try:
            async with own, self._all:
                self._waiting, waits = self._waiting - 1, False
                yield
        finally:
            self._waiting -= waits
            self._present[client] -= 1
            if not self._present[client]:
                del self._present[client], self._clients[client]
