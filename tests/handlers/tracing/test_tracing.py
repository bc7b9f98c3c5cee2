"""Traces: the spans of a request with their times and attributes, whose parent it names, and none unless asked for."""

import os
import subprocess
import sys
from types import SimpleNamespace

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from backend import RequestFailed
from handlers.tracing import NO_TRACING, tracing_from_environment
from handlers.tracing.opentelemetry import OpenTelemetryTracing

PATH = "/v1/chat/completions"
SECRET = "a text of the client's"
BODY = {"messages": [{"role": "user", "content": SECRET}], "seed": 4}
PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


@pytest.fixture(scope="module")
def exporter():
    return InMemorySpanExporter()


@pytest.fixture
def spans(exporter):
    exporter.clear()
    return exporter


@pytest.fixture(scope="module")
def tracing(exporter):
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return OpenTelemetryTracing(provider)


@pytest.fixture(scope="module")
def app(fakes, tracing):
    with fakes.connected(tracing=tracing) as app:
        yield app


def named(spans):
    found = {span.name: span for span in spans.get_finished_spans()}
    assert len(found) == len(spans.get_finished_spans())
    return found


@pytest.mark.parametrize("stream", [False, True])
def test_a_request_has_a_span_and_in_it_its_generation_with_its_parts(app, spans, stream):
    body = {**BODY, "stream": stream, "max_tokens": 5, "temperature": 0.5, "top_p": 0.9, "n": 2, "model": "org/tiny"}
    response = app.client.post(PATH, json=body | {"seed": [4, 5]}, headers={"x-request-id": "mine"})
    assert response.status_code == 200
    found = named(spans)
    request, generation = found[f"POST {PATH}"], found["chat tiny"]
    parts = [found[name] for name in ("queue", "prefill", "decode")]
    assert request.kind is SpanKind.SERVER and request.parent is None
    assert generation.parent.span_id == request.context.span_id
    assert {span.parent.span_id for span in parts} == {generation.context.span_id}
    edges = [generation.start_time, *(edge for span in parts for edge in (span.start_time, span.end_time))]
    assert edges == sorted(edges) and [span.end_time for span in parts[:2]] == [span.start_time for span in parts[1:]]
    assert request.start_time <= generation.start_time and generation.end_time <= request.end_time
    http = {"http.request.method": "POST", "http.route": PATH, "http.response.status_code": 200, "url.scheme": "http"}
    assert (http | {"jaxchat.request_id": "mine"}).items() <= request.attributes.items()
    told = dict(generation.attributes)
    assert told.items() >= {
        "gen_ai.operation.name": "chat", "gen_ai.provider.name": "jaxchat", "gen_ai.request.model": "tiny",
        "gen_ai.request.max_tokens": 5, "gen_ai.request.temperature": 0.5, "gen_ai.request.top_p": 0.9,
        "gen_ai.request.choice.count": 2, "gen_ai.output.type": "text",
    }.items()  # fmt: skip
    assert told["gen_ai.usage.input_tokens"] > 0 and told["gen_ai.usage.output_tokens"] > 1
    assert len(told["gen_ai.response.finish_reasons"]) == 2 and told["gen_ai.response.time_to_first_chunk"] >= 0
    assert all(span.status.status_code is StatusCode.UNSET for span in found.values())
    assert all(SECRET not in repr((span.attributes, span.events, span.name)) for span in found.values())


@pytest.mark.parametrize(("flags", "recorded"), [("01", True), ("00", False)])
def test_the_parent_that_a_request_names_is_that_of_its_span(app, spans, flags, recorded):
    headers = {"traceparent": f"00-{PARENT[0]}-{PARENT[1]}-{flags}"}
    assert app.client.post(PATH, json=BODY, headers=headers).status_code == 200
    if recorded:
        request = named(spans)[f"POST {PATH}"]
        assert f"{request.parent.span_id:016x}" == PARENT[1] and request.parent.is_remote
        assert {f"{span.context.trace_id:032x}" for span in spans.get_finished_spans()} == {PARENT[0]}
    else:
        assert not spans.get_finished_spans()


@pytest.mark.parametrize("header", ["", "junk", f"00-{'0' * 32}-{PARENT[1]}-01", "\x00"])
def test_what_is_no_parent_is_none(app, spans, header):
    assert app.client.post(PATH, json=BODY, headers={"traceparent": header.encode()}).status_code == 200
    assert named(spans)[f"POST {PATH}"].parent is None


