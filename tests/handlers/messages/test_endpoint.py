"""POST /v1/messages and its count of tokens over HTTP: answers, streams, and failures in the form of that API."""

import json

import httpx
import pytest

from backend.request import RequestFailed
from handlers.http import sse
from handlers.http.access import Access, digests

PATH, COUNT = "/v1/messages", "/v1/messages/count_tokens"
USER = {"role": "user", "content": "Hi"}
BODY = {"messages": [USER], "seed": 0}


def events(text):
    """Name and data of each event; comments are passed over."""
    found = []
    for block in text.strip().split("\n\n"):
        lines = [line for line in block.split("\n") if not line.startswith(":")]
        if lines:
            name, data = lines
            found.append((name.removeprefix("event: "), json.loads(data.removeprefix("data: "))))
    return found


def is_error(response, status, kind):
    body = response.json()
    assert (response.status_code, response.headers["content-type"]) == (status, "application/json"), response.text
    assert body["type"] == "error" and body["error"]["type"] == kind
    assert body["error"].keys() == {"type", "message", "param", "code"} and body["error"]["message"]
    assert body["request_id"] == response.headers["request-id"] == response.headers["x-request-id"]
    return body["error"]


def test_an_answer_is_a_message(app, fakes):
    response = app.client.post(PATH, json=BODY, headers={"x-request-id": "mine"})
    body = response.json()
    assert body["content"] == [{"type": "text", "text": fakes.REPLIES[0]}]
    assert body["type"] == "message" and body["role"] == "assistant" and body["id"].startswith("msg_")
    assert (body["model"], body["stop_reason"], body["seed"]) == ("tiny", "end_turn", 0)
    assert response.headers["request-id"] == "mine"


def test_a_stream_is_named_events_and_no_done(app, fakes):
    response = app.client.post(PATH, json={**BODY, "stream": True})
    assert response.headers["content-type"].startswith("text/event-stream") and "[DONE]" not in response.text
    found = events(response.text)
    assert all(name == data["type"] for name, data in found)
    assert [name for name, _ in found if name != "content_block_delta"] == [
        "message_start", "content_block_start", "content_block_stop", "message_delta", "message_stop",
    ]  # fmt: skip
    said = "".join(data["delta"]["text"] for name, data in found if name == "content_block_delta")
    assert said == fakes.REPLIES[0]


def test_the_stop_sequence_that_ended_an_answer_is_told(app):
    body = app.client.post(PATH, json={**BODY, "seed": 2, "stop_sequences": ["nothing", "STOP"]}).json()
    assert (body["stop_reason"], body["stop_sequence"]) == ("stop_sequence", "STOP")
    assert body["content"] == [{"type": "text", "text": "one two three "}]


def test_tokens_are_counted_and_nothing_is_generated(app, fakes):
    before = len(app.engine.generations)
    tools = [{"name": "f", "description": "d", "input_schema": {}}]
    body = {"messages": [USER], "system": "S", "metadata": {}, "tools": tools}
    response = app.client.post(COUNT, json=body)
    assert response.json() == {"input_tokens": len('"Hi"')} and len(app.engine.generations) == before
    assert response.headers["x-ignored-parameters"] == "metadata,tools.0.description"
    assert app.client.post(PATH, json=body).headers["x-ignored-parameters"] == "metadata,tools.0.description"
    assert app.client.post(PATH, json=body).json()["usage"]["input_tokens"] == len('"Hi"') - 2  # cached


@pytest.mark.parametrize("path", [PATH, COUNT])
@pytest.mark.parametrize(
    ("asked", "status", "kind", "param"),
    [
        ({"json": {"messages": []}}, 422, "invalid_request_error", "messages"),
        ({"json": {**BODY, "model": "other"}}, 404, "not_found_error", "model"),
        ({"content": b"{"}, 422, "invalid_request_error", None),
        ({"content": b"a=b", "headers": {"content-type": "text/plain"}}, 415, "invalid_request_error", None),
        ({"content": b" " * (3 << 20)}, 413, "request_too_large", None),
    ],
    ids=["body", "model", "no JSON", "media type", "too large"],
)
def test_what_is_wrong_with_a_request_is_told_in_the_form_of_this_api(app, path, asked, status, kind, param):
    asked = {"headers": {"content-type": "application/json"}, **asked}
    assert is_error(app.client.post(path, **asked), status, kind)["param"] == param


