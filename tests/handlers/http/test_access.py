"""Who may ask: with a key where there are keys, by this server's name where it is local, no page of another site."""

import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers.http.access import LOCAL_HOSTS, Access, digests

PATH = "/v1/chat/completions"
BODY = {"messages": [{"role": "user", "content": "Hi"}], "seed": 4}
KEYS = digests(["key-one", "schlüssel"])


@pytest.fixture(scope="module")
def locked(fakes):
    with fakes.connected(access=Access(keys=KEYS)) as app:
        yield app


@pytest.fixture(scope="module")
def local(fakes):
    with fakes.connected(
        access=Access(hosts=LOCAL_HOSTS | {"box.lan"}, origins=frozenset(["https://a.example"]))
    ) as app:
        yield app


def bearer(key):
    return {"authorization": f"Bearer {key}".encode()}


def test_with_a_key_everything_is_answered(locked):
    for headers in (bearer("key-one"), bearer("schlüssel"), {"authorization": "bearer   key-one "},
                    {"x-api-key": "key-one"}, {"x-api-key": "key-one", "authorization": "Basic other"}):  # fmt: skip
        assert locked.client.post(PATH, json=BODY, headers=headers).status_code == 200
        assert locked.client.get("/v1/models", headers=headers).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [{}, bearer(""), bearer("key-on"), bearer("key-one2"), bearer("KEY-ONE"), {"authorization": "key-one"},
     {"authorization": "Basic key-one"}, {"x-api-key": "key-on"}, {"x-api-key": "Bearer key-one"},
     {"cookie": "key-one"}],
)  # fmt: skip
@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", PATH), ("GET", "/v1/models"), ("GET", "/uix"), ("GET", "/openapi.jsonx"), ("GET", "/nowhere"),
     ("GET", "/health/x"), ("GET", "//health"), ("POST", PATH + "/"), ("GET", "/v1/models/"), ("GET", "/v1/ui/")],
)  # fmt: skip
def test_without_a_key_nothing_is_answered_and_nothing_is_told(locked, headers, method, path):
    before = len(locked.engine.generations)
    response = locked.client.request(method, path, content=b"{", headers=headers)
    assert response.status_code == 401 and response.headers["www-authenticate"] == "Bearer"
    assert response.json()["error"]["code"] == "invalid_api_key"
    assert len(locked.engine.generations) == before


@given(key=st.text(st.characters(max_codepoint=255, exclude_characters="\0\r\n"), max_size=30))
def test_no_other_text_is_a_key(locked, key):
    headers = {"authorization": b"Bearer " + key.encode("latin-1")}
    assert locked.client.get("/v1/models", headers=headers).status_code == 401


@pytest.mark.parametrize("monitoring", [True, False])
def test_the_document_and_what_shows_it_need_no_key_and_take_one(fakes, monitoring):
    with fakes.connected(access=Access(keys=KEYS, open_paths=frozenset(["/health"] if monitoring else []))) as app:
        for path in ("/ui", "/ui/", "/ui/swagger-ui.css", "/ui/swagger-ui-bundle.js", "/openapi.json", "/openapi.yaml"):
            assert app.client.get(path).status_code == 200, path
        document = app.client.get("/openapi.json").json()
        assert {} in document["security"]
        schemes = document["components"]["securitySchemes"]
        assert schemes["bearer"] == {"type": "http", "scheme": "bearer"}
        own = {schemes["apiKey"]["name"]: "key-one"}
        assert app.client.get("/v1/models", headers=own).status_code == 200


def test_health_needs_a_key_only_where_it_is_told_to(locked, fakes):
    assert locked.client.get("/health").status_code == 200
    with fakes.connected(access=Access(keys=KEYS, open_paths=frozenset())) as app:
        assert app.client.get("/health").status_code == 401
        assert app.client.get("/health", headers=bearer("key-one")).status_code == 200


