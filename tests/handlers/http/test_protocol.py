"""Connections over a real server: what is too large, too slow, too many or unclear is refused in JSON and closed."""

import json
import socket
import time
from contextlib import ExitStack

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handlers.app import ERROR_SHAPES
from handlers.http.protocol import RESERVED_CONNECTIONS, ConnectionLimits

PATH = "/v1/chat/completions"
BODY = json.dumps({"messages": [{"role": "user", "content": "Hi"}], "seed": 4}).encode()
GET = b"GET /health HTTP/1.1\r\nHost: x\r\n"
POST = b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n" % PATH.encode()
QUICK = ConnectionLimits(head_seconds=0.5, body_seconds=0.5, body_bytes=64, idle_seconds=1, connections=3)


@pytest.fixture(scope="module")
def server(fakes):
    with fakes.served() as server:
        yield server


@pytest.fixture(scope="module")
def quick(fakes):
    with fakes.served(limits=QUICK) as server:
        yield server


def connect(server):
    return socket.create_connection(("127.0.0.1", server.port), timeout=10)


def read_all(client):
    data = b""
    try:
        while more := client.recv(1 << 16):
            data += more
    except ConnectionResetError:
        pass  # the rest of what was sent was not read
    return data


def exchange(server, *parts):
    with connect(server) as client:
        for part in parts:
            try:
                client.sendall(part)
            except (BrokenPipeError, ConnectionResetError):
                break
        return read_all(client)


def refused(answer):
    head, _, body = answer.partition(b"\r\n\r\n")
    error = json.loads(body)["error"]
    assert b"connection: close" in head and b"content-type: application/json" in head
    assert error["message"] and error["type"] in ("invalid_request_error", "server_error")
    return int(head.split()[1]), error["code"]


