"""Arrays of which some items must be of a kind: exact, and whatever has been written can be finished."""

import json
from itertools import product
from typing import Any

import jsonschema
import pytest

from backend.grammar.errors import GrammarError
from tests.backend.grammar.schema.languages import language
from tests.backend.grammar.writing import dead_ends, reached

ITEMS = {"type": "array", "items": {"enum": [1, 2, 3]}}
BYTES = [bytes([byte]) for byte in b"[123,]"]


def counted(item: int, least: int, most: int | None = None) -> dict[str, Any]:
    return {"contains": {"const": item}, "minContains": least} | ({} if most is None else {"maxContains": most})


FINITE = {
    "one": {**ITEMS, "maxItems": 4, **counted(3, 1)},
    "several": {**ITEMS, "maxItems": 5, **counted(3, 2)},
    "all": {**ITEMS, "maxItems": 3, **counted(3, 3)},
    "exactly": {**ITEMS, "minItems": 3, "maxItems": 5, **counted(3, 2, 2)},
    "of two kinds": {**ITEMS, "maxItems": 4, "allOf": [counted(3, 1), counted(2, 1)]},
    "of all kinds": {**ITEMS, "maxItems": 3, "allOf": [counted(3, 1), counted(2, 1), counted(1, 1)]},
    "behind positions": {**ITEMS, "prefixItems": [{"enum": [1, 3]}, {"enum": [2, 3]}], "maxItems": 4, **counted(3, 2)},
    "no more than there must be": {
        **ITEMS, "minItems": 4, "items": {"enum": [1, 3]}, "allOf": [counted(1, 0, 2), counted(3, 0, 2)],
    },
}  # fmt: skip


@pytest.mark.parametrize("name", FINITE)
def test_what_may_come_next_leaves_room_for_what_must_come(name: str) -> None:
    run, validator = language(FINITE[name]), jsonschema.Draft202012Validator(FINITE[name])
    strings, words = reached(run, BYTES)
    arrays = [list(array) for items in range(7) for array in product([1, 2, 3], repeat=items)]
    assert dead_ends(strings, words) == set()
    valid = [array for array in arrays if validator.is_valid(array)]
    assert words == {json.dumps(array, separators=(",", ":")).encode() for array in valid}


def test_more_than_can_be_told_apart_is_refused() -> None:
    with pytest.raises(GrammarError, match="more than 20000 different positions"):
        language({**ITEMS, "maxItems": 30_000, **counted(3, 2)})


def test_fewer_of_a_kind_than_items_must_be_there_are_none() -> None:
    with pytest.raises(GrammarError, match="no finite value"):
        language({"type": "array", "items": {"const": 1}, "minItems": 5, **counted(1, 0, 2)})
