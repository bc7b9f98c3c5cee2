"""Bytes that are no HTTP, or nearly: refused in the form of every error, or answered; the server stays well."""

import json
import re
import socket

import httpx
import pytest
from hypothesis import strategies as st

from tests.load.server import Server

pytestmark = pytest.mark.fuzz

BODY = b'{"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 2, "seed": 1}'
LINES = [
    b"POST /v1/chat/completions HTTP/1.1", b"GET /health HTTP/1.1", b"GET /v1/models HTTP/1.0",
    b"HEAD /health HTTP/1.1", b"OPTIONS * HTTP/1.1", b"CONNECT a:1 HTTP/1.1", b"PRI * HTTP/2.0",
    b"GET //v1/../health?a=%00%ff HTTP/1.1", b"GET http://127.0.0.1/health HTTP/1.1", b"POST /v1/chat/completions",
    b"\x16\x03\x01\x02\x00", b"",
]  # fmt: skip
HEADERS = [
    b"Host: 127.0.0.1", b"Host: a\r\nHost: b", b"Host:", b"Content-Type: application/json",
    b"Content-Type: text/plain", b"Content-Length: %d" % len(BODY), b"Content-Length: 5", b"Content-Length: -1",
    b"Content-Length: 99999999999999999999", b"Content-Length: 5, 5", b"Transfer-Encoding: chunked",
    b"Transfer-Encoding: gzip, chunked", b"Expect: 100-continue", b"Transfer-Encoding : chunked", b" folded",
    b"Connection: close", b"Connection: upgrade\r\nUpgrade: h2c", b"Upgrade: websocket", b"Content-Encoding: gzip",
    b"Content-Encoding: zstd", b"X-Request-Id: \xff\x00", b"\x00: a", b"Accept-Encoding: identity;q=0",
    b"Origin: null", b"Authorization: Bearer", b"Cookie: a" * 100, b"X: " + b"a" * 70000,
]  # fmt: skip
BODIES = [
    BODY, b"", b"5\r\nhello\r\n0\r\n\r\n", b"%x\r\n%b\r\n0\r\n\r\n" % (len(BODY), BODY), b"ffffffffffffffffff\r\n",
    b"0\r\nA: b\r\n\r\n", b"\x1f\x8b\x08\x00", b"{", BODY[:-9], BODY * 2,
]  # fmt: skip

some_bytes = st.binary(max_size=40)
heads = st.builds(
    lambda line, headers, end: b"\r\n".join([line, *headers]) + end,
    st.sampled_from(LINES) | some_bytes,
    st.lists(st.sampled_from(HEADERS) | some_bytes, max_size=8),
    st.sampled_from([b"\r\n\r\n", b"\n\n", b"\r\n", b"\r\r\n"]),
)
requests = st.builds(lambda head, body: head + body, heads, st.sampled_from(BODIES) | some_bytes)
ANSWER = re.compile(rb"HTTP/1\.[01] (\d{3}) ")
CONTINUE = re.compile(rb"(HTTP/1\.1 100 [^\r\n]*\r\n\r\n)+")


@st.composite
def conversations(draw: st.DrawFn) -> list[bytes]:
    """Requests behind each other, cut into pieces anywhere."""
    whole = b"".join(draw(st.lists(requests, min_size=1, max_size=3)))
    places = sorted(draw(st.lists(st.integers(0, len(whole)), max_size=3)))
    return [whole[a:b] for a, b in zip([0, *places], [*places, len(whole)], strict=True)]


def talk(port: int, pieces: list[bytes]) -> bytes:
    """All that comes back until the server closes, or says nothing for a while after the end of what was sent."""
    said = b""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as client:
        try:
            for piece in pieces:
                client.sendall(piece)
            client.shutdown(socket.SHUT_WR)
            while data := client.recv(65536):
                said += data
        except TimeoutError:
            raise
        except OSError:
            pass  # it was closed before all was sent
    return said


def test_whatever_is_sent_is_answered_or_refused(fuzz, server: Server) -> None:
    port = httpx.URL(server.url).port

    def check(pieces: list[bytes]) -> None:
        said = CONTINUE.sub(b"", talk(port, pieces))
        assert not said or ANSWER.match(said), said[:200]
        for status in ANSWER.findall(said):
            assert status not in (b"500", b"502"), said
        head, _, body = said.partition(b"\r\n\r\n")
        length = re.search(rb"(?i)content-length: (\d+)", head)
        if said and int(ANSWER.match(said)[1]) >= 400 and length and int(length[1]) <= len(body) and int(length[1]):
            error = json.loads(body[: int(length[1])])
            assert error["error"]["message"] == error["message"]
        assert httpx.get(server.url + "/health").status_code == 200

    fuzz(conversations(), check)
