"""The client of the command line reads what the server writes, and tells every failure in one line."""

import json
import socket
import threading
from contextlib import closing, contextmanager

import pytest

from handlers.cli.client import ChatClient, ClientError, Piece

BODY = {"messages": [{"role": "user", "content": "Hi"}], "seed": 1}
SAID = "Blåbærgrød på 東京 🙂 ok"


@pytest.fixture
def raw():
    """Serves these bytes to whoever connects, in pieces, then closes."""

    @contextmanager
    def serve(*pieces):
        def answer():
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    for piece in pieces:
                        connection.sendall(piece)
                    connection.shutdown(socket.SHUT_WR)
                    while connection.recv(65536):
                        pass  # closing with something unread resets the connection, maybe before all of it was read

        with socket.create_server(("127.0.0.1", 0)) as listener:
            thread = threading.Thread(target=answer, daemon=True)
            thread.start()
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"

    return serve


def read(url, **body):
    with ChatClient(url, local=True) as client:
        return list(client.stream({**BODY, **body}))


def test_an_answer_comes_in_pieces_and_ends_with_its_reason(fakes):
    with fakes.served() as server:
        pieces = read(server.url)
    assert pieces[-1] == Piece("end", "stop")
    assert "".join(piece.text for piece in pieces[:-1]) == SAID and len(pieces) > 10


@pytest.mark.parametrize("ending", ["", "/", "/v1", "/v1/"])
def test_the_address_may_be_as_other_clients_want_it(fakes, ending):
    with fakes.served() as server, ChatClient(server.url.removeprefix("http://") + ending, local=True) as client:
        assert client.model() == "tiny"


def test_closing_the_answer_ends_it_at_the_server(fakes):
    with fakes.served(fakes.Engine(delay=0.05)) as server, ChatClient(server.url, local=True) as client:
        with closing(client.stream({**BODY, "seed": 4})) as pieces:
            next(pieces)
        fakes.wait_until(lambda: server.engine.generations[0].closed)
        assert server.engine.generations[0].drawn < 20


def test_a_refusal_is_told_in_the_servers_words(fakes):
    with fakes.served() as server, pytest.raises(ClientError, match="max_tokens"):
        read(server.url, max_tokens=100_000)


def test_a_failure_in_the_middle_is_told(fakes):
    with fakes.served(fakes.Engine(fail_after=3)) as server, pytest.raises(ClientError, match="internal"):
        read(server.url)


def test_nobody_there_is_told_with_the_address():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(ClientError, match=f"no server answers at http://127.0.0.1:{port}: "):
        read(f"127.0.0.1:{port}")


@pytest.mark.parametrize("url", ["http://[", "ftp://127.0.0.1", "http://:port"])
def test_what_is_no_address_is_told(url):
    with pytest.raises(ClientError, match="no address of a server|no server answers"):
        read(url)


def test_something_else_that_answers_is_told(raw):
    head = b"HTTP/1.1 %s\r\nContent-Type: text/html\r\nConnection: close\r\n\r\n<html>"
    with (
        raw(head % b"200 OK") as url,
        ChatClient(url, local=True) as client,
        pytest.raises(ClientError, match="is no chat completions server"),
    ):
        client.model()
    with raw(head % b"502 Bad Gateway") as url, pytest.raises(ClientError, match="answered 502 Bad Gateway"):
        read(url)


@pytest.mark.parametrize(
    "data",
    [b"{", b"\xff", b"\xff\xfe{}", b"[" * 100_000, b"1", b"null", b"[]", b'{"error": "no"}', b'{"choices": [null]}',
     b'{"choices": [{"delta": null}]}', b'{"choices": [{"delta": {"content": 5}, "finish_reason": null}]}',
     b'{"choices": [{"delta": {}, "finish_reason": 7}]}'],
)  # fmt: skip
def test_events_that_are_no_chunks_are_told(raw, data):
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"
    with raw(head, b"data: " + data + b"\n\n") as url, pytest.raises(ClientError, match="no chat completions server"):
        read(url)


def test_a_connection_that_breaks_is_told(raw):
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: 999\r\n\r\n: ping\n\n"
    with raw(head) as url, pytest.raises(ClientError, match="did not answer"):
        read(url)


def test_lines_end_at_line_feeds_only_wherever_the_pieces_are_cut(raw):
    text = "a\u2028b\x85c"
    event = {"choices": [{"delta": {"content": text}, "finish_reason": None}]}
    data = f"data: {json.dumps(event, ensure_ascii=False)}\n\ndata: [DONE]\n\n"
    stream = (
        b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n: ping\n\n" + data.encode()
    )
    with raw(*(stream[i : i + 7] for i in range(0, len(stream), 7))) as url:
        assert read(url) == [Piece("content", text)]
