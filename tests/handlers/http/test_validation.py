"""Bodies: read under a limit, parsed strictly, checked against the document; what fails is 4xx with a JSON error."""

import gc
import json

import jsonschema
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers.http.errors import APIError
from handlers.http.spec import load_document
from handlers.http.validation import INLINE_BYTES, JSONBodies, JSONBody, parse, parse_exact

PATH = "/v1/chat/completions"
JSON = {"content-type": "application/json"}
MESSAGES = [{"role": "user", "content": "Hi"}]
NAMES = ["messages", "role", "content", "user", "assistant", "type", "text", "n", "seed", "stop", "tools", "top_p"]
MANY = 30_000
KEYS = st.sampled_from(NAMES) | st.text(max_size=3)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | KEYS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)


@pytest.fixture(scope="module")
def schema():
    return JSONBodies(load_document(), lambda: 100, lambda: 100)._schemas["containerChatComplete"]


@pytest.fixture(scope="module")
def oracle():
    """The same schema in another implementation."""
    schema = {"$ref": "#/components/schemas/ContainerChatCompletionBody", "components": load_document()["components"]}
    return jsonschema.Draft202012Validator(schema)


@pytest.mark.parametrize(
    "raw",
    [b"", b"{", b"null", b"3", b'"x"', b"[]", b"{}", b"9" * 9999, b'{"messages": NaN}', b'{"a": 1e999}',
     b'{"a": "\xff"}', b"\xef\xbb\xbf{}", b'{"a": "\\ud800"}', b"{" * 100_000,
     b'{"a":' * 300 + b"1" + b"}" * 300, b"[" * 300 + b"]" * 300],
)  # fmt: skip
def test_a_body_that_is_not_a_json_object_of_the_schema_is_422(app, raw):
    response = app.client.post(PATH, content=raw, headers=JSON)
    assert response.status_code == 422
    assert response.json()["error"]["message"] == response.json()["message"] != ""


@given(raw=st.binary(max_size=80))
def test_arbitrary_bytes_are_422(app, raw):
    assert app.client.post(PATH, content=raw, headers=JSON).status_code == 422


@given(value=VALUES)
def test_arbitrary_json_gets_an_error_that_says_something(app, value):
    response = app.client.post(PATH, content=json.dumps(value), headers=JSON)
    assert response.status_code == 200 or (400 <= response.status_code < 500 and response.json()["error"]["message"])


@given(value=st.dictionaries(st.sampled_from(NAMES), VALUES) | VALUES)
def test_validity_agrees_with_another_validator(schema, oracle, value):
    # The two differ on nothing else: integers beyond 64 bits are floats to the parser, here as in production.
    try:
        value = parse(json.dumps(value).encode())
        schema.check(value)
    except APIError:
        assert not oracle.is_valid(value)
    else:
        assert oracle.is_valid(value)


def parts(item):
    return [{"role": "user", "content": [item] * MANY}]


