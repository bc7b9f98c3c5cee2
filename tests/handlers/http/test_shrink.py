"""What a schema refuses is refused for the same reason when it is small, whatever it looks like."""

import copy

import jsonschema_rs
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from handlers.http.shrink import LONGEST_TEXT, MOST_CHECKS, MOST_KEYS, Shrinker, TooManyChecks

SCHEMA = {
    "$defs": {
        "value": {
            "anyOf": [
                {"type": "array", "items": {"$ref": "#/$defs/value"}, "maxItems": 9},
                {"type": "object", "properties": {"a": {"type": "integer"}, "b": {"$ref": "#/$defs/value"}},
                 "additionalProperties": {"type": "boolean"}},
                {"type": ["integer", "string"], "maximum": 9, "maxLength": 400},
            ]
        }
    },
    "$ref": "#/$defs/value",
}  # fmt: skip
VALIDATOR = jsonschema_rs.Draft202012Validator(SCHEMA)
KNOWN = frozenset(["a", "b"])
LEAVES = st.integers(0, 12) | st.booleans() | st.none() | st.sampled_from(["", "x" * 300, "x" * 500])
VALUES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=12)
        | st.dictionaries(st.sampled_from("abcd"), inner)
        | st.builds(lambda n, more: {str(i): True for i in range(n)} | more, st.integers(50, 200),
                    st.dictionaries(st.sampled_from("abcd"), inner))
    ),
    max_leaves=30,
)  # fmt: skip


def paths(value):
    """Where the validator sees faults, as deep as it looks."""
    found = set()
    for error in VALIDATOR.iter_errors(value):
        todo = [error]
        while todo:
            error = todo.pop()
            found.add(tuple(error.instance_path))
            todo += [inner for branch in getattr(error.kind, "context", []) for inner in branch]
    return found


def shrink(value):
    return Shrinker(VALIDATOR.is_valid, KNOWN).shrink(value)


@given(value=VALUES)
def test_what_is_left_is_invalid_at_places_where_all_of_it_was(value):
    assume(not VALIDATOR.is_valid(value))
    before = copy.deepcopy(value)
    small = shrink(value)
    assert value == before
    assert not VALIDATOR.is_valid(small)
    assert paths(small) & paths(value)


@pytest.mark.parametrize("fault", [None, 99, "x" * 500])
@pytest.mark.parametrize("where", [0, 1, 5, 8])
def test_a_list_ends_behind_its_first_fault(fault, where):
    assert shrink([1] * where + [fault] * 10_000)[: where + 1] == [1] * where + [fault]
    assert len(shrink([1] * where + [fault] * 10_000)) == where + 1


def test_a_list_that_is_too_long_is_cut_where_it_becomes_so():
    assert shrink([1] * 100_000) == [1] * 10


def test_objects_lose_names_that_do_not_matter_and_keep_those_of_the_schema():
    value = {"a": 1, **{str(i): True for i in range(100_000)}, "x": 3, "b": 2, **{f"y{i}": 3 for i in range(1000)}}
    small = shrink(value)
    assert small["a"] == 1 and small["b"] == 2 and small["x"] == 3 and "y0" not in small
    few = {str(i): True for i in range(MOST_KEYS - 1)} | {"x": 3}
    assert shrink(few) == few


def test_texts_are_cut_where_that_changes_nothing():
    assert shrink(["x" * 10_000, None])[0] == "x" * LONGEST_TEXT or shrink(["x" * 10_000, None]) == ["x" * 10_000]
    assert shrink([None, "x" * 10_000]) == [None]
    assert shrink({"a": "x" * 10_000}) == {"a": "x" * LONGEST_TEXT}


def test_what_is_too_wide_and_too_deep_is_given_up_after_so_many_checks():
    checks = []
    with pytest.raises(TooManyChecks):
        Shrinker(checks.append, KNOWN).shrink({name: {str(i): [0] * 3 for i in range(60)} for name in "abcdefgh"})
    assert len(checks) == MOST_CHECKS
