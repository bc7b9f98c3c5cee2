"""`jaxchat serve`: a process that answers on the API's port until it is told to end."""

import logging
import resource
import socket
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from handlers.app import create_app
from handlers.cli.loading import load
from handlers.cli.logs import set_up_logging
from handlers.http.protocol import ConnectionLimits
from handlers.metrics import serve_metrics
from handlers.server import Server, exit_at_once, listen, url
from handlers.service import LoadedModel, Service
from handlers.settings import ServeSettings

logger = logging.getLogger(__name__)
MOST_FILES = 65536
OTHER_FILES = 200  # than connections: ports, logs, caches, processes that compile


def serve(settings: ServeSettings) -> None:
    """Serves until a signal ends it; ends the process."""
    set_up_logging(settings.log_level)
    most = min(settings.max_connections, allow_many_connections() - OTHER_FILES)
    service = Service(lambda: load_or_stop(settings, server), settings.model_names, settings.request_timeout)
    server = Server(create_app(service), service, settings.drain_timeout, ConnectionLimits(connections=most))
    with open_ports(settings, service) as listener:
        server.run(sockets=[listener])
    exit_at_once(0 if service.reason is None else 1)


@contextmanager
def open_ports(settings: ServeSettings, service: Service) -> Iterator[socket.socket]:
    """The socket of the API; beside it metrics are served, if they are. A port that is taken ends the process."""
    host = settings.host
    with ExitStack() as stack:
        with port_error("port", host, settings.port):
            listener = stack.enter_context(listen(host, settings.port))
        logger.info("API: %s", url(host, listener.getsockname()[1]))
        if settings.metrics:
            with port_error("metrics-port", host, settings.metrics_port):
                metrics = serve_metrics(service, host, settings.metrics_port)
            stack.callback(metrics.close)
            logger.info("metrics: %s/metrics", url(host, metrics.port))
        yield listener


@contextmanager
def port_error(flag: str, host: str, port: int) -> Iterator[None]:
    """Ends the process with a line that names the flag where the port cannot be had."""
    try:
        yield
    except OSError as error:
        sys.exit(f"jaxchat: error: {port_fault(flag, host, port, error)}")


def port_fault(flag: str, host: str, port: int, error: OSError) -> str:
    """Why a port cannot be had, and what to do."""
    return f"--{flag}: cannot listen on {host} port {port}: {error.strerror or error}; give another --{flag}"


def load_or_stop(settings: ServeSettings, server: Server) -> LoadedModel:
    """`load`; a server that cannot load its model stops."""
    try:
        return load(settings)
    except Exception:
        server.should_exit = True
        raise


def allow_many_connections() -> int:
    """As many open files as the system lets this process have: each connection is one, and often 1024 are the start.

    Gives how many that are.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, MOST_FILES)
    if soft == resource.RLIM_INFINITY or soft >= most:
        return most
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    return most
