"""Requests counted by endpoint, whatever became of them: by paths of the document, never by those of clients."""

import time
from collections.abc import Callable
from contextvars import ContextVar

from prometheus_client import CollectorRegistry, Counter, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

OTHER = "other"
METHODS = frozenset(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"])
LEFT = "499"
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)
current_endpoint: ContextVar[str] = ContextVar("endpoint", default=OTHER)
"""That of the request that is being handled."""


class EndpointInstruments:
    """The counters and distributions that requests are counted in by their endpoint. registry: where Prometheus finds
    them."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.requests = Counter(
            "jaxchat_http_requests",
            "Requests by endpoint, method and status of the answer; 499 where the client left before there was one",
            ["endpoint", "method", "status"],
            registry=registry,
        )
        self.seconds = Histogram(
            "jaxchat_http_request_seconds",
            "Seconds from the head of a request to the last byte of its answer",
            ["endpoint"],
            buckets=SECONDS,
            registry=registry,
        )
        self.generations = Counter(
            "jaxchat_generations",
            "Requests that generate: answered to their end, or why they were not",
            ["endpoint", "outcome"],
            registry=registry,
        )
        self.first_text = Histogram(
            "jaxchat_first_text_seconds",
            "Seconds from a request to the first text of its answer",
            ["endpoint"],
            buckets=SECONDS,
            registry=registry,
        )
        self.tokens = Counter(
            "jaxchat_endpoint_tokens",
            "Tokens of prompts that were taken in, and of choices that came to their end",
            ["endpoint", "kind"],
            registry=registry,
        )


class EndpointMiddleware:
    """Counts every request. endpoint: what a path is counted as, one of few words."""

    def __init__(self, app: ASGIApp, instruments: EndpointInstruments, endpoint: Callable[[str, str], str]) -> None:
        self._app, self._instruments, self._endpoint = app, instruments, endpoint

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun, status = time.monotonic(), LEFT
        endpoint = self._endpoint(scope["method"], scope["path"])
        current_endpoint.set(endpoint)

        async def send_seen(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = str(message["status"])
            await send(message)

        try:
            await self._app(scope, receive, send_seen)
        finally:
            method = scope["method"] if scope["method"] in METHODS else OTHER
            self._instruments.requests.labels(endpoint, method, status).inc()
            self._instruments.seconds.labels(endpoint).observe(time.monotonic() - begun)
