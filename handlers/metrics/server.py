"""The port of the metrics: a small server in threads of its own, which answers also while the API is busy."""

import logging
import socket
import threading
import time
from collections.abc import Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from socketserver import ThreadingTCPServer
from types import MappingProxyType
from typing import Any, Protocol

from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4

from handlers.http.access import known_key
from handlers.metrics.registry import Metrics

logger = logging.getLogger(__name__)
PATHS = ("/metrics", "/")
NO_KEY = b"the metrics want `Authorization: Bearer KEY`, of --metrics-key or, where none was given, of the API\n"
NO_HEADERS: Mapping[str, str] = MappingProxyType({})
BACKLOG = 128
MOST_CONNECTIONS = 32
PAUSE_SECONDS, QUIET_SECONDS = 1.0, 60.0
"""Between attempts to take a connection that the system refuses, and between lines of the log about it."""


class Measured(Protocol):
    """A service that has metrics."""

    metrics: Metrics


def serve_metrics(service: Measured, host: str, port: int, keys: frozenset[bytes] = frozenset()) -> "MetricsServer":
    """Serves the service's metrics at http://host:port/metrics until closed. Port 0 takes a free one.

    keys: digests of those of which a request must have one; without any everybody may ask.
    Raises OSError where the port cannot be had.
    """
    return MetricsServer(service.metrics, host, port, keys)


class MetricsServer:
    """Serves metrics over HTTP in threads of its own. port: the one it listens on."""

    def __init__(self, metrics: Metrics, host: str, port: int, keys: frozenset[bytes]) -> None:
        self._server = _Server(metrics, host, port, keys)
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.1,), name="metrics", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stops the server and frees its port. May be called again."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingTCPServer):
    allow_reuse_address = daemon_threads = True
    block_on_close = False
    request_queue_size = BACKLOG

    def __init__(self, metrics: Metrics, host: str, port: int, keys: frozenset[bytes]) -> None:
        self.metrics, self.keys = metrics, keys
        self._places = threading.Semaphore(MOST_CONNECTIONS)
        self._told = -QUIET_SECONDS
        found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        self.address_family, _, _, _, address = found[0]
        super().__init__((str(address[0]), port), _Handler)

    def get_request(self) -> tuple[socket.socket, Any]:
        """The next connection. Where the system refuses it, which it does again at once, this waits."""
        try:
            return self.socket.accept()
        except OSError as error:
            if time.monotonic() - self._told > QUIET_SECONDS:
                self._told = time.monotonic()
                logger.error("the metrics port cannot take connections: %s", error)
            time.sleep(PAUSE_SECONDS)
            raise

    def process_request(self, request: Any, client_address: Any) -> None:
        """Has it answered in a thread; one more than there may be is closed."""
        if self._places.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Answers it and gives its place to another."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._places.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        logger.debug("the metrics could not be sent to %s", client_address, exc_info=True)


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = 10.0  # seconds; a client that sends nothing does not keep its thread

    def version_string(self) -> str:
        """The `Server` header: not what it runs on."""
        return "jaxchat"

    def do_GET(self) -> None:
        """The text format whatever is accepted: in OpenMetrics every counter's name would end in `_total`."""
        if self.server.keys and known_key(self.headers.get("authorization", ""), self.server.keys) is None:
            self._send(HTTPStatus.UNAUTHORIZED, NO_KEY, "text/plain; charset=utf-8", {"WWW-Authenticate": "Bearer"})
            return
        if self.path.partition("?")[0] not in PATHS:
            self.send_error(HTTPStatus.NOT_FOUND, f"there is nothing here; the metrics are at {PATHS[0]}")
            return
        try:
            text = self.server.metrics.text()
        except Exception:
            logger.exception("the metrics could not be collected")
            self.send_error(HTTPStatus.INTERNAL_SERVER_ERROR, "the metrics could not be collected; see the log")
            return
        self._send(HTTPStatus.OK, text, CONTENT_TYPE_PLAIN_0_0_4)

    do_HEAD = do_GET

    def _send(self, status: HTTPStatus, text: bytes, media_type: str, headers: Mapping[str, str] = NO_HEADERS) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": media_type, "Content-Length": str(len(text)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(text)

    def log_message(self, format: str, *args: Any) -> None:
        logger.debug(format, *args)
