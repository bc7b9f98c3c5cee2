"""`jaxchat serve`: a process that answers on the API's port until it is told to end."""

import errno
import gc
import ipaddress
import logging
import os
import resource
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from backend import MODALITIES, Modality
from handlers.app import ERROR_SHAPES, create_app
from handlers.cli.loading import follow, load
from handlers.cli.logs import set_up_logging
from handlers.http.access import HEALTH, LOCAL_HOSTS, Access, digests
from handlers.http.protocol import ConnectionLimits
from handlers.loaded import MediaEncoder, Model, PoolingModel
from handlers.media.decoding import INSTALL, missing_packages
from handlers.media.fetch import FetchPolicy, environment_proxies
from handlers.media.limits import MediaLimits
from handlers.media.reader import MediaReader
from handlers.metrics import serve_metrics
from handlers.server import Server, exit_at_once, listen, url
from handlers.service import Acceptance, Service
from handlers.settings import ServeSettings
from handlers.tracing import Tracing, tracing_from_environment

if TYPE_CHECKING:
    from backend import Leader

logger = logging.getLogger(__name__)
MOST_FILES = 65536
OTHER_FILES = 200  # than connections: ports, logs, caches, processes that compile


def serve(settings: ServeSettings) -> None:
    """Serves until a signal ends it; ends the process."""
    set_up_logging(settings.log_level, settings.log_format)
    leader = meet_hosts(settings)
    most = most_connections(settings.max_connections)
    acceptance = Acceptance(settings.strict, settings.clamp_max_tokens)
    service = Service(
        lambda: load_or_stop(settings, server, leader),
        settings.model_names,
        settings.request_timeout,
        acceptance,
        settings.report_cached_tokens,
        None if settings.adapter_folder is None else settings.adapter_folder.resolve(),
    )
    tracing = traced()
    app = create_app(
        service,
        max_body_bytes=settings.max_body_bytes,
        access=access(settings),
        store_bytes=0 if settings.response_store == "off" else settings.response_store,
        store_seconds=settings.response_lifetime,
        page=settings.page,
        tracing=tracing,
    )
    limits = ConnectionLimits(connections=most, idle_seconds=settings.keep_alive)
    options = {"exit_on_failure": settings.exit_on_failure, **proxy_and_tls(settings)}
    server = Server(app, service, settings.drain_timeout, limits, error_shapes=ERROR_SHAPES, **options)
    with open_ports(settings, service) as listener:
        server.run(sockets=[listener])
    tracing.close()
    exit_at_once(0 if service.reason is None else 1)


def meet_hosts(settings: ServeSettings) -> "Leader | None":
    """The other processes of an engine over several hosts, None for none. In one of these it stays, and ends it."""
    if settings.coordinator is None:
        return None
    from backend import Leader, join_hosts

    try:
        hosts = join_hosts(settings.coordinator, settings.num_processes, settings.process_id)
        if isinstance(hosts, Leader):
            hosts.watch(_cannot_load)
            return hosts
        signal.signal(signal.SIGTERM, _wait_for_leader)  # a cluster ends all of its processes at the same time
        follow(settings, hosts)
    except ValueError as error:
        logger.error("%s", error)
        exit_at_once(1)
    return exit_at_once(0)


def _cannot_load(reason: str) -> None:
    """A process that went before the engine was there: whoever waits for its devices waits for ever."""
    logger.critical("the model cannot be loaded: %s", reason)
    exit_at_once(1)


def _wait_for_leader(number: int, _: object) -> None:
    logger.info("the first process drains, and ends this one; a second signal ends it at once")
    signal.signal(number, signal.SIG_DFL)


def traced() -> Tracing:
    """What traces requests, by OpenTelemetry's variables. Ends the process where they name what is not installed."""
    try:
        return tracing_from_environment(os.environ)
    except ValueError as error:
        sys.exit(f"jaxchat: error: {error}")


def access(settings: ServeSettings) -> Access:
    """Who may ask."""
    local, hosts = is_loopback(settings.address), frozenset(name.lower() for name in settings.allowed_hosts)
    return Access(
        keys=digests(settings.keys),
        hosts=hosts | LOCAL_HOSTS if local or hosts else None,
        origins=frozenset(settings.allowed_origins),
        open_paths=frozenset([HEALTH] if settings.open_monitoring else []),
    )


def proxy_and_tls(settings: ServeSettings) -> dict[str, Any]:
    """Options of uvicorn."""
    options: dict[str, Any] = {"proxy_headers": settings.trusted_proxies is not None}
    if settings.trusted_proxies is not None:
        options["forwarded_allow_ips"] = settings.trusted_proxies
    if settings.ssl_certfile is not None:
        options |= {"ssl_certfile": settings.ssl_certfile, "ssl_keyfile": settings.ssl_keyfile}
    return options


