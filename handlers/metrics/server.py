"""The port of the metrics: a small server in threads of its own, which answers also while the API is busy."""

import logging
import socket
import threading
import time
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from socketserver import ThreadingTCPServer
from typing import Any, Protocol

from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4

from handlers.metrics.registry import Metrics

logger = logging.getLogger(__name__)
PATHS = ("/metrics", "/")
BACKLOG = 128
MOST_CONNECTIONS = 32
PAUSE_SECONDS, QUIET_SECONDS = 1.0, 60.0
"""Between attempts to take a connection that the system refuses, and between lines of the log about it."""


class Measured(Protocol):
    """A service that has metrics."""

    metrics: Metrics


def serve_metrics(service: Measured, host: str, port: int) -> "MetricsServer":
    """Serves the service's metrics at http://host:port/metrics until closed. Port 0 takes a free one.

    Raises OSError where the port cannot be had.
    """
    return MetricsServer(service.metrics, host, port)


class MetricsServer:
    """Serves metrics over HTTP in threads of its own. port: the one it listens on."""

    def __init__(self, metrics: Metrics, host: str, port: int) -> None:
        self._server = _Server(metrics, host, port)
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

    def __init__(self, metrics: Metrics, host: str, port: int) -> None:
        self.metrics = metrics
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
        if self.path.partition("?")[0] not in PATHS:
            self.send_error(HTTPStatus.NOT_FOUND, f"there is nothing here; the metrics are at {PATHS[0]}")
            return
        try:
            text = self.server.metrics.text()
        except Exception:
            logger.exception("the metrics could not be collected")
            self.send_error(HTTPStatus.INTERNAL_SERVER_ERROR, "the metrics could not be collected; see the log")
            return
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", CONTENT_TYPE_PLAIN_0_0_4)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(text)

    do_HEAD = do_GET

    def log_message(self, format: str, *args: Any) -> None:
        logger.debug(format, *args)
