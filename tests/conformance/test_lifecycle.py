"""`jaxchat serve` as a process: what it says at its start, and how it ends when it is told to."""

import json
import re
import signal
import subprocess
import sys
import time
from contextlib import ExitStack
from types import SimpleNamespace

import httpx
import jax
import pytest

from tests.conformance.chat import CONTEXT, HELLO, PATH, ROWS, TIMEOUT, read_error, read_stream, wait_until

LONG = {"messages": HELLO, "max_tokens": 300, "eos_token": [], "n": ROWS, "stream": True}  # all rows, for seconds


@pytest.fixture
def serve(tmp_path):
    """Starts a server with these flags, on free ports; it answers, but may still be loading."""
    with ExitStack() as stack:

        def start(*flags):
            log = tmp_path / "log"
            words = [
                "serve", "--host", "127.0.0.1", "--port", "0", "--metrics-port", "0",
                "--max-batch-size", str(ROWS), "--max-context-length", str(CONTEXT),
                "--compilation-cache", jax.config.jax_compilation_cache_dir,
                "--grammar-cache", str(tmp_path / "grammars"),
            ]  # fmt: skip
            command = [sys.executable, "-c", "from handlers.cli import main; main()", *words, *flags]
            process = subprocess.Popen(command, stderr=log.open("w"), start_new_session=True)
            stack.callback(process.wait)
            stack.callback(process.kill)
            wait_until(lambda: "metrics: http" in log.read_text() or process.poll() is not None)
            api, metrics = re.findall(r"http://127\.0\.0\.1:\d+", log.read_text())
            assert httpx.get(api + "/health", timeout=TIMEOUT).status_code in (200, 503)
            return SimpleNamespace(process=process, url=api, metrics=metrics, log=log.read_text)

        yield start


@pytest.fixture
def warm(serve):
    """Starts one and waits until it is warm."""

    def start(*flags):
        server = serve(*flags)
        wait_until(lambda: httpx.get(server.url + "/health").status_code == 200, 3 * TIMEOUT)
        return server

    return start


def begin(stack, server):
    """A stream that has begun."""
    response = stack.enter_context(httpx.stream("POST", server.url + PATH, json=LONG, timeout=TIMEOUT))
    assert response.status_code == 200
    return response


def test_the_first_signal_lets_what_runs_finish_refuses_what_comes_and_ends_with_status_0(warm):
    server = warm()
    with ExitStack() as stack:
        streams = [begin(stack, server) for _ in range(2)]
        figures = httpx.get(server.metrics + "/metrics").text
        assert "friendli_requests_total 2" in figures
        server.process.send_signal(signal.SIGTERM)
        wait_until(lambda: httpx.get(server.url + "/health").json()["status"] == "draining", 10)
        for refusal in (httpx.post(server.url + PATH, json={"messages": HELLO}), httpx.get(server.url + "/health")):
            assert refusal.status_code == 503 and int(refusal.headers["retry-after"]) > 0
        for response in streams:
            response.read()
            finished = [choice["finish_reason"] for chunk in read_stream(response) for choice in chunk["choices"]]
            assert finished.count("length") == ROWS
        assert server.process.wait(20) == 0
    lines = server.log()
    for said in (
        "API: ",
        "metrics: ",
        "device: ",
        "model: ",
        "cache: ",
        "ready after",
        "draining, 2 req",
        "drained, 0 req",
    ):
        assert said in lines
    assert "Traceback" not in lines and "ERROR" not in lines


def test_the_second_signal_ends_the_process_at_once_after_an_error_to_its_clients(warm):
    server = warm("--drain-timeout", "600")
    with ExitStack() as stack:
        stream = begin(stack, server)
        server.process.send_signal(signal.SIGINT)
        wait_until(lambda: httpx.get(server.url + "/health").status_code == 503, 10)
        assert read_error(httpx.post(server.url + PATH, json={"messages": HELLO}))["code"] == "draining"
        server.process.send_signal(signal.SIGINT)
        began = time.monotonic()
        stream.read()
        last = json.loads(stream.text.rstrip().split("\n\n")[-1].removeprefix("data: "))
        assert last["error"]["code"] == "draining"
        assert server.process.wait(10) == 1 and time.monotonic() - began < 5
    assert "SIGINT again: ending 1 requests" in server.log()


def test_a_server_that_is_still_loading_ends_at_the_first_signal_and_in_order(serve):
    server = serve()
    server.process.send_signal(signal.SIGTERM)
    assert server.process.wait(10) == 0
    assert "ready after" not in server.log() and "terminate" not in server.log() and "Traceback" not in server.log()