def is_loopback(host: str) -> bool:
    """Whether an address is one that only this machine reaches."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def who_may_ask(settings: ServeSettings) -> str:
    """A line for the log: from where the server is reached, and what it wants."""
    keys = f"{len(settings.keys)} API keys" if settings.keys else "no API key"
    if is_loopback(settings.address):
        return f"only this machine reaches it, {keys} needed; --host 0.0.0.0 or an API key opens it to others"
    return f"other machines reach it, {keys} needed" + ("" if settings.keys else "; --api-key asks for one")


@contextmanager
def open_ports(settings: ServeSettings, service: Service) -> Iterator[socket.socket]:
    """The socket of the API; beside it metrics are served, if they are. A port that is taken ends the process."""
    host = settings.address
    with ExitStack() as stack:
        with port_error("port", host, settings.port):
            listener = stack.enter_context(listen(host, settings.port))
        scheme = "http" if settings.ssl_certfile is None else "https"
        logger.info("API: %s; %s", url(host, listener.getsockname()[1], scheme), who_may_ask(settings))
        if settings.metrics:
            with port_error("metrics-port", host, settings.metrics_port):
                metrics = serve_metrics(service, host, settings.metrics_port, digests(settings.metrics_keys))
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
    # Those of names that cannot be looked up are negative: `socket.create_server` keeps nothing else of them.
    if error.errno == errno.EADDRNOTAVAIL or (error.errno or 0) < 0:
        return f"--host: {host} is no address of this machine; give one that is, such as 127.0.0.1 or 0.0.0.0"
    return f"--{flag}: cannot listen on {host} port {port}: {error.strerror or error}; give another --{flag}"


def load_or_stop(settings: ServeSettings, server: Server, leader: "Leader | None") -> Model:
    """`load`, with what reads media where the model takes any; a server that cannot load its model stops."""
    try:
        loaded = load(settings, leader)
        if not isinstance(loaded, PoolingModel) and loaded.encoder is not None:
            loaded = replace(loaded, reader=media_reader(settings, loaded.encoder))
    except Exception:
        server.should_exit = True
        raise
    keep_for_good()
    return loaded


def keep_for_good() -> None:
    """Has all that is there now left out when garbage is looked for.

    Programs and models are most of a million objects; to go through them holds everybody up for half a second, which a
    body of many values brings about.
    """
    gc.collect()
    gc.freeze()


def media_reader(settings: ServeSettings, encoder: MediaEncoder) -> MediaReader | None:
    """What reads media as the settings say, None where the packages for it are missing; what it does is logged."""
    if missing_packages():
        logger.warning("media: %s", describe_media(settings, encoder.modalities))
        return None
    limits = MediaLimits.of(
        bytes=settings.media_max_bytes,
        pixels=settings.media_max_pixels,
        duration=settings.media_max_duration,
        fetch_seconds=settings.media_timeout,
    )
    policy = fetch_policy(settings)
    folder = settings.media_folder and settings.media_folder.expanduser().absolute()
    reader = MediaReader(limits, policy, folder)
    reader.warm()
    if policy.allowed and (proxies := environment_proxies()):
        logger.warning("media: not fetched from hosts behind the proxies of the environment (%s)", ", ".join(proxies))
    logger.info("media: %s", describe_media(settings, encoder.modalities))
    return reader


def fetch_policy(settings: ServeSettings) -> FetchPolicy:
    """Where media are fetched from."""
    return FetchPolicy(settings.media_fetch, frozenset(name.lower() for name in settings.allowed_media_domains))


def describe_media(settings: ServeSettings, modalities: frozenset[Modality]) -> str:
    """What is taken beside text and where it is fetched from, or why it is not taken, for people."""
    takes = " and ".join(name for name in MODALITIES if name in modalities)
    if missing := missing_packages():
        return f"{takes}: not taken, for want of {' and '.join(missing)}; {INSTALL}"
    policy = fetch_policy(settings)
    places = ", ".join(sorted(policy.domains)) or "every public host"
    return f"{takes}, fetched from {places if policy.allowed else 'nowhere (--no-media-fetch)'}"


def most_connections(asked: int) -> int:
    """As many as are asked for, or as the system lets this process have. Ends the process where that is none."""
    files = allow_many_connections()
    if files <= OTHER_FILES:
        least = OTHER_FILES + 1
        sys.exit(f"jaxchat: error: {files} files may be open, and at least {least} are needed; raise it with ulimit -n")
    return min(asked, files - OTHER_FILES)


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
