"""Where references lead: URIs, anchors, dynamic scopes, and what the drafts say of them."""

from typing import Any

import pytest

from backend.grammar.errors import GrammarError
from tests.backend.grammar.schema.languages import language

DRAFT_7 = "http://json-schema.org/draft-07/schema#"
SIBLING = {
    "definitions": {"x": {"$id": "http://host/other/x", "type": "string"}, "y": {"$id": "x", "type": "integer"}},
    "$id": "http://host/base/",
    "allOf": [{"$id": "http://host/other/", "$ref": "x"}],
}
LIST = {"$id": "list", "items": {"$dynamicRef": "#item"}, "$defs": {"any": {"$dynamicAnchor": "item"}}}
TREE = {
    "$id": "http://host/tree",
    "$recursiveAnchor": True,
    "type": "object",
    "properties": {"leaf": {"type": "integer"}, "below": {"$recursiveRef": "#"}},
}

CASES: dict[str, tuple[Any, list[str], list[str]]] = {
    "a URI beside $ref changes nothing up to draft 7": (SIBLING | {"$schema": DRAFT_7}, ["1"], ['"a"']),
    "and counts from 2019 on": (SIBLING, ['"a"'], ["1"]),
    "what an unknown keyword holds has no URI": (
        {
            "$defs": {
                "a": {"shapes": [{"$id": "http://host/x", "type": "null"}]},
                "b": {"$id": "http://host/x", "type": "string"},
            },
            "$ref": "http://host/x",
        },
        ['"a"'],
        ["null"],
    ),
    "a property called $id is no URI": (
        {
            "properties": {"$id": {"$anchor": "x", "type": "string"}, "b": {"$ref": "#x"}},
            "type": "object",
        },
        ['{"b": "a"}'],
        ['{"b": 1}'],
    ),
    "a resource inside the document, by its URI and a pointer": (
        {
            "$id": "http://host/root.json",
            "$defs": {
                "a": {"$id": "a.json", "$ref": "b.json#/$defs/x"},
                "b": {"$id": "b.json", "$defs": {"x": {"type": "null"}}},
            },
            "$ref": "a.json",
        },
        ["null"],
        ["1"],
    ),
    "a pointer is followed into another resource, whose own references start there": (
        {
            "$defs": {
                "b": {"$id": "http://host/b", "$defs": {"x": {"$ref": "#/$defs/y"}, "y": {"type": "null"}}},
                "y": {"type": "string"},
            },
            "$ref": "#/$defs/b/$defs/x",
        },
        ["null"],
        ['"a"'],
    ),
    "a dynamic reference means the outermost anchor on the way": (
        {
            "$ref": "list",
            "type": "array",
            "$defs": {"list": LIST, "text": {"$dynamicAnchor": "item", "type": "string"}},
        },
        ['["a"]', "[]"],
        ["[1]"],
    ),
    "on another way it means another": (
        {
            "type": "object",
            "properties": {"texts": {"$ref": "texts"}, "any": {"$ref": "list"}},
            "$defs": {
                "list": LIST,
                "texts": {
                    "$id": "texts",
                    "$ref": "list",
                    "type": "array",
                    "$defs": {"t": {"$dynamicAnchor": "item", "type": "string"}},
                },
            },
        },
        ['{"texts": ["a"], "any": [1, "a"]}'],
        ['{"texts": [1]}'],
    ),
    "a dynamic reference to an ordinary anchor is an ordinary one": (
        {
            "$ref": "list",
            "type": "array",
            "$defs": {
                "list": LIST | {"$defs": {"n": {"$anchor": "item", "type": "integer"}}},
                "text": {"$dynamicAnchor": "item", "type": "string"},
            },
        },
        ["[1]"],
        ['["a"]'],
    ),
    "a recursive reference means the outermost resource that says so": (
        {
            "$schema": "https://json-schema.org/draft/2019-09/schema",
            "$id": "http://host/strict",
            "$recursiveAnchor": True,
            "$defs": {"tree": TREE},
            "$ref": "tree",
            "required": ["leaf"],
        },
        ['{"leaf": 1, "below": {"leaf": 2}}'],
        ['{"leaf": 1, "below": {}}'],
    ),
    "and else itself": (
        {"$defs": {"tree": TREE}, "$ref": "http://host/tree", "required": ["leaf"]},
        ['{"leaf": 1, "below": {}}'],
        ['{"below": {}}', '{"leaf": 1, "below": {"leaf": "a"}}'],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_a_reference_leads_where_the_standard_says(name: str) -> None:
    schema, accepted, rejected = CASES[name]
    run = language(schema)
    assert [text for text in accepted if not run.accepts(text.encode())] == []
    assert [text for text in rejected if run.accepts(text.encode())] == []


def test_drafts_before_the_fourth_are_refused() -> None:
    with pytest.raises(GrammarError, match="draft 3 of JSON Schema is not supported") as caught:
        language({"$schema": "http://json-schema.org/draft-03/schema#", "divisibleBy": 2})
    assert caught.value.pointer == "#/$schema"
