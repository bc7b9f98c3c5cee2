"""What only a real server shows: streaming as it happens, clients that leave, uploads in pieces."""

import json
import resource
import socket
import struct
import time
from contextlib import ExitStack

import httpx
import pytest

from backend.request import TokenEvent
from handlers.http import sse

PATH = "/v1/chat/completions"
USER = {"role": "user", "content": "Hi"}
SLOW = 0.05  # seconds per token


def request(**parameters):
    body = json.dumps({"messages": [USER], "seed": 4, **parameters}).encode()
    head = f"POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


@pytest.fixture
def slow(fakes):
    with fakes.served(fakes.Engine(delay=SLOW)) as server:
        yield server


def test_each_token_is_sent_as_it_is_drawn(slow):
    arrived = []
    with httpx.stream("POST", slow.url + PATH, json={"messages": [USER], "seed": 4, "stream": True}) as response:
        for line in response.iter_lines():
            if line.startswith("data: {"):
                arrived.append((time.monotonic(), slow.engine.generations[0].drawn))
    assert len(arrived) >= 20
    assert arrived[0][1] < 10 and arrived[-1][0] - arrived[0][0] > 10 * SLOW


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("after_first_bytes", [True, False])
def test_a_client_that_leaves_stops_its_generation(slow, fakes, stream, after_first_bytes):
    with socket.create_connection(("127.0.0.1", slow.port)) as client:
        client.sendall(request(stream=stream))
        fakes.wait_until(lambda: slow.engine.generations)
        if stream and after_first_bytes:
            assert client.recv(1)
    generation = slow.engine.generations[0]
    fakes.wait_until(lambda: generation.closed)
    assert generation.drawn < 20  # of 31


RESET = struct.pack("ii", 1, 0)  # SO_LINGER: closing sends RST, as the end of a process with unread data does
SCHEMA = {"type": "json_schema", "json_schema": {"schema": {"type": "object"}}}


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("reset", [True, False])
@pytest.mark.parametrize("phase", ["in line", "compiling", "decoding"])
def test_a_client_that_leaves_is_noticed_at_once_in_every_phase(fakes, stream, reset, phase):
    compiler = fakes.Compiler(delayed=phase == "compiling")
    parameters = {"response_format": SCHEMA} if phase == "compiling" else {}
    with fakes.served(fakes.Engine(delay=60 if phase == "in line" else SLOW), compiler=compiler) as server:
        with socket.create_connection(("127.0.0.1", server.port)) as client:
            client.sendall(request(stream=stream, **parameters))
            fakes.wait_until(lambda: server.engine.generations)
            generation = server.engine.generations[0]
            if phase == "decoding":
                fakes.wait_until(lambda: generation.drawn > 1)
            if reset:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        fakes.wait_until(lambda: generation.closed and not server.service.requests, 1)
        compiler.go.set()


def test_a_server_that_can_open_no_file_says_so_goes_on_and_takes_connections_again(fakes, caplog):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with fakes.served(fakes.Engine(delay=SLOW)) as server, httpx.Client() as client, socket.socket() as refused:
        refused.settimeout(10)
        with client.stream("POST", server.url + PATH, json={"messages": [USER], "seed": 4, "stream": True}) as response:
            lines = response.iter_lines()
            next(lines)
            try:
                resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
                fakes.wait_until(lambda: "no connection can be taken" in caplog.text)
                refused.connect(("127.0.0.1", server.port))
                assert "data: [DONE]" in list(lines)
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        fakes.wait_until(lambda: "connections can be taken again" in caplog.text)
        assert httpx.get(server.url + "/health").status_code == 200


TOP = tuple((token, -float(token)) for token in range(20))
HUGE = {"n": 16, "seed": 0, "max_tokens": 350, "logprobs": True, "top_logprobs": 20}  # an answer of 5 MB


@pytest.fixture
def verbose(fakes):
    """An engine whose answers are as long as they may be."""

    class Verbose(fakes.Generation):
        def _event(self, choice):
            self.running[choice] += 1
            ends = self.running[choice] == self.request.sampling.max_tokens
            if ends:
                del self.running[choice]
            return TokenEvent(choice, ord("a"), -0.5, TOP, "length" if ends else None)

    class Engine(fakes.Engine):
        def submit(self, request):
            self.generations.append(Verbose(request, self))
            return self.generations[-1]

    return Engine()


