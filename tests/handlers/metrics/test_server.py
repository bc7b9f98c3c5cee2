"""The port of the metrics: what it answers, to whom, and to how many at a time."""

import errno
import http.client
import logging
import socket
import threading
import time
from contextlib import ExitStack
from types import SimpleNamespace

import httpx
import pytest

from handlers.http.access import digests
from handlers.metrics import Metrics, serve_metrics
from handlers.metrics.server import MOST_CONNECTIONS
from tests.handlers.metrics.contract import CONTRACT, types_of


@pytest.fixture
def scraped(fakes):
    engine = fakes.Engine()
    server = serve_metrics(SimpleNamespace(metrics=Metrics(engine.stats)), "127.0.0.1", 0)
    yield SimpleNamespace(server=server, url=f"http://127.0.0.1:{server.port}")
    server.close()


@pytest.mark.parametrize(
    "accept",
    ["*/*", "text/plain", "application/openmetrics-text; version=1.0.0", "application/vnd.google.protobuf", ""],
)
def test_the_port_serves_the_same_names_whatever_is_accepted(scraped, accept):
    response = httpx.get(scraped.url + "/metrics", headers={"accept": accept})
    assert response.status_code == 200
    assert response.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert CONTRACT.items() <= types_of(response.text).items()


def test_what_else_is_asked_of_the_port_has_an_answer(scraped):
    assert httpx.get(scraped.url + "/nothing").status_code == 404
    assert httpx.get(scraped.url + "/").status_code == httpx.get(scraped.url + "/metrics?a=b").status_code == 200
    head = httpx.head(scraped.url + "/metrics")
    assert head.status_code == 200 and int(head.headers["content-length"]) > 1000 and head.content == b""
    assert httpx.post(scraped.url + "/metrics").status_code == 501


def test_metrics_may_want_a_key_of_their_own():
    keys = digests(["scraper", "schlüssel"])
    server = serve_metrics(SimpleNamespace(metrics=Metrics(lambda: None)), "127.0.0.1", 0, keys)
    try:
        url = f"http://127.0.0.1:{server.port}/metrics"
        for value in ("Bearer scraper", "bearer  scraper", "Bearer schlüssel".encode()):
            assert httpx.get(url, headers={"authorization": value}).status_code == 200
        for headers in (
            {},
            {"authorization": "Bearer other"},
            {"authorization": "Basic scraper"},
            {"x-api-key": "scraper"},
        ):
            for answer in (httpx.get(url, headers=headers), httpx.head(url, headers=headers)):
                assert answer.status_code == 401 and answer.headers["www-authenticate"] == "Bearer"
                assert "friendli" not in answer.text
    finally:
        server.close()


def test_many_scrape_at_the_same_time_and_one_that_says_nothing_holds_nobody(scraped):
    with socket.create_connection(("127.0.0.1", scraped.server.port)):
        results = []
        threads = [
            threading.Thread(target=lambda: results.append(httpx.get(scraped.url + "/metrics").status_code))
            for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert results == [200] * 8


def test_the_port_does_not_tell_what_it_runs_on(scraped):
    for path in ("/metrics", "/nothing"):
        assert httpx.get(scraped.url + path).headers["server"] == "jaxchat"


def test_a_crowd_on_the_port_is_turned_away_and_leaves_it_as_it_was(scraped):
    address = ("127.0.0.1", scraped.server.port)
    with ExitStack() as stack:
        crowd = [stack.enter_context(socket.create_connection(address)) for _ in range(3 * MOST_CONNECTIONS)]
        refused = [client for client in crowd[MOST_CONNECTIONS:] if client.recv(1) == b""]
        assert len(refused) == 2 * MOST_CONNECTIONS
        assert sum("process_request" in thread.name for thread in threading.enumerate()) <= MOST_CONNECTIONS
    assert retried(lambda: httpx.get(scraped.url + "/metrics")).status_code == 200


def test_connections_that_the_system_refuses_are_logged_once_and_taken_later(scraped, monkeypatch, caplog):
    refusing = True
    accept = socket.socket.accept

    def limited(listener):
        if refusing:
            raise OSError(errno.EMFILE, "Too many open files")
        return accept(listener)

    monkeypatch.setattr(socket.socket, "accept", limited)
    monkeypatch.setattr("handlers.metrics.server.PAUSE_SECONDS", 0.01)
    with socket.create_connection(("127.0.0.1", scraped.server.port)) as client:
        client.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
        while "Too many open files" not in caplog.text:
            time.sleep(0.01)
        refusing = False
        assert client.recv(12) == b"HTTP/1.0 200"
    assert caplog.text.count("Too many open files") == 1


def retried(ask):
    """The answer, once the places of those who left are free."""
    for _ in range(200):
        try:
            return ask()
        except httpx.HTTPError:
            time.sleep(0.01)
    return ask()


def test_a_port_that_is_taken_is_an_error_and_a_closed_one_is_free_again(scraped):
    port = scraped.server.port
    with pytest.raises(OSError, match="[Aa]ddress already in use"):
        serve_metrics(SimpleNamespace(metrics=Metrics(lambda: None)), "127.0.0.1", port)
    scraped.server.close()
    again = serve_metrics(SimpleNamespace(metrics=Metrics(lambda: None)), "127.0.0.1", port)
    assert again.port == port
    again.close()
    with pytest.raises(httpx.ConnectError):
        httpx.get(scraped.url + "/metrics")


def test_an_engine_that_cannot_tell_its_figures_is_500_and_logged(caplog):
    def stats():
        raise RuntimeError("no figures")

    server = serve_metrics(SimpleNamespace(metrics=Metrics(stats)), "localhost", 0)
    with caplog.at_level(logging.ERROR):
        connection = http.client.HTTPConnection("localhost", server.port)
        connection.request("GET", "/metrics")
        response = connection.getresponse()
        assert response.status == 500 and b"no figures" not in response.read()
    assert "no figures" in caplog.text
    server.close()
