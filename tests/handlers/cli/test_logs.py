"""What the log leaves out, and how it is written."""

import json
import logging
import sys

import pytest

from handlers.cli.logs import LONGEST_PATH, JSONFormatter, TextFormatter, set_up_logging, shorten_path
from handlers.http.request_id import request_id


def record(message, *args, **more):
    return logging.LogRecord("a.b", logging.WARNING, "", 1, message, args, **{"exc_info": None, **more})


@pytest.fixture
def in_request():
    token = request_id.set("abc-1")
    yield
    request_id.reset(token)


@pytest.mark.parametrize(
    ("logger", "message", "passes"),
    [
        ("connexion.decorators.parameter", "Function argument 'json_body' not defined in specification", False),
        ("uvicorn.access", '1 - "GET /health HTTP/1.1" 503', False),
        ("uvicorn.access", '1 - "POST /v1/chat/completions HTTP/1.1" 200', True),
    ],
)
def test_the_log_leaves_out_what_says_nothing(logger, message, passes):
    set_up_logging("info")
    record = logging.LogRecord(logger, logging.INFO, "", 1, message, None, None)
    assert bool(logging.getLogger(logger).filter(record)) is passes


def test_lines_have_the_id_of_their_request_once(in_request):
    assert TextFormatter().format(record("x %s", 1)).endswith(" WARNING x 1 [abc-1]")
    assert TextFormatter().format(record("request abc-1 failed")).endswith(" WARNING request abc-1 failed")


def test_lines_of_no_request_have_no_id():
    assert TextFormatter().format(record("x")).endswith(" WARNING x")
    assert "request_id" not in json.loads(JSONFormatter().format(record("x")))


def test_json_is_one_line_with_all_there_is(in_request):
    try:
        raise ValueError("a\nb")
    except ValueError:
        line = JSONFormatter().format(record('say "%s"\n', "é", exc_info=sys.exc_info()))
    assert "\n" not in line
    fields = json.loads(line)
    assert (fields["level"], fields["logger"], fields["message"]) == ("warning", "a.b", 'say "é"\n')
    assert fields["request_id"] == "abc-1" and "ValueError: a" in fields["traceback"]
    assert fields["time"].endswith("+00:00")


def test_a_long_path_is_not_logged_whole():
    line = record('%s - "%s %s HTTP/%s" %d', "1:2", "GET", "/" + "a" * 9000, "1.1", 404)
    assert shorten_path(line) and len(line.getMessage()) < LONGEST_PATH + 60
    short = record('%s - "%s %s HTTP/%s" %d', "1:2", "GET", "/health", "1.1", 200)
    assert shorten_path(short) and short.getMessage() == '1:2 - "GET /health HTTP/1.1" 200'
