"""Several asynchronous iterators read as one."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import TypeVar

Item = TypeVar("Item")


@dataclass(frozen=True)
class _Ended:
    """A source has ended, with an error or without one."""

    error: Exception | None = None


async def interleaved(sources: Sequence[AsyncGenerator[Item, None]]) -> AsyncIterator[Item]:
    """The items of all sources as they come, those of each in its order; the first error ends all of them."""
    ready: asyncio.Queue[Item | _Ended] = asyncio.Queue(1)

    async def read(source: AsyncGenerator[Item, None]) -> None:
        try:
            async with aclosing(source):
                async for item in source:
                    await ready.put(item)
            end = _Ended()
        except Exception as error:
            end = _Ended(error)
        await ready.put(end)

    reading = [asyncio.create_task(read(source)) for source in sources]
    running = len(reading)
    try:
        while running:
            item = await ready.get()
            if not isinstance(item, _Ended):
                yield item
            elif item.error is not None:
                raise item.error
            else:
                running -= 1
    finally:
        for task in reading:
            task.cancel()
        await asyncio.wait(reading)
