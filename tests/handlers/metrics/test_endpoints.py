"""Requests are counted by endpoint: every one once, under a path of the document and never under what clients send."""

import re
from collections import Counter
from string import ascii_uppercase
from urllib.parse import quote

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from handlers.app import DOCUMENTATION, PAGE
from handlers.http.access import Access, digests
from handlers.http.spec import load_document
from handlers.metrics.endpoints import LEFT, OTHER
from handlers.metrics.instruments import FAILURES

PATHS = load_document()["paths"]
OPERATIONS = [(method.upper(), path) for path, operations in PATHS.items() for method in operations]
LABELS = {*PATHS, PAGE, DOCUMENTATION, OTHER}
USER = {"role": "user", "content": "Hi"}
GENERATING = {
    "/v1/chat/completions": ({"messages": [USER]}, {"messages": [USER], "stream": True}),
    "/v1/completions": ({"prompt": ["Hi", "Ho"], "max_tokens": 3}, {"prompt": "Hi", "stream": True}),
    "/v1/messages": (
        {"messages": [USER], "max_tokens": 5},
        {"messages": [USER], "max_tokens": 5, "stream": True},
    ),
    "/v1/responses": ({"input": "Hi"}, {"input": "Hi", "stream": True}),
}


def samples(service, name):
    """Of a metric: the values of its labels, in the order in which the metric has them, and the sample's value."""
    found = {}
    for family in text_string_to_metric_families(service.metrics.text().decode()):
        for sample in family.samples:
            if sample.name == name:
                found[tuple(sample.labels.values())] = sample.value
    return found


BESIDE = {
    "/": PAGE,
    "/page/app.js": PAGE,
    "/ui/": DOCUMENTATION,
    "/openapi.json": DOCUMENTATION,
    "/x": OTHER,
    "/ui": DOCUMENTATION,
    "/v1/responses//": "/v1/responses",
    "/health/": "/health",
}


def test_every_request_is_counted_once_under_a_path_of_the_document_or_one_of_few_words(fakes):
    expected = Counter()
    with fakes.connected(page=True) as app:
        for method, path in OPERATIONS:
            response = app.client.request(method, re.sub(r"\{.*?\}", "of%20a-client", path) + "?x=1")
            expected[path, method, str(response.status_code)] += 1
        for path, label in BESIDE.items():
            response = app.client.get(path, follow_redirects=False)
            expected[label, "GET", str(response.status_code)] += 1
        assert samples(app.service, "jaxchat_http_requests_total") == expected
        timed = samples(app.service, "jaxchat_http_request_seconds_count")
    assert sum(timed.values()) == expected.total() and timed.keys() == {(label,) for label, _, _ in expected}


@given(path=st.text(max_size=20), method=st.text(ascii_uppercase, min_size=1))
def test_whatever_clients_send_is_no_label(app, path, method):
    app.client.request(method, "/v1/responses/" + quote(path))
    app.client.request("GET", f"/{quote(path)}")
    counted = samples(app.service, "jaxchat_http_requests_total")
    assert {endpoint for endpoint, _, _ in counted} <= LABELS
    assert all(re.fullmatch("[0-9]{3}", status) for _, _, status in counted)
    assert len({word for _, word, _ in counted}) <= 9


def test_who_is_refused_at_the_door_is_counted_too(fakes):
    with fakes.connected(access=Access(digests(["key"]))) as app:
        assert app.client.post("/v1/completions", json={"prompt": "Hi"}).status_code == 401
        assert samples(app.service, "jaxchat_http_requests_total") == {("/v1/completions", "POST", "401"): 1}


def test_a_client_that_left_before_there_was_an_answer_is_counted(fakes):
    with fakes.connected(fakes.Engine(delay=5)) as app:

        async def leave():
            sent = iter([{"type": "http.request", "body": b'{"prompt": "Hi"}'}, {"type": "http.disconnect"}])
            path, headers = "/v1/completions", [(b"host", b"testserver"), (b"content-type", b"application/json")]
            scope = {"type": "http", "method": "POST", "path": path, "raw_path": path.encode(), "query_string": b"",
                     "headers": headers, "http_version": "1.1", "scheme": "http", "server": ("a", 1),
                     "client": ("b", 2), "state": dict(app.client.app_state)}  # fmt: skip

            async def receive():
                return next(sent)

            async def send(message):
                raise AssertionError(f"nobody reads {message}")

            await app.client.app(scope, receive, send)

        app.client.portal.call(leave)
        assert samples(app.service, "jaxchat_http_requests_total") == {("/v1/completions", "POST", LEFT): 1}
        assert samples(app.service, "jaxchat_generations_total") == {("/v1/completions", "cancel"): 1}


def test_generations_and_their_tokens_are_counted_by_endpoint_and_add_up_to_the_totals(fakes):
    with fakes.connected() as app:
        for path, bodies in GENERATING.items():
            for body in bodies:
                assert app.client.post(path, json=body).status_code == 200
        app.engine.full = True
        assert app.client.post("/v1/responses", json={"input": "Hi"}).status_code == 429
        outcomes = samples(app.service, "jaxchat_generations_total")
        tokens = samples(app.service, "jaxchat_endpoint_tokens_total")
        texts = samples(app.service, "jaxchat_first_text_seconds_count")
        totals = {
            name: sum(samples(app.service, name).values())
            for name in ("friendli_requests_total", "friendli_input_lengths_sum", "friendli_output_lengths_sum")
        }
    assert outcomes == {**{(path, "answered"): 2 for path in GENERATING}, ("/v1/responses", "reject"): 1}
    assert {outcome for _, outcome in outcomes} <= {"answered", *FAILURES}
    assert texts == {(path,): 2 for path in GENERATING} and sum(outcomes.values()) == totals["friendli_requests_total"]
    for kind, name in (("prompt", "friendli_input_lengths_sum"), ("output", "friendli_output_lengths_sum")):
        assert sum(value for (_, found), value in tokens.items() if found == kind) == totals[name] > 0
