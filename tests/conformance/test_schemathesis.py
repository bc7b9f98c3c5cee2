"""The merged document, read by a program that knows nothing else: whatever it makes up gets a documented answer."""

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.config import SchemathesisConfig
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.conformance.chat import DOCUMENT, read_error, read_stream

# That a valid body is answered with 200 is not checked: much that no schema can say makes a body wrong.
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    negative_data_rejection,
]
MOST = {"max_tokens": 3, "max_completion_tokens": 3, "n": 2}


@pytest.fixture(scope="module")
def document(server):
    schema = schemathesis.openapi.from_dict(DOCUMENT, config=SchemathesisConfig.from_dict({"base-url": server.url}))

    @schema.hook
    def map_body(context, body):
        return shortened(body) if isinstance(body, dict) else body

    return schema


def shortened(body):
    """The body with small lengths in the place of large valid ones, and of none at all."""
    valid = {name: body.get(name) for name in MOST if isinstance(body.get(name), int) and 0 < body[name] <= 128}
    short = {name: min(value, MOST[name]) for name, value in valid.items()}
    unlimited = body.get("max_tokens") is None and body.get("max_completion_tokens") is None
    return {**body, **short, **({"max_tokens": 3} if unlimited else {})}


schema = schemathesis.pytest.from_fixture("document")


@schema.parametrize()
@settings(max_examples=60, suppress_health_check=list(HealthCheck))
def test_what_is_made_up_from_the_document_is_answered_as_documented(case):
    response = case.call_and_validate(checks=CHECKS)
    if response.status_code >= 400 and case.method != "HEAD":
        read_error(response)
    elif "text/event-stream" in response.headers["content-type"][0]:
        assert read_stream(response)
