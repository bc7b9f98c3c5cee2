"""What has no effect is named, once for each place, and refused where the schema is strict."""

import json
from typing import Any

import pytest

from backend.grammar.automaton.graph import Graph
from backend.grammar.errors import GrammarError
from backend.grammar.notes import Notebook, Notes
from backend.grammar.schema import build
from backend.grammar.schema.keywords import ASSERTIONS, MAPS_OF_SCHEMAS, PLACES_OF_SCHEMAS
from tests.backend.grammar.schema.languages import language

DRAFT_7 = "http://json-schema.org/draft-07/schema#"
TYPO = {"type": "integer", "minimun": 3}
IGNORED: dict[str, tuple[Any, list[str]]] = {
    "misspelled keywords": (
        {"type": "object", "proprties": {"a": {}}, "properties": {"a": TYPO}, "requires": ["a"]},
        ["#/proprties", "#/requires", "#/properties/a/minimun"],
    ),
    "other spellings of keywords": (
        {"max_length": 3, "oneof": [], "Pattern": "a"},
        ["#/max_length", "#/oneof", "#/Pattern"],
    ),
    "annotations are not named": (
        {"title": "a", "x-minimum": 1, "propertyOrder": 3, "enumNames": [], "errorMessage": "", "name": "minimum"},
        [],
    ),
    "names of properties are no keywords": ({"type": "object", "properties": {"minimun": True, "required": True}}, []),
    "what a text means": (
        {"type": "string", "contentEncoding": "base64", "contentMediaType": "image/png"},
        ["#/contentEncoding", "#/contentMediaType"],
    ),
    "required as in draft 3": (
        {
            "type": "object",
            "properties": {"a": {"type": "string", "required": True}, "b": {"type": "object", "required": False}},
        },
        ["#/properties/a/required", "#/properties/b/required"],
    ),
    "nullable is Boolean": ({"nullable": "true"}, ["#/nullable"]),
    "nulls in place of absence": (
        {"type": "object", "properties": {"a": {"type": "string", "enum": None}, "required": True}, "required": None},
        ["#/required", "#/properties/a/enum"],
    ),
    "nulls that say something": ({"const": None, "default": None, "title": None, "x-a": None}, []),
    "beside $ref in draft 7": (
        {
            "$schema": DRAFT_7,
            "type": "object",
            "properties": {"a": {"$ref": "#/definitions/b", "minLength": 3, "title": "a"}},
            "definitions": {"b": {"type": "string"}},
        },
        ["#/properties/a/minLength"],
    ),
    "each of several places": (
        {
            "type": "object",
            "properties": {
                "a": TYPO,
                "b": {**TYPO, "title": "b"},
                "c": {"items": TYPO},
                "d": {"items": TYPO, "title": "d"},
            },
        },
        [
            "#/properties/a/minimun",
            "#/properties/b/minimun",
            "#/properties/c/items/minimun",
            "#/properties/d/items/minimun",
        ],
    ),
    "not what is not reached": ({"type": "string", "$defs": {"a": TYPO}}, []),
}
DEFERRED: dict[str, tuple[Any, list[str]]] = {
    "several of any names": ({"type": "object", "minProperties": 2}, ["#/minProperties"]),
    "deeper, beside optional ones": (
        {"items": {"type": "object", "properties": {"a": True}, "additionalProperties": True, "minProperties": 3}},
        ["#/items/minProperties"],
    ),
    "the one of several that counts": (
        {"type": "object", "minProperties": 1, "allOf": [{"minProperties": 3}, {"minProperties": 2}]},
        ["#/allOf/0/minProperties"],
    ),
    "not where one of any name is enough": ({"type": "object", "required": ["a"], "minProperties": 2}, []),
    "not where all names are given": (
        {
            "type": "object",
            "properties": {"a": True, "b": True, "c": True},
            "additionalProperties": False,
            "minProperties": 2,
        },
        [],
    ),
    "not where names are few": ({"type": "object", "propertyNames": {"enum": ["a", "b", "c"]}, "minProperties": 3}, []),
}


