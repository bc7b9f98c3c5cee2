"""What only a real server shows: streaming as it happens, clients that leave, uploads in pieces."""

import json
import socket
import time

import httpx
import pytest

from handlers import sse

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