@pytest.mark.parametrize(
    ("fields", "param"),
    [({"messages": [0] * MANY}, "messages.0"), ({"messages": MESSAGES * MANY + [0]}, f"messages.{MANY}"),
     ({"messages": parts(0)}, "messages.0.content.0"),
     ({"messages": parts({"type": "text"})}, "messages.0.content.0.text"),
     ({"messages": [{"role": "assistant", "tool_calls": [0] * MANY}]}, "messages.0.tool_calls.0"),
     ({"stop": [""] * MANY}, "stop.0"), ({"tools": [0] * MANY}, "tools.0"), ({"seed": ["x"] * MANY}, "seed.0"),
     ({"seed": [0] * MANY}, "seed"), ({"eos_token": ["x"] * MANY}, "eos_token.0"),
     ({"logit_bias": {str(i): 0 for i in range(MANY)} | {"x": 1000}}, "logit_bias.x"),
     ({"response_format": {"type": "x" * MANY}}, "response_format.type"), ({"n": "x" * MANY}, "n"),
     ({"chat_template_kwargs": {str(i): [[0] * 9] * 9 for i in range(MANY // 99)}, "n": "x"}, "n")],
)  # fmt: skip
@pytest.mark.timeout(20)
def test_of_however_many_faults_one_is_named_in_few_words(post, fields, param):
    response = post(**fields)
    assert response.status_code == 422
    assert response.json()["error"]["param"] == param
    assert len(response.content) < 1000


@pytest.mark.parametrize("size", [0, 2 * INLINE_BYTES])
def test_bodies_of_any_size_are_checked(post, size):
    assert post(user="x" * size).status_code == 200
    assert post(user="x" * size, n=0).json()["error"]["param"] == "n"


@given(key=st.sampled_from(["a", "messages"]), values=st.lists(st.integers(), min_size=2, max_size=2))
def test_of_duplicate_keys_the_last_counts_for_the_check_and_for_the_handler(key, values):
    assert parse(f'{{"{key}": {values[0]}, "{key}": 7}}'.encode()) == {key: 7}


def test_integral_floats_are_integers(post):
    response = post(n=2.0, max_tokens=3.0, seed=[1.0, 2.0], stop=[])
    assert response.status_code == 200
    choices = response.json()["choices"]
    assert [choice["seed"] for choice in choices] == [1, 2]
    assert all(isinstance(choice["seed"], int) for choice in choices)


@pytest.mark.parametrize("parameter", ["max_tokens", "min_tokens", "top_k", "max_completion_tokens"])
def test_absurdly_large_integers_are_422_that_name_the_field(post, parameter):
    response = post(**{parameter: 10**300})
    assert response.status_code == 422
    assert response.json()["error"]["param"] == parameter


@pytest.mark.parametrize(
    ("content_type", "status"),
    [("application/json", 200), ("application/json; charset=utf-8", 200), ("Application/JSON ; a=b", 200), (None, 200),
     ("text/plain", 415), ("multipart/form-data", 415), ("application/x-www-form-urlencoded", 415), (";;", 415)],
)  # fmt: skip
def test_the_content_type_is_json_or_missing(app, content_type, status):
    headers = {"content-type": content_type} if content_type else {}
    response = app.client.post(PATH, content=json.dumps({"messages": MESSAGES}), headers=headers)
    assert response.status_code == status
    told = f"Content-Type is {content_type!r}; use application/json"
    assert status == 200 or response.json()["error"]["message"] == told


@given(before=st.text(max_size=9), broken=st.sampled_from([b"\xff", b"\xc3", b"\xe9 ", b"\xed\xa0\x80", b"\xf5"]))
def test_of_bytes_that_are_no_utf_8_the_place_is_told(before, broken):
    start = json.dumps({"a": before}, ensure_ascii=False)[:-2].encode()
    with pytest.raises(APIError, match=f"not UTF-8.*byte {broken[0]:#04x} at {len(start):,}$") as caught:
        parse(start + broken + b'"}')
    assert caught.value.status == 422


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "latin-1"])
def test_a_charset_of_the_content_type_changes_nothing(app, encoding):
    content = json.dumps({"messages": [{"role": "user", "content": "\xe9"}]}, ensure_ascii=False).encode(encoding)
    response = app.client.post(PATH, content=content, headers={"content-type": f"application/json; charset={encoding}"})
    assert response.status_code == 422 and "not UTF-8" in response.json()["error"]["message"]


@pytest.mark.parametrize("content_type", ["application/json", "APPLICATION/JSON", None])
def test_no_spelling_of_the_content_type_escapes_the_check(app, content_type):
    headers = {"content-type": content_type} if content_type else {}
    assert app.client.post(PATH, content=b'{"messages": 3}', headers=headers).status_code == 422


def test_chunked_bodies_are_read(app):
    raw = json.dumps({"messages": MESSAGES}).encode()
    response = app.client.post(PATH, content=(raw[i : i + 7] for i in range(0, len(raw), 7)), headers=JSON)
    assert "content-length" not in response.request.headers and response.status_code == 200


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_over_the_limit_is_413_and_one_at_the_limit_is_not(fakes, chunked):
    raw = json.dumps({"messages": MESSAGES}).encode()
    with fakes.connected(max_body_bytes=len(raw)) as app:
        for extra, status in ((0, 200), (1, 413)):
            whole = raw + b" " * extra
            content = iter([whole[:9], whole[9:]]) if chunked else whole
            response = app.client.post(PATH, content=content, headers=JSON)
            assert response.status_code == status, response.text
    assert response.json()["error"]["type"] == "invalid_request_error"


@pytest.mark.parametrize("content_type", ["multipart/form-data", "multipart/form-data; boundary=x", "text/plain", ";;"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("path", ["/health", "/v1/models", "/v1/models/tiny"])
def test_the_content_type_of_a_request_without_a_body_means_nothing(app, method, path, content_type):
    response = app.client.request(method, path, headers={"content-type": content_type}, content=b"--x")
    assert response.status_code == 200


def test_the_text_of_a_body_is_not_kept_once_it_is_taken():
    text = json.dumps({"n": 9007199254740993}).encode()
    body = JSONBody({"n": 1}, text)
    assert any(kept is text for kept in gc.get_referents(vars(body)))
    assert body.take_text() is text
    assert not any(kept is text for kept in gc.get_referents(vars(body)))


@given(numbers=st.lists(st.integers() | st.decimals(allow_nan=False, allow_infinity=False), min_size=1))
def test_exact_values_are_written_with_the_digits_that_came(numbers):
    text = f"[{','.join(map(str, numbers))}]".encode()
    assert orjson.dumps(parse_exact(text)) == text