def test_refusals_are_no_errors_of_the_server_and_paths_that_are_none_no_names(app, spans):
    assert app.client.post(PATH, json={**BODY, "n": 0}).status_code == 422
    assert app.client.get("/nowhere/1234").status_code == 404
    assert app.client.get("/health").status_code == 200
    found = {span.name: span for span in spans.get_finished_spans()}
    assert found.keys() == {"POST", "GET"}
    assert found["GET"].attributes["http.response.status_code"] == 404
    assert all(span.status.status_code is StatusCode.UNSET for span in found.values())


@pytest.mark.parametrize("stream", [False, True])
def test_what_fails_has_its_kind_of_error(fakes, tracing, spans, stream):
    engine = fakes.Engine(fail_after=1)
    engine.fail_with = RequestFailed("x")
    with fakes.connected(engine, tracing=tracing) as app:
        app.client.post(PATH, json={**BODY, "stream": stream})
    generation = named(spans)["chat tiny"]
    assert generation.status.status_code is StatusCode.ERROR and generation.attributes["error.type"] == "error"
    assert named(spans)[f"POST {PATH}"].end_time >= generation.end_time


def clean_environment():
    return {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}


def test_without_the_variables_nothing_is_traced_and_nothing_is_imported():
    lines = (
        "import sys, os; from handlers.cli.serve import traced",
        "from handlers.tracing import NO_TRACING; assert traced() is NO_TRACING",
        "assert not any(name.partition('.')[0] == 'opentelemetry' for name in sys.modules)",
    )
    subprocess.run([sys.executable, "-c", "\n".join(lines)], check=True, env=clean_environment())


@pytest.mark.parametrize(
    "environ",
    [{}, {"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://x"}, {"OTEL_SERVICE_NAME": "a"},
     {"OTEL_TRACES_EXPORTER": "console", "OTEL_SDK_DISABLED": "true"}, {"OTEL_TRACES_EXPORTER": ""}],
)  # fmt: skip
def test_what_does_not_ask_for_traces(environ):
    assert tracing_from_environment(environ) is NO_TRACING


def test_variables_without_the_packages_are_a_line_of_the_log(monkeypatch, caplog):
    monkeypatch.setitem(sys.modules, "handlers.tracing.opentelemetry", None)
    assert tracing_from_environment({"OTEL_TRACES_EXPORTER": "console"}) is NO_TRACING
    assert "pip install 'jaxchat[otel]'" in caplog.text


@pytest.fixture
def exporters(monkeypatch):
    """The names of the exporters that were made, of those that seem to be installed."""
    made = []

    def points(group, name=None):
        names = ["console", "otlp_proto_http", "otlp_proto_grpc"] if name is None else [name]
        return [
            SimpleNamespace(name=each, load=lambda each=each: lambda: made.append(each) or InMemorySpanExporter())
            for each in names
            if each in ("console", "otlp_proto_http", "otlp_proto_grpc")
        ]

    monkeypatch.setattr("handlers.tracing.opentelemetry.entry_points", points)
    return made


@pytest.mark.parametrize(
    ("environ", "names"),
    [({"OTEL_TRACES_EXPORTER": "console"}, ["console"]),
     ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://x"}, ["otlp_proto_http"]),
     ({"OTEL_TRACES_EXPORTER": "otlp, console", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, ["otlp_proto_grpc", "console"]),
     ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "x", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
       "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/protobuf"}, ["otlp_proto_http"])],
)  # fmt: skip
def test_exporters_are_those_that_the_variables_name(exporters, environ, names):
    tracing = tracing_from_environment(environ)
    assert exporters == names
    tracing.close()


@pytest.mark.parametrize("environ", [{"OTEL_TRACES_EXPORTER": "zipkin"}, {"OTEL_TRACES_EXPORTER": "otlp",
                                      "OTEL_EXPORTER_OTLP_PROTOCOL": "http/json"}])  # fmt: skip
def test_an_exporter_that_is_not_installed_is_named(exporters, environ):
    with pytest.raises(ValueError, match=r"OTEL_TRACES_EXPORTER: no exporter .*(zipkin|http/json).* there are console"):
        tracing_from_environment(environ)


def test_the_service_has_the_name_that_the_variables_give(monkeypatch, exporters):
    for name in ("jaxchat", "mine"):
        if name == "mine":
            monkeypatch.setenv("OTEL_SERVICE_NAME", name)
        tracing = tracing_from_environment({"OTEL_TRACES_EXPORTER": "console"})
        assert tracing._provider.resource.attributes["service.name"] == name
        tracing.close()