def test_another_method_and_path_are_told_so_too(app):
    assert "use POST" in is_error(app.client.get(PATH), 405, "invalid_request_error")["message"]
    is_error(app.client.post(PATH + "/nothing", json=BODY), 404, "not_found_error")
    assert "type" not in app.client.get("/v1/message").json()


def test_a_prompt_that_is_too_long_is_told_in_the_words_that_agents_know(app, fakes):
    for path, length in ((PATH, fakes.CONTEXT), (COUNT, 7 * fakes.CONTEXT)):
        body = {"messages": [{"role": "user", "content": "a" * length}]}
        error = is_error(app.client.post(path, json=body), 422, "invalid_request_error")
        assert error["message"].startswith("prompt is too long: ") and error["code"] == "context_length_exceeded"
    texts = [{"type": "text", "text": ""}] * (fakes.CONTEXT + 1)
    result = {"type": "tool_result", "tool_use_id": "c", "content": texts}
    for body in ({"messages": [{"role": "user", "content": [result]}]}, {"messages": [USER], "system": texts}):
        error = is_error(app.client.post(PATH, json=body), 422, "invalid_request_error")
        assert error["code"] == "context_length_exceeded"


def test_a_full_queue_is_429_and_a_loading_model_503(fakes):
    with fakes.connected(fakes.Engine(full=True)) as app:
        response = app.client.post(PATH, json=BODY)
        is_error(response, 429, "rate_limit_error")
        assert response.headers["retry-after"] == "7"
        app.service.drain()
        response = app.client.post(PATH, json=BODY)
        is_error(response, 503, "overloaded_error")
        assert "retry-after" in response.headers


def test_a_fault_is_500_or_the_last_event(fakes):
    engine = fakes.Engine(fail_after=2)
    engine.fail_with = RequestFailed("inside: nan")
    with fakes.connected(engine) as app:
        error = is_error(app.client.post(PATH, json=BODY), 500, "api_error")
        *_, (name, last) = events(app.client.post(PATH, json={**BODY, "stream": True}).text)
    assert (name, last["type"], last["error"]["type"]) == ("error", "error", "api_error") and last["request_id"]
    assert error["code"] == last["error"]["code"] == "request_failed"


def test_a_key_may_come_as_anthropics_clients_send_it(fakes):
    unused = {"x-api-key": "one", "authorization": "Bearer unused"}
    with fakes.connected(access=Access(digests(["one", "two"]))) as app:
        for headers in ({"x-api-key": "one"}, {"authorization": "Bearer two"}, unused):
            assert app.client.post(PATH, json=BODY, headers=headers).status_code == 200
        for headers in ({"x-api-key": "three"}, {"x-api-key": ""}, {}):
            response = app.client.post(PATH, json=BODY, headers=headers)
            assert "x-api-key" in is_error(response, 401, "authentication_error")["message"]


def test_how_much_was_cached_is_told_unless_the_server_does_not_report_it(fakes):
    for reports in (True, False):
        with fakes.connected(report_cached_tokens=reports) as app:
            usage = app.client.post(PATH, json=BODY).json()["usage"]
        assert ("cache_read_input_tokens" in usage) == reports
        assert usage["input_tokens"] + usage.get("cache_read_input_tokens", 0) == len('"Hi"')


def test_a_stream_that_waits_for_its_grammar_begins_with_a_comment_and_pings(fakes, monkeypatch):
    monkeypatch.setattr(sse, "FIRST_BYTE_SECONDS", 0.05)
    monkeypatch.setattr(sse, "PING_SECONDS", 0.05)
    compiler = fakes.Compiler(delayed=True)
    form = {"output_config": {"format": {"type": "json_schema", "schema": {"type": "object"}}}}
    with fakes.served(compiler=compiler) as server:
        body = {**BODY, **form, "stream": True, "metadata": {}}
        with httpx.stream("POST", server.url + PATH, json=body, timeout=5) as response:
            assert response.headers["x-ignored-parameters"] == "metadata"
            lines = response.iter_lines()
            assert next(lines) == ": ping"
            assert [next(lines) for _ in range(2)] == ["", ": ping"]
            compiler.go.set()
            rest = "\n".join(lines)
    assert events(rest)[-1][0] == "message_stop"
