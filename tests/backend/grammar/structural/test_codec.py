"""Terms come back from the text of a constraint as they went in, the numbers of their schemas digit by digit."""

import json
from decimal import Decimal

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.grammar import (
    AnyOf,
    AnyText,
    Branch,
    Concat,
    ConstText,
    ContextFree,
    ControlToken,
    JsonDialect,
    JsonSchema,
    PythonDialect,
    QuotedDialect,
    Regex,
    Separated,
    TaggedDialect,
    structural_constraint,
)
from backend.grammar.structural.codec import decode

TEXTS = st.text(st.characters(codec="utf-8"), max_size=4)
PARTS = st.builds(ConstText, TEXTS) | st.builds(ControlToken, st.integers(0, 1 << 20))
MARKERS = st.lists(PARTS, max_size=3).map(tuple)
KINDS = st.lists(st.tuples(MARKERS, st.booleans()), max_size=2).map(tuple)
DIALECTS = (
    st.builds(JsonDialect, st.booleans())
    | st.just(PythonDialect())
    | st.builds(QuotedDialect, MARKERS, TEXTS)
    | st.builds(TaggedDialect, *[MARKERS] * 5, st.booleans(), KINDS, TEXTS)
)
GRAMMARS = st.builds(ContextFree, TEXTS, TEXTS, TEXTS, st.integers(0, 9))
LANGUAGES = st.lists(st.tuples(TEXTS, st.builds(Regex, TEXTS) | GRAMMARS), max_size=2).map(tuple)
SCHEMAS = st.recursive(
    st.none() | st.booleans() | TEXTS | st.just(["ConstText", "a"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(TEXTS, inner, max_size=2),
)


def branches(terms):
    return st.builds(Branch, st.lists(MARKERS, max_size=2).map(tuple), terms, st.booleans())


def larger(terms):
    some, opened = st.lists(terms, max_size=3).map(tuple), branches(terms)
    return (
        st.builds(Concat, some)
        | st.builds(AnyOf, some)
        | st.builds(Separated, terms, terms)
        | st.builds(AnyText, st.lists(opened, max_size=2).map(tuple), st.none() | opened, st.booleans(), st.booleans())
    )


TERMS = st.recursive(
    PARTS
    | st.builds(Regex, TEXTS)
    | st.builds(JsonSchema, SCHEMAS, TEXTS, DIALECTS, st.booleans(), LANGUAGES)
    | GRAMMARS,
    larger,
    max_leaves=8,
)


@given(term=TERMS)
def test_a_term_comes_back_and_has_one_text(term):
    constraint = structural_constraint(term)
    back = decode(json.loads(constraint.text))
    assert constraint.kind == "structural" and back == term
    assert structural_constraint(back) == constraint


@pytest.mark.parametrize("digits", ["9007199254740993.5", "123456789012345678901234567890", "0.10", "1E400"])
def test_every_digit_of_a_number_comes_back(digits):
    schema = {"const": orjson.Fragment(digits)}
    text = structural_constraint(Concat((JsonSchema(schema, ""),))).text
    term = decode(json.loads(text, parse_int=Decimal, parse_float=Decimal)).parts[0]
    assert str(term.schema["const"]) in (digits, str(Decimal(digits)))


@pytest.mark.parametrize("schema", [object(), {"a": b"bytes"}])
def test_a_schema_that_is_no_json_is_refused(schema):
    with pytest.raises(TypeError):
        structural_constraint(JsonSchema(schema, ""))


@pytest.mark.parametrize(
    "listed", [[], ["Value", {}], ["ConstText"], {"ConstText": "a"}, ["JsonSchema", {}, "", ["x"], False, []]]
)
def test_what_is_no_term_is_refused(listed):
    with pytest.raises(ValueError, match="not "):
        decode(listed)
