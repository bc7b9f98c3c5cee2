"""Streams begin in time: with headers and a ping, whatever their answer waits for; what is known later comes later."""

import json
from contextlib import contextmanager

import httpx
import pytest

from handlers.http import sse
from handlers.http.sse import FIRST_BYTE_SECONDS

PATH = "/v1/chat/completions"
BODY = {"messages": [{"role": "user", "content": "Hi"}], "seed": 0, "stream": True}


def schema(**keywords):
    return {"type": "json_schema", "json_schema": {"description": "a shape", "schema": {"type": "object", **keywords}}}


@pytest.fixture(autouse=True)
def _at_once(monkeypatch):
    monkeypatch.setattr(sse, "FIRST_BYTE_SECONDS", 0.05)


@contextmanager
def waiting(fakes, **parameters):
    """(response, its lines, server) of a stream whose grammar is not compiled yet."""
    compiler = fakes.Compiler(delayed=True)
    with fakes.served(compiler=compiler) as server:
        body = {**BODY, "response_format": schema(), **parameters}
        with httpx.stream("POST", server.url + PATH, json=body, timeout=5) as response:
            yield response, response.iter_lines(), server
        compiler.go.set()


def events(lines):
    return [line for line in lines if line]


def test_a_stream_begins_and_pings_before_clients_give_up():
    assert max(FIRST_BYTE_SECONDS, sse.PING_SECONDS) < 4


def test_a_stream_begins_before_its_grammar_and_names_later_what_is_known_later(fakes):
    with waiting(fakes, unknown=1) as (response, lines, server):
        assert response.status_code == 200 and response.headers["content-type"].startswith("text/event-stream")
        assert response.headers["x-ignored-parameters"] == "unknown"
        assert next(lines) == ": ping"
        server.compiler.go.set()
        comment, *chunks, done = events(lines)
    assert comment == ": x-ignored-parameters response_format.json_schema.description"
    assert done == "data: [DONE]"
    deltas = [json.loads(chunk.removeprefix("data: "))["choices"][0]["delta"] for chunk in chunks]
    assert "".join(delta.get("content", "") for delta in deltas) == fakes.REPLIES[0]


def test_what_is_ready_in_time_has_its_names_in_the_header(fakes, monkeypatch):
    monkeypatch.setattr(sse, "FIRST_BYTE_SECONDS", 5)
    with fakes.served() as server:
        response = httpx.post(server.url + PATH, json={**BODY, "unknown": 1, "response_format": schema()})
    assert response.headers["x-ignored-parameters"] == "unknown,response_format.json_schema.description"
    assert ": " not in [line[:2] for line in response.text.splitlines()]


@pytest.mark.parametrize(("keyword", "status"), [("refuse", "invalid_request_error"), ("fault", "server_error")])
def test_an_error_that_comes_late_is_the_streams_last_event(fakes, keyword, status):
    with waiting(fakes, response_format=schema(**{keyword: 1})) as (response, lines, server):
        assert response.status_code == 200 and next(lines) == ": ping"
        server.compiler.go.set()
        (event,) = events(lines)
    error = json.loads(event.removeprefix("data: "))["error"]
    assert error["type"] == status and "secret" not in error["message"]
    assert all(generation.closed for generation in server.engine.generations)
    assert len(server.service.requests) == 0


def test_the_deadline_holds_while_a_stream_waits(fakes):
    with fakes.served(compiler=fakes.Compiler(delayed=True)) as server:
        server.service.request_timeout = 0.3
        response = httpx.post(server.url + PATH, json={**BODY, "response_format": schema()}, timeout=5)
        server.compiler.go.set()
    (event,) = [line for line in response.text.splitlines() if line.startswith("data: ")]
    assert json.loads(event.removeprefix("data: "))["error"]["code"] == "request_timeout"


def test_a_client_that_leaves_while_its_stream_waits_frees_all_of_it(fakes):
    compiler = fakes.Compiler(delayed=True)
    with fakes.served(compiler=compiler) as server:
        with httpx.stream("POST", server.url + PATH, json={**BODY, "response_format": schema()}) as response:
            lines = response.iter_lines()
            assert next(lines) == ": ping" and len(server.service.requests) == 1
        fakes.wait_until(lambda: not server.service.requests and server.engine.generations[0].closed)
        compiler.go.set()
