"""Every failure is one JSON body; nothing of the inside is in it, and the log has the cause."""

import asyncio
import json
import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from backend.request import EngineFailed, RequestFailed
from handlers.http import errors
from handlers.http.errors import LONGEST_TEXT, APIError, ErrorMiddleware, ErrorShape, error_body

PATH = "/v1/chat/completions"


def is_error(response, status):
    body = response.json()
    assert response.status_code == status and response.headers["content-type"] == "application/json"
    assert body["error"].keys() == {"message", "type", "param", "code"} and body["error"]["message"] == body["message"]
    return body["error"]


def call(app, method="GET", path="/x"):
    """What ErrorMiddleware sends around this ASGI application."""
    sent = []

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "method": method, "path": path, "headers": []}
    asyncio.run(ErrorMiddleware(app)(scope, None, send))
    return sent


@pytest.mark.parametrize("path", ["/", "/v1", "/v1/chat", "/v1/chat/completions/more", "/ui/nothing.js", "/v1/rerank"])
def test_an_unknown_path_is_404(app, path):
    assert path in is_error(app.client.get(path), 404)["message"]


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
def test_another_method_is_405_and_names_the_right_one(app, method):
    response = app.client.request(method, PATH)
    assert "use POST" in is_error(response, 405)["message"] and response.headers["allow"] == "POST"


@pytest.mark.parametrize("path", ["/health", "/v1/models", "/v1/models/tiny"])
def test_head_is_get_without_the_body(app, path):
    head, get = app.client.head(path), app.client.get(path)
    assert (head.status_code, head.content) == (get.status_code, b"")
    assert head.headers["content-length"] == str(len(get.content))


def test_every_answer_has_an_id_of_its_own(app):
    answers = [app.client.get(path) for path in ("/health", "/health", "/nothing", "/ui/")]
    assert len({answer.headers["x-request-id"] for answer in answers}) == len(answers)


def test_a_fault_of_ours_is_500_with_nothing_from_the_inside_and_logged_under_its_id(fakes, caplog):
    with fakes.connected(fakes.Engine(fail_after=2)) as app:
        response = app.client.post(PATH, json={"messages": [{"role": "user", "content": "Hi"}], "seed": 0})
    error = is_error(response, 500)
    assert error["type"] == "server_error" and "secret" not in response.text and "Traceback" not in response.text
    assert response.headers["x-request-id"] in error["message"]
    assert "secret" in caplog.text and response.headers["x-request-id"] in caplog.text
    assert app.engine.generations[0].closed


def test_an_http_exception_keeps_its_status_and_headers():
    async def app(scope, receive, send):
        raise HTTPException(418, "short and stout", {"x-pot": "tea"})

    start, body = call(app)
    assert start["status"] == 418 and (b"x-pot", b"tea") in start["headers"] and b"short and stout" in body["body"]


START = {"type": "http.response.start", "status": 200}


def stream_that_fails(error, content_type=b"text/event-stream; charset=utf-8"):
    async def app(scope, receive, send):
        await send({**START, "headers": [(b"content-type", content_type)]})
        await send({"type": "http.response.body", "body": b": ping\n\n", "more_body": True})
        raise error

    return app


def last_event(sent):
    """The error in it; checks that it, and the end, are all that came after the ping."""
    *_, event, end = sent
    assert len(sent) == 4 and event["more_body"] and not end["more_body"] and end["body"] == b""
    body = json.loads(event["body"].removeprefix(b"data: ").removesuffix(b"\n\n"))
    assert body["message"] == body["error"]["message"]
    return body["error"]


def test_an_error_in_a_stream_is_its_last_event():
    error = last_event(call(stream_that_fails(APIError(504, "too slow", code="request_timeout"))))
    assert error == {"message": "too slow", "type": "server_error", "param": None, "code": "request_timeout"}


def test_a_fault_of_ours_in_a_stream_tells_the_id_and_nothing_from_the_inside(caplog):
    sent = call(stream_that_fails(ValueError("secret")))
    request_id = dict(sent[0]["headers"])[b"x-request-id"].decode()
    message = last_event(sent)["message"]
    assert request_id in message and "secret" not in message and "secret" in caplog.text and request_id in caplog.text


def test_an_error_after_the_headers_of_another_answer_is_left_to_the_server_which_cuts_the_connection():
    with pytest.raises(APIError):
        call(stream_that_fails(APIError(422, "too late"), b"application/json"))


