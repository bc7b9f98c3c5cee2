"""Metrics: the contract's names, types and units; every request counted once; the dashboard asks for what is there."""

import asyncio
import json
import re
import socket
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families
from starlette.requests import ClientDisconnect

import handlers.metrics
from backend.request import Admission, EngineFailed, RequestFailed
from handlers.http.errors import APIError
from handlers.metrics import Metrics
from handlers.metrics.request import failure_of
from tests.handlers.metrics.contract import CONTRACT, types_of

DASHBOARD = Path(handlers.metrics.__file__).with_name("grafana.json")
PATH = "/v1/chat/completions"
CHAT = {"messages": [{"role": "user", "content": "Hi"}], "seed": 0, "max_tokens": 5}
SUFFIXES = {"histogram": ("_bucket", "_count", "_sum"), "summary": ("", "_count", "_sum")}
ERRORS = {
    "reject": APIError(429, "too many", code="queue_full"),
    "timeout": APIError(504, "too slow", code="request_timeout"),
    "cancel": ClientDisconnect(),
    "error": RuntimeError("a fault"),
    "nan_error": FloatingPointError("nan"),
    None: APIError(422, "the client's fault"),
}


def all_names(text):
    """Of the samples that there are or will be, without their labels."""
    return {name + suffix for name, kind in types_of(text).items() for suffix in SUFFIXES.get(kind, ("",))}


def samples_of(text):
    """Name with labels to value."""
    return dict(re.fullmatch(r"(\S+) (\S+)", line).groups() for line in text.splitlines() if not line.startswith("#"))


def values(metrics):
    return {name: float(value) for name, value in samples_of(metrics.text().decode()).items()}


@pytest.fixture
def empty():
    return Metrics(lambda: None)


def test_the_contracts_names_and_types_are_there_before_anything_happens(empty):
    text = empty.text().decode()
    types = types_of(text)
    assert {name: types.get(name) for name in CONTRACT} == CONTRACT
    names = {name.partition("{")[0] for name in samples_of(text)}
    for name, kind in CONTRACT.items():
        assert {name + suffix for suffix in SUFFIXES.get(kind, ("",))} <= names


def test_there_is_nothing_else_but_our_own_and_the_process(empty):
    text = empty.text().decode()
    others = {name for name in types_of(text) if name not in CONTRACT}
    assert {name.partition("_")[0] for name in others} <= {"jaxchat", "process"}
    assert {name.partition("{")[0] for name in samples_of(text)} <= all_names(text)


def test_quantiles_are_those_of_the_contract(empty):
    names = samples_of(empty.text().decode())
    for name in (name for name, kind in CONTRACT.items() if kind == "summary"):
        found = [re.search(r'quantile="(.*)"', sample).group(1) for sample in names if sample.startswith(name + "{")]
        assert found == ["0.5", "0.9", "0.99"]


def test_a_parser_of_the_text_format_reads_it(empty):
    empty.requests.ttft.observe(5)
    families = {family.name: family for family in text_string_to_metric_families(empty.text().decode())}
    assert families["friendli_requests_ttft"].type == "summary"
    assert families["friendli_tcache_hit_ratio"].type == "histogram"


@given(
    requests=st.lists(
        st.tuples(st.integers(1, 9), st.booleans(), st.sampled_from(["answered", "open", *ERRORS])), max_size=12
    ),
    order=st.randoms(use_true_random=False),
)
def test_every_request_is_counted_once_however_it_ends(requests, order):
    metrics = Metrics(lambda: None)
    all_metrics = [(metrics.request(items), *rest) for items, *rest in requests]
    order.shuffle(all_metrics)
    for request_metrics, accepted, outcome in all_metrics:
        if accepted:
            request_metrics.accepted(7)
        if outcome == "answered":
            request_metrics.accepted(7)
            request_metrics.answered([3])
        elif outcome != "open":
            request_metrics.failed(failure_of(ERRORS[outcome]))
        if outcome != "open":  # what comes after the end changes nothing
            request_metrics.failed("error")
            request_metrics.answered([3])
    ended = Counter(outcome for _, _, outcome in requests)
    counted = [r for r in requests if r[1] or r[2] not in (None, "open")]
    found = values(metrics)
    assert found["friendli_requests_total"] == len(counted)
    assert found["friendli_items_total"] == sum(items for items, _, _ in counted)
    assert found["friendli_responses_total"] == found["friendli_requests_latencies_count"] == ended["answered"]
    assert found["friendli_current_requests"] == ended["open"]
    for reason in ("cancel", "timeout", "nan_error", "reject"):
        assert found[f"friendli_failure_by_{reason}"] == ended[reason]
    assert found["jaxchat_failure_by_error_total"] == ended["error"]


