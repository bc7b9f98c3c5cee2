"""Whether a value satisfies a schema: as the library says, and in bounded time whatever the schema is."""

import json
import re

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handlers.generation.satisfies import satisfies
from tests.backend.grammar.schema.drawn import schemas

VALUES = [None, True, 0, 1, 1.5, "", "a", "ab", [], [1], [1, 1], {}, {"a": 1}, {"a": "x", "b": [None]}, {"b": 2}]


def told(schema, value):
    return satisfies(json.dumps(schema).encode(), json.dumps(value))


@settings(max_examples=60)
@given(schema=schemas, value=st.sampled_from(VALUES))
def test_what_is_told_is_what_the_library_says(schema, value):
    try:
        expected = jsonschema.Draft202012Validator(schema).is_valid(value)
    except Exception:
        return
    if told(schema, value) != expected:
        assert expected and re.search("nullable|patternProperties", json.dumps(schema))


CONDITION = {"if": {"properties": {"a": {"const": 1}}, "required": ["a"]}, "then": {"required": ["b"]}}


@pytest.mark.parametrize(
    ("schema", "value", "expected"),
    [
        (CONDITION, {"a": 1, "b": 0}, True), (CONDITION, {"a": 1}, False), (CONDITION, {"a": 2}, True),
        ({"dependentRequired": {"a": ["b"]}}, {"a": 1}, False), ({"dependentRequired": {"a": ["b"]}}, {"b": 1}, True),
        ({"anyOf": [{"properties": {"a": {}}}], "unevaluatedProperties": False}, {"b": 1}, False),
        ({"anyOf": [{"properties": {"a": {}}}], "unevaluatedProperties": False}, {"a": 1}, True),
        ({"pattern": "^a+$"}, "aaa", True), ({"pattern": "^a+$"}, "b", False), ({"pattern": r"^\\d$"}, "\u0661", False),
        ({"format": "date"}, "2020-13-01", False), ({"format": "date"}, "2020-12-01", True),
        ({"multipleOf": 0.1}, 0.3, True), ({"type": "integer"}, 1.0, True), ({"const": None}, None, True),
        ({"const": None}, 1, False), ({"required": None, "minLength": None}, {}, True),
        ({"$schema": "http://json-schema.org/draft-04/schema#", "minimum": 1, "exclusiveMinimum": True}, 1, False),
        ({"$schema": "http://json-schema.org/draft-07/schema#", "definitions": {"a": {"type": "null"}},
          "$ref": "#/definitions/a"}, None, True),
    ],
)  # fmt: skip
def test_what_each_keyword_says(schema, value, expected):
    assert told(schema, value) is expected


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "http://127.0.0.1:9/x"}, {"$ref": "#/nowhere"}, {"$ref": "#"}, {"pattern": "(?=a)"}, {"pattern": "("},
        {"pattern": 3}, {"allOf": {"a": 1}}, 3, [], {"type": "strange"}, {"nullable": True},
        {"properties": {"a": {"$schema": "http://json-schema.org/draft-07/schema#", "pattern": "a"}}},
    ],
)  # fmt: skip
def test_what_cannot_be_told_is_not_taken_for_valid(schema):
    assert not told(schema, "a")
    assert not satisfies(json.dumps(schema).encode(), "{")


def doubled(depth):
    """Each level is looked at twice for each time that the one above is."""
    parts = {f"l{i}": {"anyOf": [{"items": {"$ref": f"#/$defs/l{i + 1}"}}] * 2} for i in range(depth)}
    return {"$ref": "#/$defs/l0", "$defs": {**parts, f"l{depth}": False}}


def nested(depth):
    return 0 if depth == 0 else [nested(depth - 1)]


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        (doubled(50), nested(51)),
        ({"pattern": "^(a+)+$"}, "a" * 50 + "!"),
        ({"patternProperties": {"^(a+)+$": {}}, "additionalProperties": False}, {"a" * 50 + "!": 1}),
        ({"anyOf": [{"patternProperties": {"^(a+)+$": {}}}], "unevaluatedProperties": False}, {"a" * 50 + "!": 1}),
        ({"uniqueItems": True, "items": {}}, [[i] for i in range(5000)] + [[0]]),
        ({"items": {"allOf": [{"type": "string"}] * 500}}, ["a"] * 4000),
    ],
)
def test_no_schema_takes_its_own_time(schema, value):
    """Or this would not end."""
    assert not told(schema, value)
