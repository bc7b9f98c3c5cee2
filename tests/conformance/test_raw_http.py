"""What the official clients hide: headers, nulls, bodies they would not send, and every documented refusal."""

import json
import socket

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conformance.bodies import TOOL, bodies
from tests.conformance.chat import CONTEXT, DOCUMENT, HELLO, PATH, Chat, assert_alike, read_error, read_stream, said

BODY = DOCUMENT["components"]["schemas"]["ContainerChatCompletionBody"]["properties"]
NULLABLE = sorted(BODY.keys() - {"messages", "tool_choice"})  # the last strictly is not
JSON = {"content-type": "application/json"}
IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}


@pytest.fixture(scope="module")
def open_chat(client):
    return Chat(client)


@pytest.fixture(scope="module", params=["open_chat", "strict_chat"])
def chat(request):
    """Both servers: what is said here holds for each."""
    return request.getfixturevalue(request.param)


def named(name, **more):
    return {"type": "function", "function": {"name": name, **more}}


@pytest.mark.parametrize("accept", ["application/json;q=1, text/event-stream;q=0", "application/json", "text/html", ""])
def test_stream_alone_decides_whether_the_answer_streams(client, accept):
    body = {"messages": HELLO, "max_tokens": 2}
    streamed = client.post(PATH, json={**body, "stream": True}, headers={"accept": accept})
    assert read_stream(streamed)
    whole = client.post(PATH, json=body, headers={"accept": accept})
    assert whole.headers["content-type"] == "application/json"


def test_a_stream_is_neither_cached_nor_buffered_nor_compressed(client):
    headers = {"accept-encoding": "gzip, deflate", "authorization": "Bearer whatever"}
    response = client.post(PATH, json={"messages": HELLO, "max_tokens": 2, "stream": True}, headers=headers)
    assert response.headers["cache-control"] == "no-cache" and "content-encoding" not in response.headers


@pytest.mark.parametrize("name", NULLABLE)
def test_null_is_absence(chat, name):
    body = {"seed": 5, "max_tokens": 6, "temperature": 2}
    body.pop(name, None)
    fixed = {"max_tokens": 6} if name == "seed" else body
    null, absent = chat.whole(**fixed, **{name: None}), chat.whole(**fixed)
    if name != "seed":
        assert_alike(said(null), said(absent))


def test_all_nulls_at_once_are_absence(chat):
    kept = {"seed": 5, "max_tokens": 6}
    nulls = {name: None for name in NULLABLE if name not in kept}
    assert len(nulls) >= 28
    assert_alike(said(chat.whole(**kept, **nulls)), said(chat.whole(**kept)))


@given(body=bodies(most_choices=1), nulls=st.sets(st.sampled_from(NULLABLE)))
@settings(max_examples=15)
def test_nulls_beside_other_parameters_are_absence(chat, body, nulls):
    nulls -= body.keys()
    assert_alike(said(chat.whole(**body, **dict.fromkeys(nulls))), said(chat.whole(**body)))