@pytest.mark.parametrize(
    ("error", "failure"),
    [
        *((error, failure) for failure, error in ERRORS.items()),
        (asyncio.CancelledError(), "cancel"), (GeneratorExit(), "cancel"),
        (APIError(429, "", code="compiler_busy"), "reject"), (APIError(404, "", code="model_not_found"), None),
        (EngineFailed("stopped"), "error"), (RequestFailed("fault"), "error"), (APIError(503, ""), "error"),
    ],
)  # fmt: skip
def test_each_error_has_one_reason(error, failure):
    assert failure_of(error) == failure


def test_not_a_number_is_known_also_as_the_cause():
    error = RequestFailed("the model's output is not a number")
    error.__cause__ = FloatingPointError("invalid value (nan) encountered")
    assert failure_of(error) == "nan_error"


def test_times_are_nanoseconds_of_a_clock_that_never_goes_back(empty, monkeypatch):
    now = iter([10_000_000_000, 10_300_000_000, 12_500_000_000])
    monkeypatch.setattr("handlers.metrics.request.time", SimpleNamespace(monotonic_ns=lambda: next(now)))
    request_metrics = empty.request(1)
    request_metrics.started(Admission(queued_seconds=0.2, cached_tokens=3), prompt_tokens=12)
    request_metrics.answered([4])
    found = values(empty)
    assert found['friendli_requests_ttft{quantile="0.5"}'] == 300_000_000
    assert found['friendli_requests_latencies{quantile="0.99"}'] == 2_500_000_000
    assert found["friendli_requests_queueing_delays_sum"] == 200_000_000
    assert found["friendli_tcache_hit_ratio_sum"] == 0.25


def test_the_engines_figures_are_those_of_one_snapshot(fakes):
    engine = fakes.Engine()
    metrics = Metrics(engine.stats)
    found = values(metrics)
    assert (found["jaxchat_pages"], found["jaxchat_pages_cached"], found["jaxchat_rows"]) == (100, 5, 16)
    assert found["jaxchat_cache_use_ratio"] == 0


def test_requests_through_the_application_are_counted(fakes):
    with fakes.connected() as app:
        assert app.client.post(PATH, json=CHAT | {"n": 3}).status_code == 200
        assert app.client.post(PATH, json=CHAT | {"stream": True}).status_code == 200
        assert app.client.post(PATH, json=CHAT | {"top_p": 7}).status_code == 422
        assert app.client.post(PATH, json=CHAT | {"max_tokens": 399}).status_code == 422
        grammar = {"response_format": {"type": "regex", "schema": "refuse"}}
        assert app.client.post(PATH, json=CHAT | grammar).status_code == 422
        found = values(app.service.metrics)
    assert found["friendli_requests_total"] == found["friendli_responses_total"] == 2
    assert (found["friendli_items_total"], found["friendli_current_requests"]) == (4, 0)
    assert (found["friendli_output_lengths_count"], found["friendli_output_lengths_sum"]) == (4, 20)
    assert (found["friendli_input_lengths_count"], found["friendli_input_lengths_sum"]) == (2, 8)
    assert found["friendli_requests_queueing_delays_sum"] == 2 * 0.25e9
    assert found["friendli_tcache_hit_ratio_sum"] == 2 * 0.5
    assert all(value == 0 for name, value in found.items() if "failure" in name)
    assert found["friendli_requests_ttft_sum"] <= found["friendli_requests_latencies_sum"]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("engine", "compiler", "name"),
    [
        ({"full": True}, {}, "friendli_failure_by_reject"),
        ({}, {"busy": True}, "friendli_failure_by_reject"),
        ({"fail_after": 0}, {}, "jaxchat_failure_by_error_total"),
        ({"fail_after": 2}, {}, "jaxchat_failure_by_error_total"),
    ],
)
def test_a_request_that_fails_has_its_reason(fakes, engine, compiler, name, stream):
    body = CHAT | {"stream": stream, "response_format": {"type": "json_object"}}
    with fakes.connected(fakes.Engine(**engine), compiler=fakes.Compiler(**compiler)) as app:
        app.client.post(PATH, json=body)
        found = values(app.service.metrics)
    assert {name: value for name, value in found.items() if "failure" in name and value} == {name: 1}
    assert (found["friendli_requests_total"], found["friendli_current_requests"]) == (1, 0)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("compiling", [False, True])
