"""What cannot be enforced is refused, with its place."""

import time
from decimal import Decimal
from typing import Any

import pytest

from backend.grammar.automaton.graph import Graph
from backend.grammar.errors import GrammarError
from backend.grammar.limits import Limits
from backend.grammar.notes import Notebook
from backend.grammar.schema import build
from tests.backend.grammar.schema.languages import language

REFUSED: dict[str, tuple[Any, str, str]] = {
    "dangling $dynamicRef": ({"items": {"$dynamicRef": "#x"}}, "$dynamicRef '#x' names an anchor", "#/items"),
    "patterns that are too much together": (
        {"type": "string", "allOf": [{"pattern": "^(a{199})*$"}, {"pattern": "^(a{211})*$"}]},
        "#/allOf/0/pattern and #/allOf/1/pattern together: a combination of patterns needs more than 20000 states",
        "#",
    ),
    "divisors that are too much together": (
        {"type": "number", "multipleOf": 997, "allOf": [{"multipleOf": 991}, {"not": {"multipleOf": 983}}]},
        "multipleOf 991, multipleOf 997 and the numbers that a negation leaves together: a combination of patterns",
        "#",
    ),
    "a pattern of names and of others that are too much together": (
        {
            "type": "object",
            "patternProperties": {"^(a{199})*$": {"minimum": 3}},
            "propertyNames": {"pattern": "^(a{211})*$"},
        },
        "patternProperties and propertyNames together: a combination of patterns needs more than 20000 states",
        "#",
    ),
    "what is outside a format": ({"type": "string", "not": {"format": "email"}}, "outside format 'email'", "#"),
    "formats that only seem to have nothing in common": (
        {"oneOf": [{"type": "string", "format": "email"}, {"type": "string", "format": "uri"}]},
        "oneOf branches 0 and 1 overlap",
        "#",
    ),
    "the same, inside objects": (
        {
            "oneOf": [
                {"type": "object", "required": ["a"], "properties": {"a": {"type": "string", "format": "email"}}},
                {"type": "object", "required": ["a"], "properties": {"a": {"type": "string", "format": "uri"}}},
            ]
        },
        "format",
        "#/oneOf/1/properties/a",
    ),
    "back-reference": ({"type": "string", "pattern": r"(a)\1"}, "back-reference", "#/pattern"),
    "outside reference": ({"$ref": "http://example.com/x.json"}, "only local references", "#"),
    "dangling reference": ({"items": {"$ref": "#/$defs/x"}}, "leads to nothing", "#/items"),
    "dangling anchor": ({"$ref": "#x"}, "anchor", "#"),
    "reference to itself": ({"$ref": "#"}, "leads back to itself", "#"),
    "references in a circle": (
        {"$ref": "#/$defs/a", "$defs": {"a": {"anyOf": [{"$ref": "#/$defs/a"}, {"type": "null"}]}}},
        "leads back to itself",
        "#/$defs/a",
    ),
    "type": ({"items": {"type": "text"}}, "type 'text' is none of", "#/items/type"),
    "properties": ({"properties": []}, "properties must be an object", "#/properties"),
    "required": ({"properties": {"a": {"required": "b"}}}, "array of strings", "#/properties/a/required"),
    "minLength": ({"minLength": -1}, "must be a whole number", "#/minLength"),
    "minimum": ({"minimum": "1"}, "minimum must be a number", "#/minimum"),
    "multipleOf": ({"multipleOf": 0}, "greater than 0", "#/multipleOf"),
    "anyOf": ({"anyOf": []}, "must not be empty", "#"),
    "no schema": ({"properties": {"a/b": 3}}, "a schema must be", "#/properties/a~1b"),
    "not, of what cannot be enforced": ({"not": {"uniqueItems": True}}, "'not' cannot be enforced", "#"),
    "overlapping oneOf of what cannot be enforced": (
        {"oneOf": [{"type": "array", "uniqueItems": True}, {"type": "array", "items": {"type": "null"}}]},
        "oneOf branches 0 and 1 overlap",
        "#",
    ),
    "names of which it is not known whether they differ": (
        {"type": "object", "not": {"maxProperties": 1}},
        "'not' or 'if' asks for more than 1 properties of any names",
        "#",
    ),
    "a lone surrogate": ({"properties": {"\ud800": True}, "type": "object"}, "surrogate", "#"),
    "no value": ({"type": "object", "properties": {"a": False}, "required": ["a"]}, "no finite value", "#"),
    "endless values only": (
        {"type": "object", "properties": {"a": {"$ref": "#"}}, "required": ["a"]},
        "no finite",
        "#",
    ),
    "no value inside": (
        {
            "items": {
                "type": "object",
                "properties": {"b": {"allOf": [{"type": "string"}, {"type": "null"}]}},
                "required": ["b"],
            },
            "type": "array",
            "minItems": 1,
        },
        "no finite value",
        "#/items/properties/b",
    ),
    "a circle inside": (
        {
            "type": "object",
            "properties": {"x": True, "a": {"$ref": "#/$defs/n"}},
            "required": ["x", "a"],
            "$defs": {"n": {"type": "array", "items": {"$ref": "#/$defs/n"}, "minItems": 1}},
        },
        "no finite value",
        "#/$defs/n",
    ),
    "no value in any branch": (
        {
            "anyOf": [
                {"type": "object", "properties": {"a": {"$ref": "#"}}, "required": ["a"]},
                {"type": "array", "items": {"$ref": "#"}, "minItems": 1},
            ]
        },
        "no finite value",
        "#",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_with_the_place(name: str) -> None:
    schema, message, pointer = REFUSED[name]
    with pytest.raises(GrammarError) as caught:
        language(schema)
    assert message in caught.value.message
    assert caught.value.pointer == pointer


def test_what_is_not_reached_is_not_refused() -> None:
    run = language({"type": "string", "uniqueItems": True, "$defs": {"x": {"uniqueItems": True}}, "x-note": 1})
    assert run.accepts(b'"a"')


@pytest.mark.parametrize(
    ("schema", "limits", "what"),
    [
        ({"properties": {"a": {}, "b": {"properties": {"c": {}}}}}, Limits(properties=2), "3 properties, more than 2"),
        ({"enum": [1, 2, 3]}, Limits(enum_values=2), "3 enum values"),
        ({"enum": ["abc", "d"]}, Limits(literal_chars=3), "4 characters of property names and enum values"),
    ],
)
def test_a_limit_is_named(schema: dict, limits: Limits, what: str) -> None:
    with pytest.raises(GrammarError, match=what):
        build(schema, Graph(), Notebook(), limits=limits)


def test_nesting_is_bounded() -> None:
    schema: dict = {"type": "null"}
    for _ in range(2000):
        schema = {"type": "array", "items": schema}
    with pytest.raises(GrammarError, match="nested deeper than 60"):
        build(schema, Graph(), Notebook())


def test_alternatives_are_bounded() -> None:
    choice = {"anyOf": [{"type": "object", "required": [name]} for name in "abcdefghij"]}
    with pytest.raises(GrammarError, match="more than 500 alternatives"):
        build({"allOf": [choice, choice.copy(), choice.copy()]}, Graph(), Notebook(strict=True))


@pytest.mark.parametrize(
    "schema",
    [
        {"minLength": Decimal("1e999999999")},
        {"maximum": Decimal("1e999999999")},
        {"enum": [Decimal("1e-999999999")]},
        {"multipleOf": Decimal("1e-999999999")},
        {"patternProperties": {f"x{i}.*y{i}": {"minimum": i} for i in range(12)}, "type": "object"},
        {"minItems": 1 << 27},
        {"contains": True, "minContains": 30_000},
    ],
)
def test_hostile_schemas_are_refused_at_once(schema: dict) -> None:
    start = time.process_time()
    with pytest.raises(GrammarError):
        build(schema, Graph(), Notebook())
    assert time.process_time() - start < 5