@pytest.mark.parametrize(
    "host", ["localhost", "127.0.0.1:8000", "LOCALHOST:1", "[::1]:8000", "[::1]", "box.lan", "Box.LAN:9"]
)
def test_its_own_names_are_answered(local, host):
    assert local.client.get("/health", headers={"host": host}).status_code == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example:80", "", "[::1", "1"]
)
def test_a_name_that_another_site_gave_this_machine_is_refused(local, host):
    response = local.client.post(PATH, json=BODY, headers={"host": host})
    assert response.status_code == 403 and response.json()["error"]["code"] == "host_not_allowed"


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "http://a.example", "https://a.example.evil", "file://"]
)
@pytest.mark.parametrize("content_type", ["text/plain", "application/json", None])
def test_pages_of_other_sites_generate_nothing(local, origin, content_type):
    before = len(local.engine.generations)
    headers = {"host": "localhost", "origin": origin} | ({"content-type": content_type} if content_type else {})
    response = local.client.post(PATH, content=b'{"messages": [{"role": "user", "content": "Hi"}]}', headers=headers)
    assert response.status_code == 403 and response.json()["error"]["code"] == "origin_not_allowed"
    assert "access-control-allow-origin" not in response.headers
    assert len(local.engine.generations) == before


@pytest.mark.parametrize("origin", [None, "http://localhost:8000", "https://localhost:8000", "https://a.example"])
def test_its_own_pages_and_allowed_ones_may_ask(local, origin):
    headers = {"host": "localhost:8000"} | ({"origin": origin} if origin else {})
    response = local.client.post(PATH, json=BODY, headers=headers)
    assert response.status_code == 200
    allowed = response.headers.get("access-control-allow-origin")
    assert allowed == (origin if origin == "https://a.example" else None)


def test_a_browser_is_told_before_it_asks_whether_it_may(local, locked):
    asks = {"access-control-request-method": "POST", "access-control-request-headers": "authorization,content-type"}
    allowed = local.client.options(PATH, headers={"host": "localhost", "origin": "https://a.example", **asks})
    assert allowed.status_code == 200 and "authorization" in allowed.headers["access-control-allow-headers"]
    other = local.client.options(PATH, headers={"host": "localhost", "origin": "https://evil.example", **asks})
    assert other.status_code == 400 and other.headers.get("access-control-allow-origin") is None
    assert (
        "access-control-allow-origin"
        not in locked.client.options(PATH, headers={"origin": "https://x", **asks}).headers
    )


def test_pages_are_shown_in_no_frame_and_answers_are_what_they_say(app):
    page = app.client.get("/ui/")
    assert (
        page.headers["x-frame-options"] == "DENY"
        and "frame-ancestors 'none'" in page.headers["content-security-policy"]
    )
    answer = app.client.post(PATH, json=BODY)
    assert answer.headers["x-content-type-options"] == "nosniff" and "x-frame-options" not in answer.headers


@pytest.mark.parametrize(
    ("given", "kept"),
    [("abc-1_2.3:4", True), ("a" * 128, True), ("a" * 129, False), ("a b", False), ("", False), ("é", False)],
)
def test_the_id_of_a_request_is_its_own_if_it_has_one(app, given, kept, caplog):
    caplog.set_level(logging.INFO)
    response = app.client.get("/nowhere", headers={"x-request-id": given.encode()})
    assert (response.headers["x-request-id"] == given) is kept
    assert response.headers["x-request-id"]


def test_clients_are_told_apart_by_their_keys(locked):
    for key in ("key-one", "schlüssel", "key-one"):
        schema = {"type": "json_schema", "json_schema": {"schema": {"title": key}}}
        locked.client.post(PATH, json={**BODY, "response_format": schema}, headers=bearer(key))
    one, other, again = locked.compiler.clients[-3:]
    assert one == again != other and "one" not in one
    asked = [generation.request for generation in locked.engine.generations[-3:]]
    assert [request.client for request in asked] == [request.namespace for request in asked] == [one, other, again]


def test_without_keys_clients_are_told_apart_by_address_and_share_what_is_computed(app):
    app.client.post(PATH, json=BODY)
    asked = app.engine.generations[-1].request
    assert asked.client == "testclient" and asked.namespace is None