def test_a_client_that_leaves_is_counted_as_cancelled(fakes, stream, compiling):
    body = CHAT | {"stream": stream, "max_tokens": 30, "seed": 4}
    body |= {"response_format": {"type": "regex", "schema": "wait" if compiling else "a"}}
    with fakes.served(fakes.Engine(delay=0.05)) as server:
        if compiling:
            server.service.loaded.compiler.go.clear()
        with socket.create_connection(("127.0.0.1", server.port)) as client:
            raw = json.dumps(body).encode()
            head = f"POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(raw)}"
            client.sendall(f"{head}\r\n\r\n".encode() + raw)
            fakes.wait_until(lambda: server.engine.generations and (compiling or server.engine.generations[0].drawn))
        fakes.wait_until(lambda: values(server.service.metrics)["friendli_failure_by_cancel"] == 1, 2)
        assert server.engine.generations[0].closed
        server.service.loaded.compiler.go.set()
        assert values(server.service.metrics)["friendli_current_requests"] == 0


def test_a_service_has_metrics_of_its_own(fakes):
    with fakes.connected() as one, fakes.connected() as other:
        one.client.post(PATH, json=CHAT)
        assert values(one.service.metrics)["friendli_requests_total"] == 1
        assert values(other.service.metrics)["friendli_requests_total"] == 0


def expressions(node):
    """Every query of a dashboard."""
    if isinstance(node, dict):
        yield from ([node["expr"]] if "expr" in node else [])
        node = list(node.values())
    for child in node if isinstance(node, list) else ():
        yield from expressions(child)


def test_the_dashboard_asks_only_for_what_is_there(empty):
    names = all_names(empty.text().decode())
    queries = list(expressions(json.loads(DASHBOARD.read_text())))
    asked = {name for query in queries for name in re.findall(r"\b(?:friendli|jaxchat|process)_\w+", query)}
    assert asked <= names
    families = {name for name in CONTRACT if name != "friendli_engine_version"}
    assert {family for family in families if not any(name.startswith(family) for name in asked)} == set()


def test_the_dashboard_can_be_imported():
    dashboard = json.loads(DASHBOARD.read_text())
    assert dashboard["id"] is None and dashboard["uid"] and dashboard["schemaVersion"] >= 36
    (source,) = (v for v in dashboard["templating"]["list"] if v["type"] == "datasource")
    assert source["query"] == "prometheus"
    panels = [panel for panel in dashboard["panels"] if panel["type"] != "row"]
    assert all(panel["datasource"]["uid"] == f"${{{source['name']}}}" for panel in panels)
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])
    cells = [
        (x, y)
        for position in (panel["gridPos"] for panel in dashboard["panels"])
        for x in range(position["x"], position["x"] + position["w"])
        for y in range(position["y"], position["y"] + position["h"])
    ]
    assert len(cells) == len(set(cells)) and max(x for x, _ in cells) < 24
