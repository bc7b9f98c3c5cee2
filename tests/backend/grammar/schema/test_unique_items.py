"""Arrays that repeat no item: exact where the items are few values, noted or refused where they are not."""

import json
from itertools import product
from typing import Any

import jsonschema
import pytest

from backend.grammar.automaton.graph import Graph
from backend.grammar.errors import GrammarError
from backend.grammar.notes import Notebook
from backend.grammar.schema import build
from tests.backend.grammar.schema.languages import language

SET = {"type": "array", "uniqueItems": True}
LETTERS = {"enum": ["a", "b", "c"]}
EXACT: dict[str, tuple[dict[str, Any], list[Any]]] = {
    "enum": ({**SET, "items": LETTERS}, ["a", "b", "c", "d"]),
    "values of all kinds": (
        {**SET, "items": {"enum": ["1", 1, True, None]}, "maxItems": 3},
        ["1", 1, True, None, False],
    ),
    "equal numbers": ({**SET, "items": {"enum": [1, 1.0, 2]}}, [1, 2, 3]),
    "const": ({**SET, "items": {"const": 0}}, [0, 1]),
    "booleans": ({**SET, "items": {"type": "boolean"}, "minItems": 2, "maxItems": 9}, [True, False, 1]),
    "integers": ({**SET, "items": {"type": "integer", "minimum": 1, "maximum": 3}, "minItems": 1}, [0, 1, 2, 3]),
    "multiples": (
        {**SET, "items": {"type": "number", "multipleOf": 5, "minimum": 0, "exclusiveMaximum": 15}},
        [0, 5, 10, 15],
    ),
    "several branches": (
        {**SET, "items": {"anyOf": [LETTERS, {"enum": ["c", 1]}, {"type": "null"}]}},
        ["a", "c", 1, None],
    ),
    "$ref": ({**SET, "items": {"$ref": "#/$defs/l"}, "$defs": {"l": LETTERS}}, ["a", "b", "d"]),
    "allOf": ({**SET, "allOf": [{"items": LETTERS}, {"items": {"enum": ["c", "b", "x"]}}]}, ["a", "b", "c"]),
    "said elsewhere": ({"allOf": [SET, {"items": LETTERS, "minItems": 2}]}, ["a", "b", "d"]),
    "by position": (
        {**SET, "prefixItems": [{"enum": [1, 2]}, {"const": 2}], "items": {"enum": [1, 2, 3]}, "minItems": 2},
        [1, 2, 3],
    ),
    "nothing behind the positions": ({**SET, "prefixItems": [LETTERS, LETTERS], "items": False}, ["a", "b", "d"]),
    "contains": ({**SET, "items": LETTERS, "contains": {"enum": ["b", "c"]}, "maxContains": 1}, ["a", "b", "c"]),
    "a condition": (
        {**SET, "items": LETTERS, "if": {"minItems": 2}, "then": {"contains": {"const": "a"}}},
        ["a", "b", "c"],
    ),
}


@pytest.mark.parametrize("name", EXACT)
def test_a_set_of_few_values_can_be_written_in_any_order_and_without_repetition(name: str) -> None:
    schema, values = EXACT[name]
    run, validator = language(schema), jsonschema.Draft202012Validator(schema)
    for items in range(5):
        for array in product(values, repeat=items):
            assert run.accepts(json.dumps(array).encode()) == validator.is_valid(list(array)), array


NOT_FEW = {
    "strings": {"type": "string"},
    "arrays": {"enum": [[1], [2]]},
    "many integers": {"type": "integer", "minimum": 0, "maximum": 1000},
    "too many subsets": {"enum": [f"a rather long value {i}" for i in range(30)]},
    "numbers": {"type": "number", "minimum": 0, "maximum": 1},
    "anything": True,
}


@pytest.mark.parametrize("name", NOT_FEW)
def test_where_the_items_are_no_few_values_it_is_left_to_a_check_and_noted(name: str) -> None:
    schema = {"type": "object", "properties": {"a": {**SET, "items": NOT_FEW[name]}}}
    notebook = Notebook()
    build(schema, Graph(), notebook)
    assert notebook.notes().deferred == ("#/properties/a/uniqueItems",)
    with pytest.raises(GrammarError, match="'uniqueItems' is enforced only") as caught:
        build(schema, Graph(), Notebook(strict=True))
    assert caught.value.pointer == "#/properties/a/uniqueItems"


@pytest.mark.parametrize("name", NOT_FEW)
def test_where_there_is_one_item_at_most_it_holds_anyway(name: str) -> None:
    notebook = Notebook(strict=True)
    build({"type": "array", "items": NOT_FEW[name], "maxItems": 1, "uniqueItems": True}, Graph(), notebook)
    assert not notebook.notes().deferred


@pytest.mark.parametrize("schema", [{"not": SET}, {"if": SET, "then": True, "else": {"type": "null"}}])
def test_what_repeats_an_item_cannot_be_told_under_a_negation(schema: dict[str, Any]) -> None:
    with pytest.raises(GrammarError, match="repeat an item"):
        build(schema, Graph(), Notebook())
