"""Work for a client that may leave while it is done."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from connexion.context import receive
from starlette.requests import ClientDisconnect

Result = TypeVar("Result")


async def while_connected(work: Coroutine[Any, Any, Result]) -> Result:
    """The result of `work`; raises ClientDisconnect as soon as the client leaves, once `work` has been cancelled.

    For a handler of a request whose body has been read.
    """
    response, departure = asyncio.create_task(work), asyncio.create_task(_departure())
    try:
        await asyncio.wait({response, departure}, return_when=asyncio.FIRST_COMPLETED)
        if not response.done():
            raise ClientDisconnect()
        return response.result()
    finally:
        response.cancel()
        departure.cancel()
        await asyncio.wait({response, departure})


async def _departure() -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