@pytest.mark.parametrize(
    ("parts", "status", "code"),
    [
        ([b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: x\r\n\r\n"], 414, "uri_too_long"),
        ([b"GET /", b"a" * 9000, b"a" * 9000], 414, "uri_too_long"),
        ([GET + b"X: " + b"a" * 70_000 + b"\r\n\r\n"], 431, "headers_too_large"),
        ([GET + b"X: ", *[b"a" * 8192] * 4000], 431, "headers_too_large"),
        ([GET, *[b"X: aaaaaaaaaaaaaaaa\r\n" * 200] * 4000], 431, "headers_too_large"),
        ([b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"], 400, "bad_request"),
        ([b"hello\r\n\r\n"], 400, "bad_request"),
        ([b"GET /health HTTP/1.1\r\n\r\n"], 400, "bad_request"),
        ([GET + b"Host: y\r\n\r\n"], 400, "bad_request"),
        ([POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n"], 501, "unknown_transfer_encoding"),
        ([POST + b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n"], 400, "bad_request"),
        ([POST + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\n"], 400, "bad_request"),
        ([b"CONNECT x:80 HTTP/1.1\r\nHost: x:80\r\n\r\n"], 501, "not_implemented"),
        ([b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"], 400, "bad_request"),
        ([POST + b"Content-Length: -1\r\n\r\n"], 400, "bad_request"),
        ([POST + b"Transfer-Encoding: chunked\r\n\r\nxyz\r\n"], 400, "bad_request"),
    ],
)  # fmt: skip
def test_what_is_too_large_or_unclear_is_refused_and_closed(server, parts, status, code):
    assert refused(exchange(server, *parts)) == (status, code)
    assert httpx.get(server.url + "/health").status_code == 200


def sent_whole(server, head, size):
    """What a client reads that sends all of its request first."""
    with connect(server) as client:
        client.sendall(head)
        for _ in range(size >> 16):
            client.sendall(b" " * (1 << 16))
        data = b""
        while more := client.recv(1 << 16):
            data += more
    return data


@pytest.mark.parametrize("length", [b"Content-Length: %d\r\n", b"Transfer-Encoding: chunked\r\n"])
@pytest.mark.parametrize("connection", [b"Connection: close\r\n", b""])
def test_who_sends_too_much_reads_the_refusal_and_no_reset(server, connection, length):
    size = 24 << 20
    head = POST + connection + (length % size if b"%" in length else length) + b"\r\n"
    if b"chunked" in length:
        head += b"%x\r\n" % size
    if connection:
        answer = sent_whole(server, head, size)
    else:  # the connection stays, and the answer ends with its length
        with connect(server) as client:
            client.sendall(head)
            for _ in range(size >> 16):
                client.sendall(b" " * (1 << 16))
            answer = client.recv(1 << 16)
    assert answer.startswith(b"HTTP/1.1 413 ") and b"that this server reads" in answer


def test_a_head_that_is_too_long_is_read_to_its_end_and_its_refusal_too(server):
    assert refused(sent_whole(server, GET + b"X: ", 24 << 20)) == (431, "headers_too_large")


@pytest.mark.parametrize("bounds", [{"linger_bytes": 1 << 20}, {"linger_seconds": 0.3}])
def test_what_is_dropped_is_bounded(fakes, bounds):
    with fakes.served(limits=ConnectionLimits(**bounds)) as server, connect(server) as client:
        client.sendall(GET + b"X: " + b" " * 70_000)
        with pytest.raises((BrokenPipeError, ConnectionResetError)):
            for _ in range(64):
                client.sendall(b" " * (1 << 16))
                time.sleep(0.02)
        fakes.wait_until(lambda: not server.server.server_state.connections)


@settings(max_examples=60)
@given(junk=st.binary(max_size=200), behind=st.sampled_from([b"", GET, POST, b"GET / HTTP/1.1\r\n"]))
def test_any_bytes_are_answered_in_json_or_waited_for(server, junk, behind):
    with connect(server) as client:
        client.sendall(behind + junk)
        client.shutdown(socket.SHUT_WR)
        client.settimeout(0.05)
        try:
            answer = client.recv(1 << 16)
        except TimeoutError:
            answer = b""
    assert not answer or answer.startswith(b"HTTP/1.1 ")
    assert b"text/plain" not in answer


@pytest.mark.parametrize("size", [8000, 60_000])
def test_what_is_within_the_limits_is_read(server, size):
    assert exchange(server, GET + b"X: " + b"a" * size + b"\r\nConnection: close\r\n\r\n").startswith(b"HTTP/1.1 200")
    target = b"GET /health?" + b"a" * min(size, 8100) + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    assert exchange(server, target).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("cut", [0, 50, 300])
@pytest.mark.parametrize("upgrade", [b"h2c", b"websocket"])
def test_an_upgrade_is_not_taken_and_the_request_is_answered(server, upgrade, cut):
    head = POST + b"Connection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AA\r\nUpgrade: " + upgrade
    whole = head + b"\r\nContent-Length: %d\r\n\r\n" % len(BODY) + BODY
    answer = exchange(server, whole[:cut], whole[cut:] + GET + b"Connection: close\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 200") and answer.count(b"HTTP/1.1 200") == 2


@pytest.mark.parametrize(
    ("slow", "status"),
    [(GET[:7], 408), (GET, 408), (GET + b"X: ", 408), (POST + b"Content-Length: 500\r\n\r\n", 408),
     (POST + b"Content-Length: 500\r\n\r\n{", 408), (POST + b"Transfer-Encoding: chunked\r\n\r\n1f4\r\n{", 408)],
)  # fmt: skip
@pytest.mark.parametrize("trickle", [False, True])
def test_who_sends_too_slowly_is_told_and_closed(quick, slow, status, trickle):
    with connect(quick) as client:
        client.sendall(slow)
        for _ in range(8 if trickle else 0):  # a byte now and then does not help
            time.sleep(0.1)
            try:
                client.sendall(b"x")
            except (BrokenPipeError, ConnectionResetError):
                break
        assert refused(read_all(client)) == (status, "request_timeout")


@pytest.mark.parametrize("sent", [b"", GET + b"\r\n"])
def test_idle_connections_are_closed_without_a_word(quick, sent):
    with connect(quick) as client:
        client.sendall(sent)
        assert (read_all(client) == b"") == (sent == b"")


def test_a_body_that_comes_steadily_is_read_however_long_it_takes(quick):
    with connect(quick) as client:
        client.sendall(POST + b"Connection: close\r\nContent-Length: %d\r\n\r\n" % (len(BODY) + 1000))
        client.sendall(BODY)
        for _ in range(10):
            time.sleep(0.1)
            client.sendall(b" " * 100)
        assert read_all(client).startswith(b"HTTP/1.1 200")


def test_an_answer_that_takes_long_is_not_cut_by_the_clocks(fakes):
    with fakes.served(fakes.Engine(delay=0.06), limits=QUICK) as server:
        answer = httpx.post(server.url + PATH, content=BODY, headers={"content-type": "application/json"}, timeout=20)
        assert answer.status_code == 200 and len(server.engine.generations) == 1


def test_beyond_the_most_connections_requests_are_told_and_health_is_answered(fakes):
    limits = ConnectionLimits(connections=3)
    with fakes.served(limits=limits) as server, ExitStack() as held:
        for _ in range(limits.connections):
            held.enter_context(connect(server)).sendall(GET)
        fakes.wait_until(lambda: len(server.server.server_state.connections) == limits.connections)
        more = POST + b"Content-Length: %d\r\n\r\n" % len(BODY) + BODY
        assert refused(exchange(server, more)) == (503, "too_many_connections")
        assert httpx.get(server.url + "/health").status_code == 200
        for _ in range(RESERVED_CONNECTIONS):
            held.enter_context(connect(server))
        everybody = limits.connections + RESERVED_CONNECTIONS
        fakes.wait_until(lambda: len(server.server.server_state.connections) == everybody)
        assert refused(exchange(server)) == (503, "too_many_connections")
        held.close()
        fakes.wait_until(lambda: not server.server.server_state.connections)
        assert httpx.post(server.url + PATH, json=json.loads(BODY)).status_code == 200


@pytest.mark.parametrize(
    ("path", "anthropic"),
    [("/v1/messages", True), ("/v1/messages/count_tokens?beta=true", True), ("http://x/v1/m%65ssages", True),
     ("/v1/responses", False), (PATH, False)],
)  # fmt: skip
def test_what_is_refused_before_a_request_is_there_is_told_in_the_form_of_its_path(fakes, path, anthropic):
    limits = ConnectionLimits(head_seconds=0.3, body_seconds=0.3, connections=1)
    line = f"POST {path} HTTP/1.1\r\n".encode()
    own = line + b"X-Request-Id: own\r\nHost: x\r\n"
    refusals = [
        (own, 408),
        (own + b"Content-Length: 9\r\n\r\n", 408),
        (own + b"X: " + b"a" * 70_000, 431),
        (own + b"Transfer-Encoding: gzip\r\n\r\n", 501),
        (own + b"\0\r\n\r\n", 400),
        (own + b"Content-Length: 0\r\n\r\n", 503),
        (line.replace(b" HTTP", b"?" + b"a" * 9000), 414),
    ]
    with fakes.served(limits=limits, error_shapes=ERROR_SHAPES) as server, ExitStack() as held:
        for sent, status in refusals:
            if status == 503:
                held.enter_context(connect(server))
            head, _, body = exchange(server, sent).partition(b"\r\n\r\n")
            answer = json.loads(body)
            assert int(head.split()[1]) == status
            assert set(answer) == ({"type", "error", "request_id"} if anthropic else {"message", "error"})
            assert (b"\r\nrequest-id: " in head) == anthropic
            if anthropic and status != 414:
                assert answer["request_id"] == "own"
            held.close()


def chat(version="1.1", **parameters):
    body = json.dumps({"messages": [{"role": "user", "content": "Hi"}], "seed": 4, **parameters}).encode()
    head = f"POST {PATH} HTTP/{version}\r\nHost: x\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("host", [b"Host: x\r\n", b""])
def test_an_answer_in_http_1_0_ends_with_its_connection_and_has_no_chunks(server, stream, host):
    answer = exchange(server, chat("1.0", stream=stream).replace(b"Host: x\r\n", host))
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 ") and b"connection: close" in head and b"transfer-encoding" not in head
    if stream:
        assert b"content-length" not in head
        assert body.startswith(b"data: {") and body.endswith(b"\n\ndata: [DONE]\n\n") and b"\r\n" not in body
    else:
        assert json.loads(body)["choices"][0]["finish_reason"] == "stop"


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_who_sends_no_more_gets_its_answer(fakes, version, stream):
    with fakes.served(fakes.Engine(delay=0.02)) as server, connect(server) as client:
        client.sendall(chat(version, stream=stream))
        client.shutdown(socket.SHUT_WR)
        answer = read_all(client)
    assert b"HTTP/1.1 200 " in answer
    assert answer.startswith(b"HTTP/1.1 100 ") or version == "1.0" or stream
    if stream:
        assert answer.endswith(b"data: [DONE]\n\n" + (b"\r\n0\r\n\r\n" if version == "1.1" else b""))
    else:
        assert json.loads(answer.rpartition(b"\r\n\r\n")[2])["choices"]


@pytest.mark.parametrize("stream", [True, False])
def test_who_has_left_is_not_taken_for_one_that_sends_no_more(fakes, stream):
    with fakes.served(fakes.Engine(delay=0.5)) as server:
        with connect(server) as client:
            client.sendall(chat(stream=stream))
            fakes.wait_until(lambda: server.engine.generations)
        start = time.monotonic()
        fakes.wait_until(lambda: server.engine.generations[0].closed)
        assert time.monotonic() - start < 5
        fakes.wait_until(lambda: not server.service.requests)


def test_who_closes_before_its_body_is_there_is_gone(fakes):
    with fakes.served() as server, connect(server) as client:
        client.sendall(chat()[:-3])
        fakes.wait_until(lambda: len(server.service.requests) == 1)
        client.shutdown(socket.SHUT_WR)
        assert read_all(client) == b"" and not server.engine.generations


@pytest.mark.parametrize("body", [BODY, b"\xff" * 50])
def test_an_answer_to_who_was_refused_meanwhile_is_no_error(fakes, caplog, body):
    """What follows a whole request cannot be read, while that is answered."""
    with fakes.served() as server:
        answer = exchange(server, POST + b"Content-Length: %d\r\n\r\n" % len(body) + body + b"\xff\r\n\r\n")
        fakes.wait_until(lambda: not server.server.server_state.tasks)
    assert refused(answer) == (400, "bad_request") and not caplog.records
