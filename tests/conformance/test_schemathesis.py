"""Both documents, read by a program that knows nothing else: whatever it makes up gets a documented answer."""

import httpx
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from handlers.http.spec import load_document
from tests.conformance.chat import DOCUMENT, read_error, read_stream, strict, validator

# That a valid body is answered with 200 is not checked: much that no schema can say makes a body wrong.
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    negative_data_rejection,
]
MOST = {"max_tokens": 3, "max_completion_tokens": 3, "max_output_tokens": 3, "n": 2}
NO_LIMIT = (None, -1)
LAST_EVENTS = (
    "response.completed\n",
    "response.incomplete\n",
    "response.failed\n",
    'error\ndata: {"type":"error","sequence',
)
EVENT = validator("ResponsesStreamEvent")
SETTINGS = settings(max_examples=60, suppress_health_check=list(HealthCheck))


MESSAGES_EVENT, MESSAGES_ERROR = map(validator, ("MessagesStreamEvent", "MessagesErrorResponse"))
schema = schemathesis.openapi.from_dict(DOCUMENT)
strict_schema = schemathesis.openapi.from_dict(load_document(strict=True))
for document in (schema, strict_schema):
    document.config.max_stream_events = 10_000  # by itself it reads 20 events of a stream and leaves


@schema.hook
@strict_schema.hook
def map_body(context, body):
    """Keeps answers short; what is not valid stays as it is."""
    return shortened(body) if isinstance(body, dict) else body


def shortened(body):
    """The body with small lengths in the place of large valid ones, and of none at all; half of them streamed."""
    valid = {name: body[name] for name in MOST if _is_count(body.get(name))}
    short = {name: min(value, MOST[name]) for name, value in valid.items()}
    stream = {"stream": len(body) % 2 == 0} if "stream" not in body else {}
    lengths = ("max_output_tokens",) if "input" in body else ("max_tokens", "max_completion_tokens")
    unlimited = all(body.get(name) in NO_LIMIT for name in lengths)
    return {**body, **short, **stream, **({lengths[0]: 3} if unlimited else {})}


def _is_count(value):
    """Whether a JSON Schema takes it for a whole number, as it does 19.0, and there are not too many."""
    return isinstance(value, int | float) and 0 < value <= 128 and value == int(value)


@schema.parametrize()
@SETTINGS
def test_what_is_made_up_from_the_document_is_answered_as_documented(case, server):
    answered_as_documented(case, server)


@strict_schema.parametrize()
@SETTINGS
def test_what_is_made_up_from_the_strict_document_is_answered_as_that_says(case, strict_server):
    answered_as_documented(case, strict_server)


def answered_as_documented(case, server):
    response = case.call_and_validate(base_url=server.url, checks=CHECKS)
    assert not response.stream_cut_short
    headers = {name: values[0] for name, values in response.headers.items()}
    answer = httpx.Response(response.status_code, content=response.content, headers=headers)
    (check_messages if case.path.startswith("/v1/messages") else check)(case.method, answer)


def check_messages(method, response):
    """The same of Anthropic's API: each event is one of its kinds, the last an end or an error, no error is empty."""
    if response.status_code >= 400 and method != "HEAD":
        MESSAGES_ERROR.validate(strict(response.text))
    elif response.headers["content-type"].startswith("text/event-stream"):
        lines = [line for line in response.text.splitlines() if line.startswith("data: ")]
        events = [strict(line.removeprefix("data: ")) for line in lines]
        for event in events:
            MESSAGES_EVENT.validate(event)
        assert events[-1]["type"] in ("message_stop", "error"), response.text[-2000:]


def check(method, response):
    """What the document cannot say of the body: each event is a chunk, no error is empty."""
    if response.status_code >= 400 and method != "HEAD":
        read_error(response)
    elif response.headers["content-type"].startswith("text/event-stream"):
        last = [line for line in response.text.splitlines() if line.startswith("data: ")][-1:]
        assert last, response.text[-2000:]
        if last == ["data: [DONE]"]:
            assert read_stream(response)
        elif response.text.rpartition("event: ")[2].startswith(LAST_EVENTS):
            EVENT.validate(strict(last[0].removeprefix("data: ")))
        else:  # an error that was found after the stream had to begin
            error = strict(last[0].removeprefix("data: "))
            assert error.keys() == {"message", "error"}, response.text[-2000:]
