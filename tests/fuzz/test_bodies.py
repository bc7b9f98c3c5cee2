"""Bodies that are valid, nearly so, or not at all: an answer, or a refusal with a message; never a fault of ours."""

import json
from typing import Any

import httpx
import pytest
from hypothesis import strategies as st

from tests.conformance.bodies import bodies
from tests.conformance.chat import DOCUMENT, PATH
from tests.load.server import Server

pytestmark = pytest.mark.fuzz

SCHEMAS = DOCUMENT["components"]["schemas"]
FIELDS = sorted({name for schema in SCHEMAS.values() for name in schema.get("properties", {})})
ODD = [
    None,
    True,
    0,
    -1,
    2**63,
    2**64,
    1e308,
    -0.0,
    "",
    "\x00",
    "\ud800",
    "\U0010ffff",
    "a" * 5000,
    [],
    {},
    [[]],
    [None],
    {"": ""},
]
FIELD_SCHEMAS = [field for schema in SCHEMAS.values() for field in schema.get("properties", {}).values()]
ENUMS = sorted({value for field in FIELD_SCHEMAS for value in field.get("enum", []) if isinstance(value, str)})
WORDS = [*ENUMS, "user", "tool", "function", "text", "regex", "grammar"]
leaves = st.sampled_from(ODD) | st.sampled_from(WORDS) | st.text(max_size=9) | st.integers() | st.floats()
values = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(FIELDS) | st.text(max_size=3), inner, max_size=5)
    ),
    max_leaves=12,
)


def places(value: Any, place: tuple = ()) -> list[tuple]:
    """Of everything inside."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [place, *(found for key, item in inner for found in places(item, (*place, key)))]


def replaced(value: Any, place: tuple, new: Any) -> Any:
    """A copy with another value at a place."""
    if not place:
        return new
    copy = value.copy()
    copy[place[0]] = replaced(value[place[0]], place[1:], new)
    return copy


@st.composite
def mutated(draw: st.DrawFn) -> Any:
    """A valid body with other values in a few places, and fields from anywhere in the document."""
    body: Any = draw(bodies(most_choices=2))
    for _ in range(draw(st.integers(1, 3))):
        body = replaced(body, draw(st.sampled_from(places(body))), draw(values))
    if isinstance(body, dict):
        body |= draw(st.dictionaries(st.sampled_from(FIELDS), values, max_size=2))
        body["max_tokens"] = draw(st.sampled_from([1, 3, 8, None, 0, "3"]))
    return body


@st.composite
def texts(draw: st.DrawFn) -> bytes:
    """A body's JSON, with bytes turned, doubled and left out."""
    text = bytearray(json.dumps(draw(mutated() | bodies(most_choices=2))).encode())
    for _ in range(draw(st.integers(0, 3))):
        at, size = draw(st.integers(0, len(text))), draw(st.integers(0, 4))
        text[at : at + size] = draw(st.binary(max_size=4) | st.just(bytes(text[at : at + 9])))
    return bytes(text)


def test_a_body_is_answered_or_refused_by_name(fuzz, server: Server) -> None:
    with httpx.Client(base_url=server.url, timeout=60, headers={"content-type": "application/json"}) as client:

        def check(body: bytes) -> None:
            response = client.post(PATH, content=body)
            assert response.status_code in (200, 404, 413, 422, 429, 504), response.text
            if response.status_code != 200:
                error = response.json()
                assert error["message"] == error["error"]["message"] != ""

        fuzz(st.one_of(mutated().map(lambda body: json.dumps(body).encode()), texts()), check)
