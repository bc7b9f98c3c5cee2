"""Languages compared with llguidance's, and with two validators: whole texts, not masks.

llguidance's masks hold only its own tokenisation of forced text, and it takes numbers as floats; its languages agree.
"""

import json
from typing import Any

import pytest

from backend.grammar import Constraint
from backend.grammar.automaton.run import Runner
from backend.grammar.compile import compile_constraint
from tests.grammar_suite.comparison import compare, variations
from tests.grammar_suite.oracle import Oracle
from tests.grammar_suite.peers import Judge

PERSON = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "minLength": 1, "maxLength": 40},
        "age": {"type": "integer", "minimum": 0, "maximum": 130},
        "email": {"type": "string", "format": "email"},
        "tags": {"type": "array", "items": {"enum": ["a", "b", "longer"]}, "maxItems": 3},
    },
    "required": ["name", "age"],
}
TREE = {
    "$defs": {
        "node": {
            "type": "object",
            "properties": {
                "value": {"type": ["number", "null"]},
                "children": {"type": "array", "items": {"$ref": "#/$defs/node"}},
            },
            "required": ["value"],
            "additionalProperties": False,
        }
    },
    "$ref": "#/$defs/node",
}
SHAPES = {
    "anyOf": [
        {
            "type": "object",
            "properties": {"kind": {"const": "circle"}, "radius": {"type": "number", "exclusiveMinimum": 0}},
            "required": ["kind", "radius"],
        },
        {
            "type": "object",
            "properties": {
                "kind": {"const": "box"},
                "size": {"type": "array", "items": {"type": "number"}, "minItems": 2},
            },
            "required": ["kind", "size"],
        },
    ]
}
CASES: dict[str, tuple[Any, list[Any]]] = {
    "an object": (
        PERSON,
        [{"name": "Zoë", "age": 7, "email": "a@b.org", "tags": ["a", "b"]}, {"name": "x", "age": 130}],
    ),
    "recursion": (TREE, [{"value": 1, "children": [{"value": None}, {"value": -2.5, "children": []}]}]),
    "alternatives": (SHAPES, [{"kind": "circle", "radius": 2.5}, {"kind": "box", "size": [1, 2.5, 3]}]),
    "names by pattern": (
        {
            "type": "object",
            "properties": {"id": {"type": "string", "pattern": "^[A-Z]{2}-[0-9]+$"}},
            "patternProperties": {"^x-": {"type": "boolean"}},
            "additionalProperties": {"type": "integer", "multipleOf": 5},
        },
        [{"id": "AB-12", "x-a": True, "n": 15}, {"x-": False}],
    ),
    "a tuple": (
        {
            "type": "array",
            "prefixItems": [{"type": "string", "format": "date"}, {"type": "integer", "minimum": -5, "maximum": 999}],
            "items": {"type": "boolean"},
            "minItems": 2,
        },
        [["2024-02-29", 10], ["1999-12-31", -5, True, False]],
    ),
    "conjunction": (
        {
            "allOf": [
                {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]},
                {"properties": {"a": {"minimum": 3}, "b": {"type": "string", "maxLength": 2}}, "required": ["b"]},
            ]
        },
        [{"a": 3, "b": "ok"}, {"a": 12, "b": ""}],
    ),
    "any value": ({"type": "object", "properties": {"v": {}}}, [{"v": {"a": [1, 2.5, None, True, 'x\n"\\']}}, {}]),
}


@pytest.mark.parametrize("name", CASES)
def test_a_grammar_accepts_no_more_than_conforms_and_no_less_than_llguidance(name: str) -> None:
    schema, instances = CASES[name]
    text = json.dumps(schema)
    runner = Runner(compile_constraint(Constraint("json_schema", text, open_objects=True)))
    oracle, judge = Oracle(text), Judge(schema)
    assert [value for value in instances if not runner.accepts(json.dumps(value, ensure_ascii=False).encode())] == []
    found = compare(runner, oracle, judge, variations(instances, seed=0, values=30, spellings=4))
    assert found.texts > 300
    assert found.unsound == []
    assert found.missing == []
