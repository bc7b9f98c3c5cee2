"""How a real server ends: it drains, it gives up on what takes too long, and it ends at once when asked twice."""

import json
import logging
import os
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import httpx
import pytest

PATH = "/v1/chat/completions"
USER = {"role": "user", "content": "Hi"}
BODY = {"messages": [USER], "seed": 4}  # 31 tokens
NOT_COMPLETE = "shut down before the answer was complete"


def lines(response):
    return [line for line in response.iter_lines() if line and not line.startswith(":")]


def ask(server, **parameters):
    return httpx.post(server.url + PATH, json={**BODY, **parameters}, timeout=10)


@contextmanager
def running(server, fakes, *, stream=True, count=2):
    """Futures of this many answers, of which the first tokens are drawn."""
    with ThreadPoolExecutor(count) as pool:
        futures = [pool.submit(ask, server, stream=stream) for _ in range(count)]
        fakes.wait_until(lambda: sum(generation.drawn > 0 for generation in server.engine.generations) == count)
        yield futures


def last_event(response):
    return json.loads(response.text.rstrip().split("\n\n")[-1].removeprefix("data: "))


def is_draining(response):
    assert response.status_code == 503 and response.json()["error"]["code"] == "draining"
    assert int(response.headers["retry-after"]) > 0


@pytest.mark.parametrize("stream", [True, False])
def test_what_runs_is_answered_in_full_while_newcomers_are_told_to_come_back(fakes, caplog, stream):
    caplog.set_level(logging.INFO)
    with fakes.served(fakes.Engine(delay=0.03)) as server, running(server, fakes, stream=stream) as answers:
        with httpx.Client(base_url=server.url) as kept:
            assert kept.get("/health").status_code == 200
            server.signal()
            fakes.wait_until(lambda: server.service.status == "draining")
            for get in (kept.get, lambda path: httpx.get(server.url + path)):  # an open connection, and a new one
                is_draining(get("/health"))
                is_draining(get("/v1/models"))
            is_draining(ask(server))
        assert not any(answer.done() for answer in answers)
        for answer in answers:
            text = answer.result().text
            assert text.endswith("data: [DONE]\n\n") if stream else json.loads(text)["usage"]["completion_tokens"] == 31
        server.thread.join(3)
        assert not server.thread.is_alive() and server.engine.closed and server.service.reason is None
    assert "SIGTERM: draining, 2 requests running" in caplog.text and "drained, 0 requests running" in caplog.text


def test_a_server_without_work_ends_at_the_first_signal(fakes):
    with (
        fakes.served() as server,
        socket.create_connection(("127.0.0.1", server.port)),
    ):  # idle connections do not count
        start = time.monotonic()
        server.signal()
        server.thread.join(5)
        assert not server.thread.is_alive() and time.monotonic() - start < 2


def test_what_runs_at_the_drain_timeout_ends_with_an_error_streamed_or_not(fakes, caplog):
    """Also what waits for its grammar, and an upload that does not go on."""
    engine, compiler = fakes.Engine(delay=1), fakes.Compiler(delayed=True)
    schema = {"type": "json_schema", "json_schema": {"schema": {"type": "object"}}}
    with fakes.served(engine, compiler=compiler, drain_seconds=0.3) as server, ThreadPoolExecutor(3) as pool:
        streamed, whole = pool.submit(ask, server, stream=True), pool.submit(ask, server)
        fakes.wait_until(lambda: len(engine.generations) == 2)
        compiling = pool.submit(ask, server, response_format=schema)
        fakes.wait_until(lambda: len(engine.generations) == 3)
        upload = socket.create_connection(("127.0.0.1", server.port), timeout=5)
        upload.sendall(f"POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n".encode())
        upload.sendall(b"Content-Length: 100\r\n\r\n{")
        fakes.wait_until(lambda: len(server.service.requests) == 4)
        server.signal()
        assert NOT_COMPLETE in last_event(streamed.result())["error"]["message"]
        for answer in (whole.result(), compiling.result()):
            is_draining(answer)
            assert NOT_COMPLETE in answer.json()["message"]
        assert upload.recv(4096).startswith(b"HTTP/1.1 503 ")
        server.thread.join(3)
        assert not server.thread.is_alive() and all(generation.closed for generation in engine.generations)
        upload.close()
        compiler.go.set()
    assert "the drain timeout is over: ending 4 requests" in caplog.text


@pytest.mark.parametrize("stream", [True, False])
def test_the_second_signal_ends_the_process_at_once_but_not_without_a_word(fakes, monkeypatch, stream):
    exits = []
    monkeypatch.setattr(os, "_exit", exits.append)
    engine = fakes.Engine(delay=0.3)
    with fakes.served(engine, drain_seconds=60) as server, running(server, fakes, stream=stream) as answers:
        server.signal()
        fakes.wait_until(lambda: server.service.status == "draining")
        start = time.monotonic()
        server.signal()
        fakes.wait_until(lambda: exits == [1])
        assert time.monotonic() - start < 1
        for answer in answers:
            error = last_event(answer.result()) if stream else answer.result().json()
            assert NOT_COMPLETE in error["message"]


def test_the_second_signal_is_heard_while_the_engine_is_slow_to_close(fakes, monkeypatch):
    exits = []
    monkeypatch.setattr(os, "_exit", exits.append)

    class Slow(fakes.Engine):
        def close(self):
            fakes.wait_until(lambda: exits)

    with fakes.served(Slow()) as server:
        server.signal()
        time.sleep(0.5)
        server.signal()
        fakes.wait_until(lambda: exits == [1], 3)


def test_requests_are_counted_until_they_are_answered_and_health_is_not(fakes):
    with fakes.served(fakes.Engine(delay=0.02)) as server:
        with httpx.stream("POST", server.url + PATH, json={**BODY, "stream": True}) as response:
            events = response.iter_lines()
            next(events)
            assert httpx.get(server.url + "/health").status_code == 200
            assert len(server.service.requests) == 1
            assert sum(1 for _ in events) > 10
        fakes.wait_until(lambda: len(server.service.requests) == 0)


def test_a_device_that_fails_ends_every_answer_at_once_and_makes_the_server_unhealthy(fakes):
    with fakes.served(fakes.Engine(delay=0.1)) as server:
        with running(server, fakes) as streamed, ThreadPoolExecutor(1) as pool:
            whole = pool.submit(ask, server)
            fakes.wait_until(lambda: len(server.engine.generations) == 3)
            server.engine.failure = "the engine stopped: the device is lost"
            start = time.monotonic()
            errors = [last_event(answer.result())["error"] for answer in streamed]
            assert whole.result().status_code == 503
            errors.append(whole.result().json()["error"])
            assert time.monotonic() - start < 1
        for response in (httpx.get(server.url + "/health"), ask(server), ask(server, stream=True)):
            assert response.status_code == 503 and "retry-after" not in response.headers
            errors.append(response.json()["error"])
        for error in errors:
            assert error["code"] == "failed" and "the device is lost" not in error["message"]
        assert server.service.reason == "the engine stopped: the device is lost"
        assert len(server.service.requests) == 0
