"""How values are written: order of properties, white space, closed objects, references."""

import json
import re
from typing import Any

import pytest

from backend.grammar.automaton.run import Runner
from backend.grammar.automaton.tables import MAX_STEP
from tests.backend.grammar.schema.languages import language

PERSON = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "tags": {"type": "array", "items": {"type": "integer"}}},
    "required": ["tags"],
}
ARRAY = {"type": "array"}
VALUE = {"name": "x", "tags": [1, 2]}


NESTED = {"a": {}, "b": [], "c": [[1, {"d": [2, "[,: \n"]}], []]}


@pytest.mark.parametrize("value", [VALUE, {"tags": []}, {"tags": [1]}])
@pytest.mark.parametrize("indent", range(1, MAX_STEP + 1))
def test_what_json_writers_write_is_admitted(value: Any, indent: int) -> None:
    for text in (json.dumps(value), json.dumps(value, separators=(",", ":")), json.dumps(value, indent=indent)):
        assert language(PERSON).accepts(text.encode())


@pytest.mark.parametrize("schema", [{"type": "object"}, {"type": ["array", "object"]}, True])
def test_the_look_of_an_answer_is_one_of_those_that_json_writers_have(schema: Any) -> None:
    """Every text of a few bytes that has the tokens of a value, with any white space between them."""
    run = language(schema)
    for value in ({"a": 1, "b": {"c": 2}}, {"a": [1, []], "b": {}}, {"a": {"b": {}}}):
        steps = [json.dumps(value, indent=indent) for indent in range(1, 5)]
        looks = {json.dumps(value), json.dumps(value, separators=(",", ":")), *steps}
        tokens = re.findall(r'"\w"|[\d{}[\],:]', json.dumps(value))
        assert admitted(run, tokens) == {text for text in looks if text.count("\n ") == 0 or "     " not in text}
        assert all(run.accepts(text.encode()) for text in looks)


def admitted(run: Runner, tokens: list[str]) -> set[str]:
    """The texts of these tokens, with at most four spaces or line breaks between two of them."""
    space = [f"{first}{' ' * n}" for first in ("", "\n") for n in range(5)]
    found = {tokens[0]: run.run(tokens[0].encode())}
    for token in tokens[1:]:
        found = {
            text + between + token: after
            for text, at in found.items()
            for between in space
            if (after := at and run.run(f"{between}{token}".encode(), at)) is not None
        }
    return {text for text, at in found.items() if at and run.complete(at)}


@pytest.mark.parametrize("indent", [None, 1, 2, 4])
def test_any_value_may_have_any_look(indent: int | None) -> None:
    assert language(True).accepts(json.dumps(NESTED, indent=indent).encode())


@pytest.mark.parametrize(
    "text",
    [
        ' {"tags": []}',
        '{"tags": []} ',
        '{"tags":  []}',
        '{"tags" : []}',
        '{ "tags": []}',
        '{"tags": [ ]}',
        '{"tags": [\n]}',
        '{"tags": [\t]}',
        '{"tags": [1,\r\n2]}',
        '{"tags":\n[]}',
        '{"tags": [1\n]}',
        '{"tags": [1,2]}',
        '{"tags":[1, 2]}',
        '{"name": "x","tags": []}',
        '{\n"tags": []\n}',
        '{\n  "tags": [1]\n}',
        '{\n  "tags":[]\n}',
        '{\n  "tags": []}',
        '{\n  "tags": []\n }',
        '{\n  "tags": [\n  ]\n}',
        '{\n  "tags": [\n    1\n    ]\n}',
        '{\n  "tags": [\n   1\n  ]\n}',
        '{\n  "name": "x", "tags": []\n}',
        '{\n  "name": "x",\n   "tags": []\n}',
        "{\n" + " " * (MAX_STEP + 1) + '"tags": []\n}',
    ],
)
def test_white_space_is_bounded(text: str) -> None:
    assert not language(PERSON).accepts(text.encode())


@pytest.mark.parametrize("items", [0, 1, 2, 3, 3999, 4000, 4001, 5000])
@pytest.mark.parametrize("indent", [None, 2])
def test_thousands_of_items_are_counted_exactly(items: int, indent: int | None) -> None:
    inner = {"type": "array", "items": {"type": ["string", "null"], "maxLength": 3}, "maxItems": 2}
    tuples = {"type": "array", "prefixItems": [{"const": 0}], "items": inner, "minItems": 2, "maxItems": 4000}
    value = {"before": [], "tuples": [0, *[["abc", None]] * (items - 1)][:items], "after": ["x"]}
    run = language({"type": "object", "properties": {"before": True, "tuples": tuples, "after": inner}})
    assert run.accepts(json.dumps(value, indent=indent).encode()) == (2 <= items <= 4000)
    assert len(run._t.transitions) < 1000


def test_alternatives_are_counted_side_by_side() -> None:
    run = language({"anyOf": [{"items": {"type": "integer"}, "maxItems": 3}, {"minItems": 2, "maxItems": 5}]} | ARRAY)
    for items in range(8):
        assert run.accepts(json.dumps([1] * items).encode()) == (items <= 5)
        assert run.accepts(json.dumps(["a"] * items).encode()) == (items == 0 or 2 <= items <= 5)


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
