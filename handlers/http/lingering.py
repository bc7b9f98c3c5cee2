"""Connections that are closed so that the client can still read its answer (as nginx's `lingering_close`).

Where a connection is closed while its client still sends, the system answers with a reset, and the client may lose what
it has not read yet: why its request was refused.
"""

import asyncio
from collections.abc import Callable
from typing import Any


class LingeringTransport:
    """A connection like the one it has, but for its end.

    While the client may still be sending, `close` sends what waits to be sent and the end, and what still comes is
    dropped: for `seconds`, and `most` bytes of it. A second `close` ends it at once.
    sending: whether the client may still be sending. call_later: the loop's.
    """

    def __init__(
        self,
        transport: asyncio.Transport,
        seconds: float,
        most: int,
        sending: Callable[[], bool],
        call_later: Callable[..., asyncio.TimerHandle],
    ) -> None:
        self._transport, self._seconds, self._left = transport, seconds, most
        self._sending, self._call_later = sending, call_later
        self._closing = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def is_closing(self) -> bool:
        """Whether nothing more is sent on it."""
        return self._closing or self._transport.is_closing()

    def write(self, data: bytes) -> None:
        """Sends more, unless it has been ended: an answer that comes later reaches nobody, which is no error."""
        if not self.is_closing():
            self._transport.write(data)

    def close(self) -> None:
        """Ends it, once what waits is sent and the client sends no more."""
        if self.is_closing() or not self._sending():
            self._closing = True
            self._transport.close()
            return
        self._closing = True
        if self._transport.can_write_eof():  # not in TLS, whose clients know the length of an answer
            self._transport.write_eof()
        self._transport.resume_reading()
        self._call_later(self._seconds, self._transport.close)

    def drop(self, size: int) -> None:
        """So many bytes came behind its end."""
        self._left -= size
        if self._left < 0:
            self._transport.close()
