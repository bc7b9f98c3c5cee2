"""Streams of events that are none: the client of the command line gives pieces, or one error for people."""

import json

import httpx
import pytest
from hypothesis import strategies as st

from handlers.cli.client import ChatClient, ClientError, Piece
from tests.fuzz.test_bodies import values

pytestmark = pytest.mark.fuzz

CHUNK = {"choices": [{"index": 0, "delta": {"content": "quokka"}, "finish_reason": None}]}
ENDINGS = [b"\n\n", b"\r\n\r\n", b"\n", b"\r", b""]
odd = st.one_of(
    values,
    st.builds(lambda value: {"choices": value}, values),
    st.builds(lambda value: {"choices": [{"delta": value, "finish_reason": None}]}, values),
    st.builds(lambda value: {"choices": [{"delta": {}, "finish_reason": value}]}, values),
    st.builds(lambda value: {"error": value}, values),
)
payloads = st.one_of(
    (st.just(CHUNK) | odd).map(lambda value: json.dumps(value).encode()),
    st.sampled_from([b"[DONE]", b"", b"[" * 100_000, b"{", b"\xff\xfe{}", b"NaN", b"1" * 5000, b'"\\ud800"']),
    st.binary(max_size=20),
)
lines = st.builds(
    lambda field, payload, end: field + payload + end,
    st.sampled_from([b"data: ", b"data:", b": ", b"event: ", b"data", b" data: ", b"id: 1\ndata: "]),
    payloads,
    st.sampled_from(ENDINGS),
)
answers = st.tuples(
    st.sampled_from([200, 200, 200, 204, 404, 422, 500]),
    st.sampled_from(["text/event-stream", "application/json", "text/html; charset=nonsense"]),
    st.lists(lines | st.binary(max_size=30), max_size=8),
)


def test_a_stream_is_pieces_or_one_error(fuzz) -> None:
    def check(answer: tuple[int, str, list[bytes]]) -> None:
        status, kind, parts = answer
        transport = httpx.MockTransport(
            lambda _: httpx.Response(status, headers={"content-type": kind}, content=iter(parts))
        )
        with ChatClient("http://server", local=True) as client:
            client._http = httpx.Client(base_url="http://server", transport=transport)
            for ask in (lambda: list(client.stream({})), client.model):
                try:
                    said = ask()
                except ClientError:
                    continue
                assert isinstance(said, str) or all(
                    isinstance(piece, Piece) and isinstance(piece.text, str) for piece in said
                )

    fuzz(answers, check)
