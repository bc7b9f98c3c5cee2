"""How values are written: order of properties, white space, closed objects, references."""

import json
from typing import Any

import pytest

from tests.backend.grammar.schema.languages import language

PERSON = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "tags": {"type": "array", "items": {"type": "integer"}}},
    "required": ["tags"],
}
VALUE = {"name": "x", "tags": [1, 2]}


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(VALUE),
        json.dumps(VALUE, separators=(",", ":")),
        json.dumps(VALUE, indent=2),
        json.dumps(VALUE, indent=4),
        '{ "name" : "x" , "tags" : [ 1 , 2 ] }',
        '{"tags": []}',
        '{"tags": [\n' + " " * 120 + "]}",
    ],
)
def test_usual_white_space_is_admitted(text: str) -> None:
    assert language(PERSON).accepts(text.encode())


@pytest.mark.parametrize(
    "text",
    [
        ' {"tags": []}',
        '{"tags": []} ',
        '{"tags":  []}',
        '{"tags": [\n\n]}',
        '{"tags": [\t]}',
        '{"tags": [\r\n]}',
        '{"tags": [\n' + " " * 121 + "]}",
        '{"tags":\n[]}',
    ],
)
def test_white_space_is_bounded(text: str) -> None:
    assert not language(PERSON).accepts(text.encode())


def test_properties_come_in_the_order_of_the_schema_then_required_ones_then_others() -> None:
    schema = {
        "type": "object",
        "properties": {"b": True, "a": True},
        "required": ["z", "a"],
        "additionalProperties": True,
    }
    run = language(schema)
    assert run.accepts(b'{"b":1,"a":2,"z":3,"0":4}')
    for text in ('{"a":2,"b":1,"z":3}', '{"b":1,"z":3,"a":2}', '{"b":1,"a":2,"0":4,"z":3}'):
        assert not run.accepts(text.encode())


def test_objects_that_list_properties_are_closed_unless_asked_or_told_otherwise() -> None:
    other = b'{"tags":[],"other":1}'
    assert not language(PERSON).accepts(other)
    assert language(PERSON, open_objects=True).accepts(other)
    assert language(PERSON | {"additionalProperties": True}).accepts(other)
    assert language(PERSON | {"patternProperties": {"^o": True}}).accepts(other)
    assert language({"type": "object"}).accepts(other)


def test_schemas_combined_by_all_of_make_one_closed_object_of_all_their_properties() -> None:
    run = language({"type": "object", "properties": {"a": True}, "allOf": [{"properties": {"b": True}}]})
    assert run.accepts(b'{"a":1,"b":2}')
    assert not run.accepts(b'{"a":1,"c":2}')


def test_conditions_do_not_say_which_properties_there_are() -> None:
    schema = {
        "type": "object",
        "properties": {"a": {"type": "object"}},
        "if": {"properties": {"a": {"properties": {"k": {"const": 1}}}, "hidden": {"const": 1}}},
        "then": True,
        "not": {"properties": {"secret": {"type": "string"}}, "required": ["secret"]},
    }
    run = language(schema)
    assert run.accepts(b'{"a":{"k":1,"other":2}}')
    assert not run.accepts(b'{"a":{},"hidden":1}')
    assert not run.accepts(b'{"a":{},"secret":1}')


@pytest.mark.parametrize("branch", [{"properties": {"b": True}}, {"properties": {"c": True}}])
def test_each_branch_keeps_its_own_properties(branch: dict[str, Any]) -> None:
    schema = {
        "type": "object",
        "properties": {"a": True},
        "anyOf": [{"properties": {"b": True}}, {"properties": {"c": True}}],
    }
    run = language(schema)
    (name,) = branch["properties"]
    assert run.accepts(json.dumps({"a": 1, name: 2}).encode())
    assert not run.accepts(b'{"a":1,"b":2,"c":3}')


REFERENCES = {
    "pointer": {"$ref": "#/$defs/x", "$defs": {"x": {"const": 1}}},
    "escaped pointer": {"$ref": "#/$defs/a~1b%20~0", "$defs": {"a/b ~": {"const": 1}}},
    "pointer into a list": {"$ref": "#/anyOf/0", "anyOf": [{"const": 1}, {"const": 2}]},
    "anchor": {"$ref": "#x", "$defs": {"y": {"$anchor": "x", "const": 1}}},
    "anchor of draft 7": {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "$ref": "#x",
        "definitions": {"y": {"$id": "#x", "const": 1}},
    },
    "identifier": {"$id": "http://h/a/root", "$ref": "other", "$defs": {"y": {"$id": "/a/other", "const": 1}}},
    "full address of this schema": {"$id": "http://h/a", "$ref": "http://h/a#/$defs/x", "$defs": {"x": {"const": 1}}},
    "inside another resource": {
        "$ref": "sub#/$defs/x",
        "$defs": {"y": {"$id": "sub", "$defs": {"x": {"$ref": "#/$defs/z"}, "z": {"const": 1}}}},
    },
    "siblings hold": {"$ref": "#/$defs/x", "maximum": 1, "$defs": {"x": {"enum": [1, 2]}}},
    "siblings are silent up to draft 7": {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "$ref": "#/definitions/x",
        "type": "string",
        "definitions": {"x": {"const": 1}},
    },
}


@pytest.mark.parametrize("name", REFERENCES)
def test_reference(name: str) -> None:
    run = language(REFERENCES[name])
    assert run.accepts(b"1")
    assert not run.accepts(b"2")
    assert not run.accepts(b'"x"')


def test_recursion_is_exact_at_any_depth() -> None:
    schema = {
        "type": "object",
        "properties": {"next": {"anyOf": [{"$ref": "#"}, {"type": "null"}]}},
        "required": ["next"],
    }
    run = language(schema)
    assert run.accepts(b'{"next":' * 200 + b"null" + b"}" * 200)
    assert not run.accepts(b'{"next":' * 200 + b"null" + b"}" * 199)
    assert not run.accepts(b'{"next":' * 200 + b"{}" + b"}" * 200)


def test_a_thousand_optional_properties_stay_linear() -> None:
    names = [f"property_{i}" for i in range(1000)]
    run = language({"type": "object", "properties": {name: {"type": "null"} for name in names}})
    assert run.accepts(json.dumps(dict.fromkeys(names[::7])).encode())
    assert len(run._t.accepting) < 40_000
