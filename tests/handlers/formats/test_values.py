"""Bare text as a value: JSON or text, by the schema of its argument."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers.formats.values import ArgumentValues, SchemaTypes

MIXED = {"type": ["string", "integer"], "minimum": 10}
TREE = {"anyOf": [{"type": "integer"}, {"type": "array", "items": {"$ref": "#/$defs/tree"}}]}
PARAMETERS = {
    "type": "object",
    "required": ["other"],
    "properties": {
        "text": {"type": "string"},
        "choice": {"enum": ["1", "2"]},
        "count": {"type": "integer"},
        "flag": {"type": ["boolean", "null"]},
        "mixed": MIXED,
        "any": {},
        "tree": {"$ref": "#/$defs/tree"},
        "text or tree": {"anyOf": [{"type": "string"}, {"$ref": "#/$defs/tree"}]},
        "loop": {"$ref": "#/$defs/loop"},
        "both": {"allOf": [{"type": ["string", "null"]}, {"type": ["string", "integer"]}]},
        "nothing": False,
    },
    "$defs": {"tree": TREE, "loop": {"anyOf": [{"$ref": "#/$defs/loop"}, {"type": "string"}]}},
}
VALUES = ArgumentValues(PARAMETERS)


@pytest.mark.parametrize(
    ("key", "text", "expected"),
    [
        ("text", "1", "1"),
        ("text", ' "x"\n', ' "x"\n'),
        ("choice", "1", "1"),
        ("both", "1", "1"),
        ("count", "1", 1),
        ("count", " 12 ", 12),
        ("count", '"x"', "x"),
        ("count", "x", "x"),
        ("count", "NaN", "NaN"),
        ("count", "True", True),
        ("flag", "False", False),
        ("flag", "None", None),
        ("mixed", "12", 12),
        ("mixed", "9", "9"),
        ("mixed", "true", "true"),
        ("mixed", "True", "True"),
        ("any", "[1]", [1]),
        ("any", "[1", "[1"),
        ("tree", "[1, [2]]", [1, [2]]),
        ("text or tree", "[1, [2]]", [1, [2]]),
        ("text or tree", '[1, ["x"]]', '[1, ["x"]]'),
        ("unknown", "1", 1),
        ("unknown", "x y", "x y"),
        ("unknown", "True", "True"),
        ("nothing", "1", 1),
    ],
)
def test_by_schema(key, text, expected):
    assert json.loads(VALUES.json(key, text)) == expected


@pytest.mark.parametrize(
    ("key", "text", "is_text", "expected"),
    [("count", "1", True, "1"), ("text", "1", False, 1), ("text", "x", False, "x"), ("mixed", "9", False, 9)],
)
def test_what_the_model_says_goes_before_the_schema(key, text, is_text, expected):
    assert json.loads(VALUES.json(key, text, is_text)) == expected


@pytest.mark.parametrize("text", ["1.00000000000000000001", "1e999", '"\\ud800"', '{"b": 1, "a": 2}'])
def test_json_stays_as_it_was_written(text):
    assert VALUES.json("any", f" {text}\n") == text


def test_text_is_written_as_it_is_read():
    assert VALUES.json("text", "blåbær") == '"blåbær"'


ODD = [
    None,
    True,
    5,
    "x",
    [],
    {"properties": 5},
    {"properties": {"a": {"type": 5}}},
    {"properties": {"a": {"$ref": 5}}},
]
ODD += [
    {"properties": {"a": {"$ref": ref}}} for ref in ["", "#", "#/properties/a", "http://127.0.0.1:9/x", "#/no/where"]
]
ODD += [
    {"properties": {"a": {name: value}}} for name in ("enum", "anyOf", "allOf", "const") for value in (5, [], [5], "x")
]


@pytest.mark.parametrize("parameters", ODD, ids=str)
@pytest.mark.parametrize("text", ["1", "x", "[1]", "[" * 100_000, "9" * 5000])
def test_no_schema_is_a_danger(parameters, text):
    assert ArgumentValues(parameters).json("a", text) in (text, json.dumps(text))


def test_references_take_no_more_time_than_there_are():
    levels = {f"l{i}": {"anyOf": [{"$ref": f"#/$defs/l{i + 1}"}] * 2} for i in range(200)}
    root = {"$defs": levels | {"l200": {"type": "string"}}}
    assert SchemaTypes(root).of({"$ref": "#/$defs/l0"}) == {"string"}


def test_a_deep_schema_admits_anything():
    schema = {"type": "string"}
    for _ in range(5000):
        schema = {"allOf": [schema]}
    assert "number" in SchemaTypes({}).of(schema)


@given(text=st.text())
def test_some_json_for_every_text(text):
    for key in (*PARAMETERS["properties"], "unknown"):
        VALUES.json(key, text).encode()
