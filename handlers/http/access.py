"""Who may ask: API keys, the Host that a browser was made to send, and pages of other sites."""

import hashlib
import hmac
from collections.abc import Iterable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from handlers.http.errors import APIError

HEALTH = "/health"
LOCAL_HOSTS = frozenset(["localhost", "127.0.0.1", "::1"])
SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
HTML_HEADERS = {
    b"content-security-policy": b"default-src 'self'; img-src 'self' data:; script-src 'self' 'unsafe-inline'; "
    b"style-src 'self' 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    b"x-frame-options": b"DENY",
}


@dataclass(frozen=True)
class Access:
    """Who may ask what.

    keys: digests of the API keys, see `digests`; without any everybody may ask. hosts: names that the Host header of a
    request may have, in lower case, without port; None for any. origins: of pages on other sites that may ask, such as
    "https://example.org", or "*". open_paths: need no key. open_folders: nor do paths that begin so.
    """

    keys: frozenset[bytes] = frozenset()
    hosts: frozenset[str] | None = None
    origins: frozenset[str] = field(default_factory=frozenset)
    open_paths: frozenset[str] = frozenset([HEALTH])
    open_folders: tuple[str, ...] = ()


def digests(keys: Iterable[str]) -> frozenset[bytes]:
    """API keys as they are kept and compared: so that neither memory nor time tells them."""
    return frozenset(hashlib.sha256(key.encode()).digest() for key in keys)


def known_key(authorization: str, keys: frozenset[bytes]) -> bytes | None:
    """Which of the `keys`, see `digests`, a value of the header Authorization has; None for none of them."""
    scheme, _, key = authorization.partition(" ")
    digest = hashlib.sha256(key.strip().encode("latin-1")).digest()
    known = [hmac.compare_digest(digest, own) for own in keys]  # all, so that time tells nothing
    return digest if scheme.lower() == "bearer" and any(known) else None


class AccessMiddleware:
    """Refuses whoever may not ask: 401 without a key, 403 from another site or under another name."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app, self._access = app, access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        self._check_host(headers)
        self._check_origin(scope, headers)
        client = self._client(scope, headers)
        namespace = client if self._access.keys else None
        scope = {**scope, "state": {**scope["state"], "client": client, "cache_namespace": namespace}}
        await self._app(scope, receive, _with_page_headers(send))

    def _check_host(self, headers: Headers) -> None:
        """Another site's name can be made to mean this machine, so that its pages are let through to it."""
        host = headers.get("host")
        if self._access.hosts is not None and host is not None and _name(f"//{host}") not in self._access.hosts:
            message = f"the Host {host!r} is none of this server's; --allowed-hosts can add it"
            raise APIError(403, message, code="host_not_allowed")

    def _check_origin(self, scope: Scope, headers: Headers) -> None:
        """A page of any site can send what needs no consent, and a request is answered before consent is asked for."""
        origin, allowed = headers.get("origin"), self._access.origins
        if origin is None or scope["method"] in SAFE_METHODS or "*" in allowed or origin in allowed:
            return
        if origin.partition("//")[2].lower() != headers.get("host", "").lower():
            message = f"pages of {origin!r} may not ask this server; --allowed-origins can let them"
            raise APIError(403, message, code="origin_not_allowed")

    def _client(self, scope: Scope, headers: Headers) -> str | None:
        """A name for who asks, by which clients are told apart: that of its key, or its address."""
        address = scope.get("client")
        client = None if address is None else str(address[0])
        if not self._access.keys:
            return client
        own = headers.get("authorization", ""), f"Bearer {headers.get('x-api-key', '')}"  # the latter is Anthropic's
        digest = next(filter(None, (known_key(each, self._access.keys) for each in own)), None)
        if digest is not None:
            return f"key {digest.hex()[:12]}"
        if scope["path"] in self._access.open_paths or scope["path"].startswith(self._access.open_folders):
            return client
        message = "this server wants one of its API keys, as `Authorization: Bearer KEY` or `x-api-key: KEY`"
        raise APIError(401, message, code="invalid_api_key", headers={"WWW-Authenticate": "Bearer"})


def _name(url: str) -> str | None:
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None


def _with_page_headers(send: Send) -> Send:
    """`send` that tells browsers to take answers for what they are called, and pages for nobody's frame."""

    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = [*message.get("headers", []), (b"x-content-type-options", b"nosniff")]
            own = dict(headers)
            if own.get(b"content-type", b"").startswith(b"text/html"):
                headers += [(name, value) for name, value in HTML_HEADERS.items() if name not in own]
            message = {**message, "headers": headers}
        await send(message)

    return send_with_headers