@pytest.mark.parametrize(
    ("parameters", "param"),
    [
        ({"stop": [""]}, "stop.0"),
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "user", "content": [{"type": "text", "text": "?"}, IMAGE]}]}, "messages.0.content.1"),
        ({"tools": [TOOL], "min_tokens": 1}, "min_tokens"),
        ({"response_format": {"type": "json_object"}, "min_tokens": 1}, "min_tokens"),
        ({"top_logprobs": 3}, "top_logprobs"),
        ({"max_tokens": 3, "max_completion_tokens": 4}, "max_completion_tokens"),
        ({"min_tokens": 4, "max_tokens": 3}, "min_tokens"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"tools": [TOOL], "tool_choice": "banana"}, "tool_choice"),
        ({"tools": [TOOL], "tool_choice": named("x")}, "tool_choice.function.name"),
        ({"tools": [named("no spaces", parameters={})]}, "tools.0.function.name"),
        ({"n": 2, "seed": [1]}, "seed"),
        ({"n": 0}, "n"),
        ({"n": 129}, "n"),
        ({"n": True}, "n"),
        ({"temperature": -1}, "temperature"),
        ({"temperature": "1"}, "temperature"),
        ({"top_p": 0}, "top_p"),
        ({"top_p": 1.01}, "top_p"),
        ({"top_k": -2}, "top_k"),
        ({"top_k": 1537}, "top_k"),
        ({"min_p": 1.01}, "min_p"),
        ({"repetition_penalty": 0}, "repetition_penalty"),
        ({"frequency_penalty": 2.1}, "frequency_penalty"),
        ({"presence_penalty": -2.1}, "presence_penalty"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"logprobs": True, "top_logprobs": 21}, "top_logprobs"),
        ({"eos_token": 2}, "eos_token"),
        ({"eos_token": [1536]}, "eos_token.0"),
        ({"logit_bias": {"1536": 1}}, "logit_bias.1536"),
        ({"logit_bias": {"5": 101}}, "logit_bias.5"),
        ({"seed": 2**64}, "seed"),
        ({"seed": -(2**63) - 1}, "seed"),
        ({"reasoning_effort": "most"}, "reasoning_effort"),
        ({"reasoning_budget": -2}, "reasoning_budget"),
        ({"chat_template_kwargs": {"messages": []}}, "chat_template_kwargs.messages"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("stream", [False, True])
def test_a_refusal_is_422_that_names_the_field_also_for_a_stream(chat, parameters, param, stream):
    error = chat.refused(**{**parameters, "stream": stream})
    assert (
        error["param"] == param and error["type"] == "invalid_request_error" and param.split(".")[0] in error["message"]
    )


ONLY_OPENAIS = [
    ({"tool_choice": None}, "tool_choice"),
    ({"stop": "word"}, "stop"),
    ({"stop": ["word"] * 17}, "stop"),
    ({"messages": [{"role": "developer", "content": "x"}]}, "messages.0.role"),
    ({"messages": [*HELLO, {"role": "assistant"}]}, "messages.1.content"),
    ({"messages": [{"role": "system", "content": [{"type": "text", "text": "x"}]}, *HELLO]}, "messages.0.content"),
    ({"tools": [TOOL], "response_format": {"type": "json_object"}}, "response_format"),
    ({"tools": [named("f")]}, "tools.0.function.parameters"),
    ({"tools": [named("a.b", parameters={})]}, "tools.0.function.name"),
    ({"stream_options": {"include_usage": True}}, "stream_options"),
    ({"top_k": -1}, "top_k"),
    ({"max_tokens": -1}, "max_tokens"),
    ({"reasoning_effort": "none"}, "reasoning_effort"),
]


@pytest.mark.parametrize(("parameters", "param"), ONLY_OPENAIS)
def test_what_only_openais_api_has_is_honoured_and_strictly_refused(open_chat, strict_chat, parameters, param):
    assert strict_chat.refused(**parameters)["param"] == param
    open_chat.whole(**{"max_tokens": 3, **parameters})


def test_fields_that_only_openais_api_has_are_strictly_like_any_unknown_one(strict_chat):
    fields = {"functions": [{"name": "f"}], "function_call": "auto", "continue_final_message": True}
    response = strict_chat.post(max_tokens=1, **fields)
    assert response.status_code == 200 and response.headers["x-ignored-parameters"].split(",") == list(fields)


def test_media_is_refused_in_words_that_clients_know(chat):
    error = chat.refused(messages=[{"role": "user", "content": [IMAGE]}])
    assert "does not support image input" in error["message"]


def test_a_text_part_is_the_text(chat):
    parts = [{"role": "user", "content": [{"type": "text", "text": "Hello!"}]}]
    assert_alike(said(chat.whole(messages=parts, seed=1)), said(chat.whole(seed=1)))


def test_a_request_beyond_the_context_is_told_all_three_numbers(chat):
    prompt = chat.whole(max_tokens=1)["usage"]["prompt_tokens"]
    error = chat.refused(max_tokens=CONTEXT)
    message = error["message"]
    assert error["code"] == "context_length_exceeded"
    assert chat.refused(max_completion_tokens=CONTEXT)["param"] == "max_completion_tokens"
    assert all(str(number) in message for number in (prompt, CONTEXT, prompt + CONTEXT, CONTEXT - prompt))
    long = [{"role": "user", "content": "again " * 2000}]
    assert str(CONTEXT) in chat.refused(messages=long)["message"]


@pytest.mark.parametrize(
    "raw",
    [b"", b" ", b"{", b"[]", b"null", b"3", b'"x"', b"\xff\xfe", b'{"messages": [}', b"NaN", b"[" * 100_000,
     b'{"messages": [{"role": "user", "content": "x"}], "temperature": NaN}',
     b'{"messages": [{"role": "user", "content": "x"}], "temperature": Infinity}',
     b'{"messages": [{"role": "user", "content": "x"}], "temperature": 1e999}',
     b'{"messages": [{"role": "user", "content": "\\ud800"}]}'],
)  # fmt: skip
def test_a_body_that_is_no_request_is_422(client, raw):
    response = client.post(PATH, content=raw, headers=JSON)
    assert response.status_code == 422
    read_error(response)


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [("POST", "/v1/nothing", JSON, 404), ("GET", "/", {}, 404), ("GET", PATH, {}, 405), ("DELETE", "/health", {}, 405),
     ("POST", PATH, {"content-type": "text/plain"}, 415), ("POST", PATH, {"content-type": "multipart/form-data"}, 415),
     ("GET", "/v1/models/nobody", {}, 404)],
)  # fmt: skip
def test_errors_of_http_are_json(client, method, path, headers, status):
    response = client.request(method, path, headers=headers, content=b"{}" if method == "POST" else None)
    assert response.status_code == status
    read_error(response)
    assert status != 405 or response.headers["allow"]


def test_a_body_over_the_limit_is_413_before_it_is_sent(client):
    head = f"POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {1 << 31}\r\n\r\n"
    with socket.create_connection((client.base_url.host, client.base_url.port), timeout=30) as connection:
        connection.sendall(head.encode() + b"{")
        assert connection.recv(1000).startswith(b"HTTP/1.1 413 ")


def test_an_unknown_model_is_404_and_the_known_names_are_the_base_model(chat, client):
    response = chat.post(model="nobody")
    assert response.status_code == 404 and read_error(response)["code"] == "model_not_found"
    for model in client.get("/v1/models").json()["data"]:
        assert chat.whole(model=model["id"], max_tokens=1)["model"] == "tiny"
        assert client.get(f"/v1/models/{model['id']}").json() == model


def test_a_body_in_pieces_is_read(client):
    raw = json.dumps({"messages": HELLO, "max_tokens": 2}).encode()
    response = client.post(PATH, content=(raw[i : i + 7] for i in range(0, len(raw), 7)), headers=JSON)
    assert response.status_code == 200 and "content-length" not in response.request.headers


def test_what_has_no_effect_is_named(chat):
    response = chat.post(max_tokens=1, user="me", store=True, messages=[{**HELLO[0], "extra": 1}])
    assert set(response.headers["x-ignored-parameters"].split(",")) == {"user", "store", "messages.0.extra"}
    assert "x-ignored-parameters" not in chat.post(max_tokens=1, temperature=1).headers


def test_integral_floats_are_integers(chat):
    assert chat.whole(n=2.0, max_tokens=3.0, seed=1.0)["usage"]["completion_tokens"] == 6