NAMES = [f"p{i}" for i in range(12)]
CONDITIONS = {
    "type": "object",
    "properties": {**{name: {"enum": [1, 2]} for name in NAMES}, **{f"{name}x": {"const": 1} for name in NAMES}},
    "allOf": [
        {"if": {"properties": {name: {"const": 1}}, "required": [name]}, "then": {"required": [f"{name}x"]}}
        for name in NAMES
    ],
}
MANY: dict[str, tuple[Any, list[str], list[Any], list[Any]]] = {
    "conditions": (CONDITIONS, ["#/allOf"], [{"p0": 1, "p0x": 1}, {"p11": 2}], [{"p0": 3}, {"q": 1}]),
    "names that need others": (
        {
            "type": "object",
            "properties": {f"n{i}": {"type": "integer"} for i in range(80)},
            "dependentRequired": {f"n{i}": [f"n{i + 40}"] for i in range(40)},
        },
        ["#/dependentRequired"],
        [{}, {"n0": 1, "n39": 2, "n40": 0, "n79": 0}],
        [{"n0": ""}],
    ),
    "branches that evaluate": (
        {
            "type": "object",
            "anyOf": [{"properties": {f"a{i}": {"type": "integer"}}, "required": [f"a{i}"]} for i in range(20)],
            "unevaluatedProperties": False,
        },
        ["#/anyOf", "#/unevaluatedProperties"],
        [{"a0": 1}, {"a19": 1}],
        [{}, {"a0": "x"}],
    ),
}
"""Each with what is deferred, and values that are written and that are not."""


@pytest.mark.parametrize("name", MANY)
def test_what_makes_too_many_alternatives_is_left_to_a_check(name: str) -> None:
    """What is left is none of what the rest forbids, and may be none of a negation or a strict schema."""
    schema, deferred, some, none = MANY[name]
    assert list(notes(schema).deferred) == deferred
    run = language(schema)
    for value in some:
        assert run.accepts(json.dumps(value, separators=(",", ":")).encode())
    for value in none:
        assert not run.accepts(json.dumps(value, separators=(",", ":")).encode())
    with pytest.raises(GrammarError, match="more than 500 alternatives, and strict is true"):
        build(schema, Graph(), Notebook(strict=True))
    for negation in ({"not": schema}, {"if": schema, "then": {"maxProperties": 3}}):
        with pytest.raises(GrammarError, match="can be no condition"):
            build(negation, Graph(), Notebook())


def notes(schema: Any) -> Notes:
    notebook = Notebook()
    build(json.loads(json.dumps(schema)), Graph(), notebook)
    return notebook.notes()


@pytest.mark.parametrize("name", IGNORED)
def test_what_has_no_effect_is_named(name: str) -> None:
    schema, expected = IGNORED[name]
    assert sorted(notes(schema).ignored) == sorted(expected)


NULLED = sorted((ASSERTIONS | PLACES_OF_SCHEMAS | MAPS_OF_SCHEMAS) - {"const"})


@pytest.mark.parametrize("keyword", NULLED)
def test_null_is_absence_for_every_keyword_that_has_no_null(keyword: str) -> None:
    """Also where the schema refers to itself."""
    for schema, place in (({}, "#"), ({"properties": {"a": {"items": {}}}}, "#/properties/a/items")):
        nulled = json.loads(json.dumps(schema))
        node = nulled
        for key in place.split("/")[1:]:
            node = node[key]
        node[keyword] = None
        assert notes(nulled).ignored == (f"{place}/{keyword}",)
    own = {"type": "object", "properties": {"a": {"$ref": "#/$defs/own"}}, "additionalProperties": False}
    run = language({"$ref": "#/$defs/own", "$defs": {"own": {keyword: None, **own}}})
    assert run.accepts(b'{"a":{"a":{}}}') and not run.accepts(b'{"b":{}}')


@pytest.mark.parametrize("name", DEFERRED)
def test_what_only_the_finished_answer_tells_is_named(name: str) -> None:
    schema, expected = DEFERRED[name]
    assert list(notes(schema).deferred) == expected


@pytest.mark.parametrize("schema", [schema for schema, named in [*IGNORED.values(), *DEFERRED.values()] if named])
def test_strict_schemas_with_any_of_it_are_refused(schema: Any) -> None:
    with pytest.raises(GrammarError, match="and strict is true"):
        build(schema, Graph(), Notebook(strict=True))


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "string", "nullable": True},
        {"enum": ["a", "b"], "nullable": True},
        {"$ref": "#/$defs/a", "nullable": True, "$defs": {"a": {"type": "string"}}},
        {"allOf": [{"type": "string"}], "nullable": True},
    ],
)
def test_nullable_adds_null(schema: Any) -> None:
    run = language(schema)
    assert run.accepts(b"null")
    assert run.accepts(b'"a"')
    assert not run.accepts(b"1")
    assert not language({**schema, "nullable": False}).accepts(b"null")
