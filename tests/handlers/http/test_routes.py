"""What the document has at a path: its methods, and the parameters of queries."""

import re
from urllib.parse import quote, unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers.http.ignored import LONGEST_HEADER, MORE, encode, unknown_queries
from handlers.http.routes import Routes
from handlers.http.spec import load_document

PATHS = load_document()["paths"]
METHODS = {"GET", "HEAD", "PUT", "POST", "DELETE", "PATCH", "OPTIONS", "TRACE"}
USER = {"role": "user", "content": "Hi"}
BODIES = {
    "/v1/chat/completions": {"messages": [USER]},
    "/v1/chat/render": {"messages": [USER]},
    "/v1/completions": {"prompt": "Hi"},
    "/v1/detokenize": {"tokens": [72]},
    "/v1/messages": {"messages": [USER], "max_tokens": 9},
    "/v1/messages/count_tokens": {"messages": [USER]},
    "/v1/responses": {"input": "Hi"},
    "/v1/tokenize": {"prompt": "Hi"},
}


def real(template):
    return re.sub(r"\{.*?\}", "tiny", template)


def named(response):
    assert response.status_code == 200, response.text
    return [unquote(name) for name in response.headers.get("x-ignored-parameters", "").split(",") if name]


@pytest.mark.parametrize("template", PATHS)
def test_allow_has_the_methods_of_a_path_and_no_others(app, template):
    declared = {method.upper() for method in PATHS[template]}
    declared |= {"HEAD"} if "GET" in declared else set()
    for method in METHODS | {"BREW"}:
        response = app.client.request(method, real(template))
        assert (response.status_code == 405) == (method not in declared), method
        if response.status_code == 405:
            assert set(response.headers["allow"].split(", ")) == declared
            assert method == "HEAD" or f"use {response.headers['allow']}" in response.text


@pytest.mark.parametrize("template", PATHS)
@pytest.mark.parametrize("slashes", ["/", "//", "%2F"])
def test_slashes_at_the_end_of_a_path_change_nothing(app, template, slashes):
    for method in METHODS - {"HEAD"}:
        plain = app.client.request(method, real(template), json={})
        slashed = app.client.request(method, real(template) + slashes, json={}, follow_redirects=False)
        assert (slashed.status_code, slashed.headers.get("allow")) == (plain.status_code, plain.headers.get("allow"))
        assert slashed.status_code == 200 or slashed.json()["error"] == plain.json()["error"]


def test_a_path_without_parameters_goes_before_those_with_and_of_these_the_first_with_the_method():
    operations = {"/a/{name}": {"get": {}}, "/a/b": {"post": {}}, "/{x}/c": {"put": {}}, "/a/{rest}/c": {"delete": {}}}
    routes = Routes({"paths": operations})
    assert routes.find("POST", "/a/b").template == routes.find("GET", "/a/b").template == "/a/b"
    assert routes.find("PUT", "/a/c").template == "/{x}/c"
    assert routes.find("GET", "/a/c").template == routes.find("POST", "/a/c").template == "/a/{name}"
    assert routes.methods("/a/b") == ["POST"] and routes.methods("/a/c") == ["GET", "HEAD", "PUT"]
    assert routes.methods("/a/x/c") == ["DELETE"]
    assert routes.find("GET", "/b") is None and routes.methods("/b") == []


@pytest.mark.parametrize("path", BODIES)
def test_parameters_of_a_query_that_nobody_knows_are_named(app, path):
    body = {**BODIES[path], "unheard": 1}
    response = app.client.post(f"{path}?temperature=0&a%20b=&unheard", json=body)
    assert sorted(named(response)) == ["query.a b", "query.temperature", "query.unheard", "unheard"]


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/completions", "/v1/messages", "/v1/responses"])
def test_so_they_are_of_streams(app, path):
    response = app.client.post(f"{path}?beta=true", json={**BODIES[path], "stream": True})
    assert response.headers["content-type"].startswith("text/event-stream") and named(response) == ["query.beta"]


@pytest.mark.parametrize("path", ["/health", "/v1/models", "/v1/models/tiny"])
def test_so_they_are_where_there_is_no_body(app, path):
    assert named(app.client.get(path)) == []
    assert (
        named(app.client.get(f"{path}?verbose=1")) == named(app.client.head(f"{path}?verbose=1")) == ["query.verbose"]
    )


def test_those_that_are_known_are_not_named_unless_they_come_twice(app):
    kept = app.client.post("/v1/responses", json={"input": "Hi"}).json()["id"]
    path = f"/v1/responses/{kept}/input_items"
    assert named(app.client.get(f"{path}?limit=5&order=asc")) == []
    assert named(app.client.get(f"{path}?limit=5&limit=7&include=x")) == ["query.limit", "query.include"]
    assert app.client.get(f"{path}?limit=5&limit=x").json()["error"]["param"] == "limit"  # the last counts
    assert named(app.client.delete(f"/v1/responses/{kept}?limit=1")) == ["query.limit"]


def test_what_is_refused_names_nothing(app):
    response = app.client.post("/v1/chat/completions?x=1", json={})
    assert response.status_code == 422 and "x-ignored-parameters" not in response.headers


@given(query=st.binary(max_size=4000) | st.text(max_size=400).map(lambda text: quote(text, safe="&=").encode()))
def test_any_query_makes_a_short_plain_header(query):
    names = unknown_queries(query, ["limit"])
    header = encode(names, before=encode(["first", "second"]))
    assert header.isascii() and header.isprintable() and len(header) <= LONGEST_HEADER + len(MORE) + 1
    read = header.split(",")
    assert read[:2] == ["first", "second"] and (read[-1] == MORE or len(read) == 2 + len(names))
    assert encode(["third"], before=f"{header},{MORE}") == f"{header},{MORE}"