@pytest.mark.parametrize("stream", [True, False])
def test_a_client_that_never_reads_is_held_back_and_then_cut(fakes, verbose, stream):
    with fakes.served(verbose, stuck_seconds=1) as server, socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect(("127.0.0.1", server.port))
        client.sendall(request(stream=stream, **HUGE))
        fakes.wait_until(lambda: verbose.generations)
        connections = server.server.server_state.connections
        assert len(connections) == 1
        fakes.wait_until(lambda: verbose.generations[0].closed and not server.service.requests, 20)
        fakes.wait_until(lambda: not connections, 20)
        assert verbose.generations[0].drawn < 1000 if stream else verbose.generations[0].drawn == 16 * 350


def test_a_slow_reader_gets_everything(fakes, verbose):
    body = {"messages": [USER], "stream": True, **HUGE}
    with (
        fakes.served(verbose, stuck_seconds=2) as server,
        httpx.stream("POST", server.url + PATH, json=body) as response,
    ):
        pieces = []
        for piece in response.iter_bytes(65536):
            pieces.append(piece)
            time.sleep(0.02)
    text = b"".join(pieces)
    assert text.endswith(b"data: [DONE]\n\n") and text.count(b'"content":"a"') == 16 * 350 and len(pieces) > 50


def test_idle_connections_and_unfinished_uploads_keep_nobody_waiting(fakes):
    with fakes.served() as server, ExitStack() as stack:
        for i in range(300):
            idle = stack.enter_context(socket.create_connection(("127.0.0.1", server.port)))
            idle.sendall((b"", b"POST ", request()[:-1])[i % 3])
        response = httpx.post(server.url + PATH, json={"messages": [USER], "max_tokens": 1}, timeout=2)
        assert response.status_code == 200
        fakes.wait_until(lambda: len(server.service.requests) == 100)
    # the fixture's end proves that they do not keep the server from ending either


def test_a_client_that_leaves_does_not_disturb_its_neighbour(slow):
    with httpx.stream("POST", slow.url + PATH, json={"messages": [USER], "seed": 4, "stream": True}) as neighbour:
        lines = neighbour.iter_lines()
        next(lines)
        with socket.create_connection(("127.0.0.1", slow.port)) as client:
            client.sendall(request(stream=True))
            client.recv(1)
        data = [line.removeprefix("data: ") for line in lines if line]
    text = "".join(json.loads(chunk)["choices"][0]["delta"].get("content", "") for chunk in data[:-1])
    assert data[-1] == "[DONE]" and len(text) == 29


def test_pings_come_before_the_first_token(fakes, monkeypatch):
    monkeypatch.setattr(sse, "PING_SECONDS", 0.02)
    with fakes.served(fakes.Engine(delay=0.2)) as server:
        body = {"messages": [USER], "stream": True, "max_tokens": 1}
        with httpx.stream("POST", server.url + PATH, json=body) as response:
            lines = [line for line in response.iter_lines() if line]
    assert lines[0] == lines[1] == ": ping" and lines[-1] == "data: [DONE]"


def test_an_upload_without_a_length_is_taken(slow):
    raw = json.dumps({"messages": [USER], "max_tokens": 1}).encode()
    response = httpx.post(
        slow.url + PATH, content=iter([raw[:5], raw[5:]]), headers={"content-type": "application/json"}
    )
    assert response.status_code == 200 and response.json()["usage"]["completion_tokens"] == 1


def test_one_connection_serves_many_requests_also_after_errors_and_streams(slow):
    with httpx.Client(base_url=slow.url, limits=httpx.Limits(max_connections=1)) as client:
        for body, status in (({}, 422), ({"messages": [USER], "max_tokens": 1}, 200)):
            for stream in (False, True):
                assert client.post(PATH, json={**body, "stream": stream}).status_code == status
        assert client.head("/health").status_code == 200 and client.get("/health").json() == {"status": "ready"}


def test_what_the_router_refuses_is_json_too(slow):
    for response, status in ((httpx.get(slow.url + "/nothing"), 404), (httpx.get(slow.url + PATH), 405)):
        assert response.status_code == status and response.json()["error"]["type"] == "invalid_request_error"


def test_a_server_that_is_still_loading_answers_and_stops_at_once(fakes):
    def load():
        time.sleep(3)
        raise RuntimeError("never used")

    start = time.monotonic()
    with fakes.served(load=load) as server:
        assert httpx.get(server.url + "/health").status_code == 503
    assert time.monotonic() - start < 2.5


@pytest.mark.parametrize("exits", [False, True])
def test_a_server_whose_model_has_failed_ends_only_if_it_is_told_to(fakes, exits):
    with fakes.served(exit_on_failure=exits) as server:
        server.engine.failure = "the device is gone"
        refused = httpx.post(server.url + PATH, json={"messages": [USER]})
        assert refused.status_code == 503 and "device is gone" not in refused.text
        server.thread.join(10 if exits else 1)
        assert server.thread.is_alive() is not exits
        assert server.service.reason == "the device is gone"
