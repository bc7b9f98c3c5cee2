"""Traces by OpenTelemetry: a span for each request, in that one for the generation, in that queue, prefill and decode.

Names are those of the semantic conventions for HTTP servers and for generative AI. No text of a request or an answer is
in them. Parents are found as OTEL_PROPAGATORS says, by default in the W3C header `traceparent`.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, entry_points, version

from opentelemetry import propagate, trace
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, Tracer
from starlette.datastructures import Headers
from starlette.types import Scope

from handlers.tracing.trace import Attribute, GenerationTrace, RequestTrace, Tracing

NAME = "jaxchat"
EXPORTERS = "opentelemetry_traces_exporter"
"""The entry points under which packages offer exporters."""
PROTOCOLS = {"http/protobuf": "otlp_proto_http", "grpc": "otlp_proto_grpc"}


def traced_as_told(environ: Mapping[str, str]) -> "OpenTelemetryTracing":
    """Tracing with the exporters of OTEL_TRACES_EXPORTER; all else is read by OpenTelemetry's own packages.

    Raises ValueError for an exporter that is not installed.
    """
    protocol = environ.get("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL") or environ.get("OTEL_EXPORTER_OTLP_PROTOCOL")
    otlp = PROTOCOLS.get(protocol or "http/protobuf", protocol or "")
    provider = TracerProvider(resource=_resource())
    for name in (environ.get("OTEL_TRACES_EXPORTER") or "otlp").split(","):
        wanted = otlp if name.strip() == "otlp" else name.strip()
        (found, *_) = [*entry_points(group=EXPORTERS, name=wanted), None]
        if found is None:
            installed = ", ".join(sorted({point.name for point in entry_points(group=EXPORTERS)}))
            raise ValueError(f"OTEL_TRACES_EXPORTER: no exporter {wanted!r} is installed; there are {installed}")
        provider.add_span_processor(BatchSpanProcessor(found.load()()))
    return OpenTelemetryTracing(provider)


def _resource() -> Resource:
    """What OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES say, with this server's own name where they say none."""
    told = Resource.create()
    named = not str(told.attributes.get(SERVICE_NAME, "")).startswith("unknown_service")
    return Resource({SERVICE_NAME: NAME, SERVICE_VERSION: _version()}).merge(told if named else _unnamed(told))


def _unnamed(resource: Resource) -> Resource:
    return Resource({name: value for name, value in resource.attributes.items() if name != SERVICE_NAME})


def _version() -> str:
    try:
        return version(NAME)
    except PackageNotFoundError:
        return "unknown"


class OpenTelemetryTracing(Tracing):
    """Traces by the tracer of a provider, which it shuts down at its end."""

    def __init__(self, provider: TracerProvider) -> None:
        self._provider = provider
        self._tracer = provider.get_tracer(NAME, _version())

    @contextmanager
    def request(self, scope: Scope) -> Iterator[RequestTrace]:
        """A span of a server, which ends with the block."""
        headers = Headers(scope=scope)
        host, port = scope.get("server") or (None, None)
        attributes = {
            "http.request.method": scope["method"],
            "url.path": scope["path"],
            "url.scheme": scope["scheme"],
            "network.protocol.version": scope["http_version"],
            "server.address": host,
            "server.port": port,
            "user_agent.original": headers.get("user-agent"),
        }
        span = self._tracer.start_span(
            scope["method"],
            context=propagate.extract(headers),
            kind=SpanKind.SERVER,
            attributes={name: value for name, value in attributes.items() if value is not None},
        )
        with trace.use_span(span, end_on_exit=True):
            yield _Request(self._tracer, span, scope)

    def close(self) -> None:
        """Sends what has not been sent."""
        self._provider.shutdown()


class _Request(RequestTrace):
    def __init__(self, tracer: Tracer, span: Span, scope: Scope) -> None:
        self._tracer, self._span, self._scope = tracer, span, scope
        self._operation, self._model = "", ""

    def describe(self, operation: str, model: str) -> None:
        """Which operation it is, and by which model."""
        self._operation, self._model = operation, model
        route = self._scope["path"]  # a generation has one without parameters
        self._span.set_attribute("http.route", route)
        self._span.update_name(f"{self._scope['method']} {route}")

    def generation(self, attributes: Mapping[str, Attribute]) -> GenerationTrace:
        """A generation begins."""
        named = {"gen_ai.operation.name": self._operation, "gen_ai.request.model": self._model}
        attributes = {"gen_ai.provider.name": NAME, **{k: v for k, v in named.items() if v}, **attributes}
        return _Generation(self._tracer, f"{self._operation} {self._model}".strip() or "generation", attributes)

    def answered(self, status: int, request_id: str) -> None:
        """The status of its answer is known."""
        self._span.set_attributes({"http.response.status_code": status, "jaxchat.request_id": request_id})
        if status >= 500:
            self._span.set_attribute("error.type", str(status))
            self._span.set_status(Status(StatusCode.ERROR))


class _Generation(GenerationTrace):
    def __init__(self, tracer: Tracer, name: str, attributes: Mapping[str, Attribute]) -> None:
        self._tracer = tracer
        self._began = time.time_ns()
        self._span = tracer.start_span(name, start_time=self._began, attributes=dict(attributes))
        self._within = trace.set_span_in_context(self._span)
        self._decode: Span | None = None
        self._over = False

    def started(self, queued_seconds: float, cached_tokens: int) -> None:
        """It has waited so long, and its prompt is read."""
        now = time.time_ns()
        queued = min(now, self._began + round(queued_seconds * 1e9))
        self._part("queue", self._began).end(queued)
        prefill = self._part("prefill", queued)
        prefill.set_attribute("gen_ai.usage.cache_read.input_tokens", cached_tokens)
        prefill.end(now)
        self._span.set_attribute("gen_ai.usage.cache_read.input_tokens", cached_tokens)
        self._span.set_attribute("gen_ai.response.time_to_first_chunk", (now - self._began) / 1e9)
        self._decode = self._part("decode", now)

    def ended(self, output_tokens: int, finish_reasons: Sequence[str], error: str | None = None) -> None:
        """The whole of it is there, or no more comes."""
        if self._over:
            return
        self._over = True
        last = self._decode or self._part("queue", self._began)
        for span in (last, self._span):
            span.set_attribute("gen_ai.usage.output_tokens", output_tokens)
            if error is not None:
                span.set_attribute("error.type", error)
                span.set_status(Status(StatusCode.ERROR))
        self._span.set_attribute("gen_ai.response.finish_reasons", list(finish_reasons))
        last.end()
        self._span.end()

    def _part(self, name: str, start: int) -> Span:
        return self._tracer.start_span(name, context=self._within, start_time=start)
