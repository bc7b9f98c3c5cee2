"""`http:` and `https:` URLs, fetched in an event loop of their own, from public addresses only.

A name is looked up once, when the connection is made, and the connection goes to an address of that answer: no second
look-up can say something else. Each redirect is a new URL that is checked like the first.
"""

import asyncio
import re
import socket
import ssl
import threading
from collections.abc import Awaitable, Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.request import getproxies_environment, proxy_bypass

import httpcore
import httpx

from handlers.media.addresses import Address, is_public, literal
from handlers.media.limits import DEFAULT_LIMITS, Budget, MediaError, MediaLimits

Resolve = Callable[[str, int], Awaitable[Iterable[str]]]
MOST_REDIRECTS = 3
REDIRECTS = {301, 302, 303, 307, 308}
LONGEST_URL = 8192
LOOK_UPS = 32
WEB_PORTS, UNRESERVED_PORTS = {80, 443}, range(1024, 65536)
CONNECT_SECONDS = 5.0  # for each of a host's addresses
_HOST = re.compile(r"[a-z0-9._-]+|[0-9a-f:.]+")
HEADERS = [(b"User-Agent", b"jaxchat"), (b"Accept", b"*/*"), (b"Accept-Encoding", b"identity")]


@dataclass(frozen=True)
class FetchPolicy:
    """Where URLs of requests may lead. allowed: whether anywhere. domains: if any, to these and those below them."""

    allowed: bool = True
    domains: frozenset[str] = frozenset()


EVERYWHERE = FetchPolicy()


class Fetcher:
    """Fetches URLs, any number at a time, in a thread of its own. May be used by any event loop.

    resolve: name and port -> addresses; the system's look-up by default. connect: what connects to an address.
    """

    def __init__(
        self,
        policy: FetchPolicy = EVERYWHERE,
        limits: MediaLimits = DEFAULT_LIMITS,
        *,
        resolve: Resolve | None = None,
        connect: httpcore.AsyncNetworkBackend | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._policy, self._limits = policy, limits
        self._resolve = resolve or self._look_up
        self._connect = connect or httpcore.AnyIOBackend()
        self._tls = tls
        self._look_ups = ThreadPoolExecutor(LOOK_UPS, thread_name_prefix="media-name")
        self._loop = asyncio.new_event_loop()
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    async def fetch(self, url: str, budget: Budget) -> bytes:
        """The body of the answer to a GET of `url`. Cancelled with who waits for it.

        Raises MediaError for what may not be fetched, cannot be, takes too long or has more bytes than the budget.
        """
        if not self._policy.allowed:
            raise MediaError("is to be fetched, and this server fetches nothing (--no-media-fetch); send a data: URL")
        self._start()
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(self._in_time(url, budget), self._loop))

    def close(self) -> None:
        """Ends what is being fetched."""
        with self._lock:
            thread, self._thread = self._thread, None
        if thread is not None:
            asyncio.run_coroutine_threadsafe(_cancel_others(), self._loop).result(5)
            self._loop.call_soon_threadsafe(self._loop.stop)
            thread.join()
        if not self._loop.is_running():
            self._loop.close()
        self._look_ups.shutdown(wait=False, cancel_futures=True)

    def _start(self) -> None:
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._loop.run_forever, name="media-fetch", daemon=True)
                self._thread.start()

    async def _in_time(self, url: str, budget: Budget) -> bytes:
        seconds = self._limits.fetch_seconds
        try:
            async with asyncio.timeout(seconds):
                return await self._follow(url, budget)
        except TimeoutError as error:
            raise MediaError(f"was not fetched within {seconds:g} s") from error

    async def _follow(self, url: str, budget: Budget) -> bytes:
        for _ in range(1 + MOST_REDIRECTS):
            answer = await self._get(checked_url(url, self._policy), budget)
            if isinstance(answer, bytes):
                return answer
            url = answer
        raise MediaError(f"was redirected more than {MOST_REDIRECTS} times")

    async def _get(self, url: httpx.URL, budget: Budget) -> bytes | str:
        """The body, or where it is to be found instead."""
        refuse_proxies(url)
        target = httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path)
        headers = [*HEADERS, (b"Host", url.netloc)]
        backend, extensions = _Pinned(self._resolve, self._connect), {"timeout": {"connect": CONNECT_SECONDS}}
        pool = httpcore.AsyncConnectionPool(ssl_context=self._tls or default_tls(), network_backend=backend)
        try:
            async with pool, pool.stream("GET", target, headers=headers, extensions=extensions) as answer:
                given = {name.lower(): value for name, value in answer.headers}
                if answer.status in REDIRECTS and b"location" in given:
                    return str(url.join(given[b"location"].decode("latin-1")))
                if answer.status != 200:
                    raise MediaError(f"was answered with the status {answer.status}")
                return await _body(answer, given, budget)
        except (httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError, OSError) as error:
            raise MediaError(f"could not be fetched from {url.host}: {_reason(error)}") from error
        except httpx.InvalidURL as error:
            raise MediaError(f"was redirected to what is no URL: {error}") from error

    async def _look_up(self, host: str, port: int) -> Iterable[str]:
        found = await self._loop.run_in_executor(
            self._look_ups, lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        )
        return [str(address[0]) for *_, address in found]


