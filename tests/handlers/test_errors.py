"""Every failure is one JSON body; nothing of the inside is in it, and the log has the cause."""

import asyncio
import logging

import pytest
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from handlers.errors import APIError, ErrorMiddleware

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


@pytest.mark.parametrize(
    "path", ["/", "/v1", "/v1/chat", "/v1/chat/completions/more", "/ui/nothing.js", "/v1/completions"]
)
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


def test_an_error_after_the_headers_is_left_to_the_server_which_cuts_the_connection():
    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise APIError(422, "too late")

    with pytest.raises(APIError):
        call(app)


def test_a_client_that_leaves_while_its_body_is_read_is_not_an_error(caplog):
    async def app(scope, receive, send):
        raise ClientDisconnect()

    with caplog.at_level(logging.WARNING):
        assert call(app) == [] and caplog.text == ""