def test_an_error_after_the_end_of_a_stream_adds_nothing_to_it():
    async def app(scope, receive, send):
        await send({**START, "headers": [(b"content-type", b"text/event-stream")]})
        await send({"type": "http.response.body", "body": b"", "more_body": False})
        raise ValueError

    with pytest.raises(ValueError):
        call(app)


def test_a_client_that_does_not_take_the_last_event_is_not_waited_for(monkeypatch, caplog):
    monkeypatch.setattr(errors, "LAST_EVENT_SECONDS", 0.01)

    async def send(message):
        if b"too slow" in message.get("body", b""):
            await asyncio.sleep(60)

    scope = {"type": "http", "method": "POST", "path": "/x", "headers": []}
    app = ErrorMiddleware(stream_that_fails(APIError(504, "too slow")))
    with caplog.at_level(logging.INFO):
        asyncio.run(asyncio.wait_for(app(scope, None, send), 5))
    assert "does not read" in caplog.text


def not_a_number():
    error = RequestFailed("inside: logits are not finite")
    error.__cause__ = FloatingPointError()
    return error


@pytest.mark.parametrize(
    ("error", "status", "code", "said"),
    [
        (RequestFailed("inside: nan"), 500, "request_failed", "try again"),
        (not_a_number(), 500, "not_a_number", "no number"),
        (EngineFailed("the engine stopped: out of memory"), 503, "failed", "started anew"),
    ],
)
def test_what_the_engine_raises_is_told_streamed_or_not(fakes, caplog, error, status, code, said):
    engine = fakes.Engine(fail_after=2)
    engine.fail_with = error
    body = {"messages": [{"role": "user", "content": "Hi"}], "seed": 0}
    with fakes.connected(engine) as app:
        whole = is_error(app.client.post(PATH, json=body), status)
        events = app.client.post(PATH, json={**body, "stream": True}).text.split("\n\n")
    streamed = json.loads(events[-2].removeprefix("data: "))["error"]
    for told in (whole, streamed):
        assert told["code"] == code and told["type"] == "server_error"
        assert said in told["message"] and "inside" not in told["message"]
    assert "[DONE]" not in events[-2] and len(events) == 4  # two chunks, the error, the end
    assert str(error) in caplog.text and all(generation.closed for generation in engine.generations)


OWN = ErrorShape(lambda error: {"told": error.message}, "failure", id_headers=("own-id",))


@pytest.mark.parametrize(
    ("path", "own"),
    [("/v1/own", True), ("/v1/own/x", True), ("/v1/owned", False), ("/v1", False)],
)
def test_each_api_tells_its_failures_in_its_own_shape(path, own):
    async def run(app):
        sent = []

        async def send(message):
            sent.append(message)

        scope = {"type": "http", "method": "POST", "path": path, "headers": []}
        await ErrorMiddleware(app, {"/v1/own": OWN})(scope, None, send)
        return sent

    async def fails(scope, receive, send):
        raise APIError(422, "no")

    head, body = asyncio.run(run(fails))
    headers = dict(head["headers"])
    assert (json.loads(body["body"]) == {"told": "no"}) == own
    assert headers.get(b"own-id") == (headers[b"x-request-id"] if own else None)
    last = asyncio.run(run(stream_that_fails(APIError(504, "slow"))))[-2]["body"]
    assert (last == b'event: failure\ndata: {"told":"slow"}\n\n') == own
    assert own or last.startswith(b'data: {"message":"slow"')


def test_a_client_that_leaves_while_its_body_is_read_is_not_an_error(caplog):
    async def app(scope, receive, send):
        raise ClientDisconnect()

    with caplog.at_level(logging.WARNING):
        assert call(app) == [] and caplog.text == ""


@given(message=st.text(), param=st.none() | st.text(), times=st.integers(1, 10**6))
def test_what_a_client_sent_makes_no_answer_long(message, param, times):
    error = APIError(422, message * times + "end", param=param and param * times)
    body = error_body(error)
    assert len(body["message"]) <= LONGEST_TEXT + 3 and body["message"].endswith("end")
    assert body["message"][:100] == error.message[:100] or len(error.message) < 100
    assert body["error"]["param"] is None or len(body["error"]["param"]) <= LONGEST_TEXT + 3