class _Pinned(httpcore.AsyncNetworkBackend):
    """Connects to the addresses that one look-up gives, if all of them are public."""

    def __init__(self, resolve: Resolve, connect: httpcore.AsyncNetworkBackend) -> None:
        self._resolve, self._connect = resolve, connect

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 (httpcore's signature)
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        failed: httpcore.NetworkError | httpcore.TimeoutException | None = None
        for address in await public_addresses(host, port, self._resolve):
            try:
                return await self._connect.connect_tcp(str(address), port, timeout, local_address, socket_options)
            except (httpcore.NetworkError, httpcore.TimeoutException) as error:
                failed = error
        assert failed is not None
        raise failed


async def public_addresses(host: str, port: int, resolve: Resolve) -> Sequence[Address]:
    """The addresses of a host, at least one. Raises MediaError where there are none, or any is not public.

    Both are one error: nobody shall learn from it which names a private network has.
    """
    found: list[Address | None]
    if (own := literal(host)) is not None:
        found = [own]
    else:
        try:
            found = [literal(text) for text in await resolve(host, port)]
        except (OSError, UnicodeError):
            found = []
    addresses = [address for address in found if address is not None and is_public(address)]
    if not addresses or len(addresses) < len(found):
        raise MediaError(f"leads to {host[:100]}, which is no host of the public internet; only those are fetched from")
    return addresses


def checked_url(text: str, policy: FetchPolicy) -> httpx.URL:
    """The URL of a text. Raises MediaError where it may not be fetched, whatever its host's addresses are."""
    if len(text) > LONGEST_URL:
        raise MediaError(f"has {len(text):,} characters, more than the {LONGEST_URL:,} of a URL")
    try:
        url = httpx.URL(text)
    except (httpx.InvalidURL, ValueError) as error:
        raise MediaError(f"is no URL: {error}") from error
    if url.scheme not in ("http", "https"):
        scheme = f"the scheme {url.scheme[:20]!r}" if url.scheme else "no scheme"
        raise MediaError(f"has {scheme}; there are data, https, http and file")
    if url.userinfo:
        raise MediaError("has a user's name before its host, which is not sent; leave it out")
    host = url.raw_host.decode().lower().rstrip(".")
    if not _HOST.fullmatch(host):
        raise MediaError(f"has {host[:100]!r} for a host, which is none" if host else "names no host")
    if url.port is not None and url.port not in WEB_PORTS and url.port not in UNRESERVED_PORTS:
        raise MediaError(f"has the port {url.port}; there are 80, 443, and those from 1024 on")
    if policy.domains and not any(host == domain or host.endswith(f".{domain}") for domain in policy.domains):
        raise MediaError(f"leads to {host[:100]}, which is not among --allowed-media-domains")
    return url


def environment_proxies() -> list[str]:
    """For which schemes the environment names a proxy."""
    return sorted({"http", "https", "all"} & set(getproxies_environment()))


def refuse_proxies(url: httpx.URL) -> None:
    """Raises MediaError where the environment wants a proxy to connect: behind one no address can be checked."""
    proxies = getproxies_environment()
    if (url.scheme in proxies or "all" in proxies) and not proxy_bypass(url.host):
        raise MediaError(
            f"leads to {url.host[:100]}, for which this server has a proxy in its environment, and behind one no "
            "address can be checked; send a data: URL"
        )


async def _body(answer: httpcore.Response, headers: dict[bytes, bytes], budget: Budget) -> bytes:
    encoding = headers.get(b"content-encoding", b"identity").decode("latin-1")
    if encoding.lower() != "identity":
        raise MediaError(f"came with the encoding {encoding[:40]!r}, which was not asked for")
    length, body = headers.get(b"content-length", b""), bytearray()
    taken = int(length[:20]) if length.isdigit() else 0
    budget.take(taken)
    async for part in answer.aiter_stream():
        body += part
        if len(body) > taken:
            budget.take(len(body) - taken)
            taken = len(body)
    return bytes(body)


def _reason(error: Exception) -> str:
    return (str(error) or type(error).__name__)[:200]


@cache
def default_tls() -> ssl.SSLContext:
    """Which certificates are believed: those of the package certifi, or of SSL_CERT_FILE and SSL_CERT_DIR."""
    return httpx.create_ssl_context()


async def _cancel_others() -> None:
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks) if tasks else None
