"""What is said to be unique or enough is valid by a validator too; and no schema makes the check take long."""

import json

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers.generation import deferred
from handlers.generation.deferred import items_are_unique, properties_are_enough

NAMES = st.sampled_from(["a", "b"])
SCALARS = st.sampled_from([None, True, False, 0, 1, 1.0, -0.0, 10**30, "", "a", "1"])
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=2), max_leaves=8
)


def keywords(schemas):
    some = st.lists(schemas, min_size=1, max_size=2)
    return {
        "uniqueItems": st.booleans(), "items": schemas, "prefixItems": some, "contains": schemas,
        "properties": st.dictionaries(NAMES, schemas, max_size=2), "additionalProperties": schemas,
        "patternProperties": st.dictionaries(st.sampled_from(["a", "b"]), schemas, max_size=2),
        "unevaluatedItems": schemas, "unevaluatedProperties": schemas, "allOf": some,
        "$ref": st.sampled_from(["#/$defs/d", "e.json", "#e"]),
    }  # fmt: skip


def branches(schemas):
    some = st.lists(schemas, min_size=1, max_size=2)
    return {"anyOf": some, "dependentSchemas": st.dictionaries(NAMES, schemas, max_size=2)}


UNIQUE = st.just({"uniqueItems": True})
STRAIGHT = st.recursive(UNIQUE, lambda inner: st.fixed_dictionaries({}, optional=keywords(inner)), max_leaves=6)
BRANCHED = st.recursive(
    UNIQUE, lambda inner: st.fixed_dictionaries({}, optional={**keywords(inner), **branches(inner)}), max_leaves=6
)


def document(schema, d):
    by_id, by_anchor = {"$id": "e.json", "uniqueItems": True}, {"$anchor": "e", "items": {"uniqueItems": True}}
    return {"$id": "http://x/root.json", **schema, "$defs": {"d": d, "e": by_id, "f": by_anchor}}


def without(schema):
    """The schema without `uniqueItems`, which is what a grammar enforces."""
    if isinstance(schema, list):
        return [without(part) for part in schema]
    if isinstance(schema, dict):
        return {name: without(part) for name, part in schema.items() if name != "uniqueItems"}
    return schema


def is_valid(schema, value):
    return jsonschema.Draft202012Validator(schema).is_valid(value)


def said(schema, value):
    return items_are_unique(json.dumps(schema).encode(), json.dumps(value))


@given(schema=BRANCHED, d=UNIQUE | STRAIGHT, value=VALUES)
def test_what_is_said_to_be_unique_is_valid(schema, d, value):
    schema = document(schema, d if "$ref" not in json.dumps(d) else {})
    if is_valid(without(schema), value) and said(schema, value):
        assert is_valid(schema, value)


@given(items=st.lists(VALUES, max_size=4), where=st.sampled_from(["items", "additionalProperties", "allOf", "$ref"]))
def test_without_branches_it_is_what_a_validator_says(items, where):
    inner = {"uniqueItems": True}
    schema, value = {
        "items": ({"items": inner}, [items, [1]]),
        "additionalProperties": ({"additionalProperties": inner}, {"a": items}),
        "allOf": ({"allOf": [{"prefixItems": [True, inner]}]}, [[1, 1], items]),
        "$ref": ({"properties": {"a": {"$ref": "#/$defs/d"}}, "$defs": {"d": inner}}, {"a": items, "b": [1, 1]}),
    }[where]
    assert said(schema, value) == is_valid(schema, value)


@given(schema=BRANCHED, d=UNIQUE | STRAIGHT, value=VALUES, least=st.integers(0, 3))
def test_what_is_said_to_be_enough_is_valid(schema, d, value, least):
    def counted(schema):
        """The schema with `minProperties` in place of `uniqueItems`."""
        if isinstance(schema, list):
            return [counted(part) for part in schema]
        if isinstance(schema, dict):
            return {
                "minProperties" if name == "uniqueItems" else name: least if name == "uniqueItems" else counted(part)
                for name, part in schema.items()
            }
        return schema

    schema = document(schema, d if "$ref" not in json.dumps(d) else {})
    valid = is_valid(without(schema), value)
    schema = counted(schema)
    if valid and properties_are_enough(json.dumps(schema).encode(), json.dumps(value)):
        assert is_valid(schema, value)


@pytest.mark.parametrize(
    ("text", "enough"), [('{"a": 1, "b": 2}', True), ('{"a": 1, "a": 2}', False), ("{}", False), ("[]", True)]
)
def test_a_repeated_name_counts_once(text, enough):
    assert properties_are_enough(b'{"minProperties": 2}', text) == enough
    recursive = b'{"properties": {"y": {"minProperties": 2}, "x": {"$recursiveRef": "#"}}}'
    assert properties_are_enough(recursive, f'{{"x": {{"y": {text}}}}}') == enough


@pytest.mark.parametrize("draft", ["04", "07"])
def test_older_drafts(draft):
    base = {"$schema": f"http://json-schema.org/draft-{draft}/schema#", "definitions": {"d": {"uniqueItems": True}}}
    schema = {**base, "items": [{"$ref": "#/definitions/d"}], "additionalItems": {"uniqueItems": True}}
    assert said(schema, [[1], [1, 2]])
    assert not said(schema, [[1, 1], []]) and not said(schema, [[], [2, 2]])


def test_equal_numbers_are_equal_and_digits_count():
    schema = b'{"uniqueItems": true}'
    assert not items_are_unique(schema, "[1, 1.0]") and not items_are_unique(schema, "[[0], [-0.0]]")
    assert items_are_unique(schema, "[1, true]") and items_are_unique(schema, "[0.1, 0.10000000000000000001]")
    assert items_are_unique(schema, "[1e400, 1e401]")


@pytest.mark.parametrize("text", ["", "[1", "nul", "[1] x"])
def test_what_is_no_json_is_not_taken_for_valid(text):
    assert not items_are_unique(b"{}", text)


def test_nothing_takes_long(monkeypatch):
    many = {f"d{n}": {"allOf": [{"$ref": f"#/$defs/d{n + 1}"}] * 2} for n in range(60)}
    assert said({"$ref": "#/$defs/d0", "$defs": {**many, "d60": {"uniqueItems": True}}}, [1, 2])
    assert said({"uniqueItems": True, "items": {"pattern": "^(a*)*$"}}, ["a" * 40 + "b"])
    assert not items_are_unique(b'{"items": {"$ref": "#"}}', "[" * 100_000 + "]" * 100_000)
    monkeypatch.setattr(deferred, "MOST_STEPS", 100)
    assert not said({"items": {"uniqueItems": True}}, [[n] for n in range(101)])
