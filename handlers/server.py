"""The process as its operator sees it: the port it listens on, and how it ends."""

import asyncio
import logging
import os
import socket
import sys
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from signal import Signals
from types import FrameType
from typing import Any, NoReturn

import uvicorn
from connexion import AsyncApp
from rich.console import Console

from handlers.http.errors import NO_SHAPES, APIError, ErrorShape
from handlers.http.protocol import ConnectionLimits, LimitedProtocol
from handlers.service import RETRY_AFTER, Service

logger = logging.getLogger(__name__)

BACKLOG = 2048
STUCK_SECONDS = 60.0
SEND_BYTES = 256 << 10  # of a connection, what the system buffers; a client that does not read stops its answer there
FAILURE_SECONDS = 0.5
FILES_SECONDS = 1.0
DEFAULT_LIMITS = ConnectionLimits()
LAST_WORDS_SECONDS = 1.0  # for the errors of requests that are ended early to get out


def listen(host: str, port: int, stuck_seconds: float = STUCK_SECONDS) -> socket.socket:
    """A socket that listens at an address; port 0 takes a free one. Raises OSError.

    Its connections close by themselves when their client takes nothing of what waits for it, or does not answer at
    all, for `stuck_seconds` (as far as the system can: Linux can). Without this a client that never reads would keep
    its connection, and the unsent part of its answer, for good.
    """
    ipv6 = ":" in host
    listener = socket.create_server(
        (host, port),
        family=socket.AF_INET6 if ipv6 else socket.AF_INET,
        backlog=BACKLOG,
        dualstack_ipv6=ipv6 and socket.has_dualstack_ipv6(),
    )
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BYTES)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    options = {
        "TCP_KEEPIDLE": max(1, int(stuck_seconds / 2)),
        "TCP_KEEPINTVL": max(1, int(stuck_seconds / 4)),
        "TCP_USER_TIMEOUT": int(stuck_seconds * 1000),
    }
    for name, value in options.items():
        if hasattr(socket, name):
            listener.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
    return listener


def url(host: str, port: int, scheme: str = "http") -> str:
    """Where a browser finds it."""
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


class Server(uvicorn.Server):
    """Uvicorn with another end: the first signal drains, the second ends the process at once.

    drain_seconds: how long requests that run at the first signal may go on. limits: of each connection.
    error_shapes: how refusals before a request is there are told, by path. exit_on_failure: it ends where the model
    cannot answer any more. options: more of uvicorn's, about TLS and proxies.
    """

    def __init__(
        self,
        app: AsyncApp,
        service: Service,
        drain_seconds: float,
        limits: ConnectionLimits = DEFAULT_LIMITS,
        *,
        error_shapes: Mapping[str, ErrorShape] = NO_SHAPES,
        exit_on_failure: bool = False,
        **options: Any,
    ) -> None:
        self._exit_on_failure = exit_on_failure
        super().__init__(
            uvicorn.Config(
                app,
                http=partial(LimitedProtocol, limits=limits, shapes=error_shapes),  # type: ignore[arg-type]
                ws="none",
                timeout_keep_alive=limits.idle_seconds,  # type: ignore[arg-type]
                log_config=None,
                server_header=False,
                timeout_graceful_shutdown=5,  # for connections whose client does not read the end of its answer
                **{"proxy_headers": False, **options},
            )
        )
        self._service, self._drain_seconds = service, drain_seconds
        self._loop: asyncio.AbstractEventLoop | None = None
        self._draining: asyncio.Task[None] | None = None
        self._ending: asyncio.Task[None] | None = None

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        """Serves until a signal or `should_exit` ends it."""
        self._loop = asyncio.get_running_loop()
        watches = [asyncio.create_task(watch_files())]
        if self._exit_on_failure:
            watches.append(asyncio.create_task(self._watch()))
        await super().serve(sockets)
        for watch in watches:
            watch.cancel()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Uvicorn's handler of SIGINT and SIGTERM, which may interrupt any line of Python in this thread."""
        assert self._loop is not None
        self._loop.call_soon_threadsafe(self.on_signal, Signals(sig).name)

    def on_signal(self, name: str) -> None:
        """The first call drains, the second ends the process."""
        if self._draining is None:
            self._draining = asyncio.create_task(self._drain(name))
        elif self._ending is None:
            self._draining.cancel()
            self._ending = asyncio.create_task(self._end(name))

    async def _watch(self) -> None:
        """Ends where the model has failed, once those who waited for it have been told."""
        while self._service.status != "failed":  # noqa: ASYNC110 (threads change it, and a look costs nothing)
            await asyncio.sleep(FAILURE_SECONDS)
        logger.critical("the model cannot answer any more; ending, as --exit-on-failure says")
        await asyncio.sleep(FAILURE_SECONDS)
        self.should_exit = True

    async def _drain(self, name: str) -> None:
        self._service.drain()
        running, seconds = len(self._service.requests), self._drain_seconds
        logger.info("%s: draining, %d requests running, at most %g s; again to end at once", name, running, seconds)
        try:
            async with asyncio.timeout(seconds):
                await self._service.requests.finished()
        except TimeoutError:
            await self._interrupt("the drain timeout is over")
        logger.info("drained, %d requests running; closing", len(self._service.requests))
        self.should_exit = True

    async def _interrupt(self, cause: str) -> None:
        """Ends what still runs with an error that its client gets, if it reads."""
        logger.warning("%s: ending %d requests that still run", cause, len(self._service.requests))
        message = "the server was shut down before the answer was complete; send the request again"
        self._service.requests.end(APIError(503, message, code="draining", headers=RETRY_AFTER))
        with suppress(TimeoutError):
            async with asyncio.timeout(LAST_WORDS_SECONDS):
                await self._service.requests.finished()

    async def _end(self, name: str) -> None:
        await self._interrupt(f"{name} again")
        await asyncio.sleep(0.1)  # what was written last is sent by the loop's next turns
        exit_at_once(1)


async def watch_files(seconds: float = FILES_SECONDS) -> None:
    """Says in the log when no file can be opened any more, and when one can again; looks every so many `seconds`.

    The loop drops connections then without a word; those that are open go on.
    """
    could = True
    while True:
        fault = file_fault()
        if fault is not None and could:
            logger.error("no connection can be taken: %s; raise ulimit -n, or lower --max-connections", fault)
        elif fault is None and not could:
            logger.warning("connections can be taken again")
        could = fault is None
        await asyncio.sleep(seconds)


def file_fault() -> str | None:
    """Why no file can be opened, None where one can."""
    try:
        os.close(os.open(os.devnull, os.O_RDONLY))
    except OSError as error:
        return os.strerror(error.errno) if error.errno else str(error)
    return None


def exit_at_once(status: int) -> NoReturn:
    """Ends the process without waiting for its threads: one that computes cannot be interrupted.

    The interpreter's own end would wait for some of them, abort on others that run in compiled code, and take seconds
    to free weights and programs one by one, which the system takes back at once. Close what was opened before.
    """
    Console(stderr=True).show_cursor()  # a progress bar may have hidden it
    logging.shutdown()
    with suppress(OSError):  # whoever read it may have gone
        sys.stdout.flush()
    os._exit(status)
