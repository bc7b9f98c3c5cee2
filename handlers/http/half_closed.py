"""Clients that close their half of a connection once they have sent their request, and those that have left.

Both look alike until something is sent: who reads takes it, who has left answers with a reset. `nc -N` and old clients
do the first; RFC 9112 leaves it to the server what to think of it.
"""

import asyncio
import socket
from collections.abc import Callable
from typing import cast

from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

WATCH_SECONDS = 0.2
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
"""What every client of HTTP/1.1 passes over; others are not sent it."""
_CLOSED = 7
"""TCP_CLOSE, the state of a Linux socket after a reset."""


def can_tell(transport: asyncio.Transport) -> bool:
    """Whether it can be told here which of the two a client is: TLS has no half of a connection."""
    return transport.get_extra_info("sslcontext") is None and _state(transport) is not None


def watch(
    transport: asyncio.Transport, cycle: RequestResponseCycle, call_later: Callable[..., asyncio.TimerHandle]
) -> None:
    """Ends the connection as soon as a client who sends no more turns out to have left, until its answer is complete.

    Who waits for the beginning of an answer in HTTP/1.0 cannot be sent anything before, and is noticed then.
    """
    if not cycle.response_started and cycle.scope["http_version"] != "1.0":
        transport.write(CONTINUE)

    def look() -> None:
        if cycle.response_complete or transport.is_closing():
            return
        if _state(transport) == _CLOSED:
            transport.abort()
        else:
            call_later(WATCH_SECONDS, look)

    call_later(WATCH_SECONDS / 10, look)


def _state(transport: asyncio.Transport) -> int | None:
    """Of the connection, as Linux numbers them; None where the system does not say."""
    if not hasattr(socket, "TCP_INFO"):
        return None
    try:
        info = transport.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)
    except (OSError, AttributeError):
        return None
    return cast(bytes, info)[0]
