"""Every request has an id, its own or a new one: in whatever answer it gets, at every path, and in the log."""

import logging
import re
import socket

import pytest

from handlers.http.access import Access, digests
from handlers.http.spec import load_document

PATHS = load_document()["paths"]
OPERATIONS = [(method.upper(), re.sub(r"\{.*?\}", "tiny", path)) for path, found in PATHS.items() for method in found]
BODIES = {re.sub(r"\{.*?\}", "tiny", path): "requestBody" in op for path, ops in PATHS.items() for op in ops.values()}
MADE = re.compile("[0-9a-f]{32}")
LIMIT = 4096


def check(response, status, sent="mine-1"):
    """An answer with this status, its request's id in its head, and in its body where the API's errors have it."""
    assert status is None or response.status_code == status, response.text
    told = response.headers["x-request-id"]
    assert told == sent if sent else MADE.fullmatch(told)
    if response.headers.get("request-id"):
        assert response.headers["request-id"] == told
        assert response.status_code < 400 or not response.content or response.json()["request_id"] == told
    return told


@pytest.fixture(scope="module")
def small(fakes):
    with fakes.connected(max_body_bytes=LIMIT, page=True) as app:
        yield app


@pytest.mark.parametrize("sent", ["mine-1", ""])
def test_every_operation_answers_under_an_id_whatever_it_answers(small, sent):
    headers = {"x-request-id": sent} if sent else {}
    json = {**headers, "content-type": "application/json"}
    ids = []
    for method, path in OPERATIONS:
        ask = small.client.request
        ids += [
            check(ask("BREW", path, headers=headers), 405, sent),
            check(ask(method, path, headers=headers), None, sent),
        ]
        ids.append(check(ask(method, f"{path}/there/is/nothing/", headers=headers), None, sent))
        if BODIES[path]:
            ids.append(check(ask(method, path, content=b" " * (LIMIT + 1), headers=json), 413, sent))
            ids.append(check(ask(method, path, content=b"{", headers=json), 422, sent))
            ids.append(check(ask(method, path, content=b"[]", headers=json), 422, sent))
            ids.append(
                check(ask(method, path, content=b"a", headers={**headers, "content-type": "text/plain"}), 415, sent)
            )
    for path, status in (("/nowhere", 404), ("/", 200), ("/ui/", 200), ("/openapi.json", 200)):
        ids.append(check(small.client.get(path, headers=headers), status, sent))
    assert sent or len(set(ids)) == len(ids)


def test_so_does_a_server_that_loads_drains_or_wants_a_key(fakes):
    with fakes.connected() as draining, fakes.connected(access=Access(digests(["key"]))) as locked:
        draining.service.drain()
        for method, path in OPERATIONS:
            if path != "/health":
                check(draining.client.request(method, path, headers={"x-request-id": "mine-1"}), 503)
                check(locked.client.request(method, path, headers={"x-request-id": "mine-1"}), 401)


def test_a_stream_and_a_fault_have_it_too_and_the_log_has_what_was_wrong_under_it(fakes, caplog):
    chat = {"messages": [{"role": "user", "content": "Hi"}]}
    bodies = {
        "/v1/chat/completions": chat,
        "/v1/completions": {"prompt": "Hi"},
        "/v1/messages": {**chat, "max_tokens": 9},
        "/v1/responses": {"input": "Hi"},
    }
    with fakes.connected(fakes.Engine(fail_after=2)) as app, caplog.at_level(logging.ERROR):
        for i, (path, body) in enumerate(bodies.items()):
            for stream in (False, True):
                sent = f"mine-{i}-{stream}"
                response = app.client.post(
                    path, json={**body, "seed": 0, "stream": stream}, headers={"x-request-id": sent}
                )
                check(response, 200 if stream else 500, sent)
                assert sent in caplog.text and sent in response.text and "secret" not in response.text


def test_what_is_no_request_yet_has_one_in_its_answer_and_in_the_log(fakes, caplog):
    with fakes.served() as server, caplog.at_level(logging.INFO, logger="handlers.http.protocol"):
        for sent, status in ((b"nonsense\r\n\r\n", b"400"), (b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\n\r\n", b"414")):
            with socket.create_connection(("127.0.0.1", server.port), timeout=10) as client:
                client.sendall(sent)
                answer = client.recv(1 << 16)
            assert b" %s " % status in answer.split(b"\r\n")[0]
            (told,) = re.findall(rb"x-request-id: (\w+)", answer)
            assert MADE.fullmatch(told.decode()) and f"request {told.decode()}: {status.decode()}" in caplog.text
