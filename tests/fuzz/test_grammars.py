"""Schemas, regular expressions and grammars of whatever pieces: compiled, or refused by a GrammarError."""

import json

import pytest
from hypothesis import strategies as st

from backend.grammar import Constraint, JsonSchema, structural_constraint
from tests.backend.grammar.context_free.compiled import constraint
from tests.backend.grammar.test_fuzz import DOCUMENTS, compile_or_refuse, of_one_type

pytestmark = pytest.mark.fuzz

ATOMS = [
    "a", "ab", ".", "é", "🙂", r"\d", r"\W", r"\p{Lu}", r"\b", "^", "$", "[a-z]", "[^\\s]", "[]", "[^]", r"\1",
    r"\u00e9", r"\x41", "(?i)", "(?P<n>a)", "(?P=n)", r"\0", "[[:alpha:]]", "\\", "(", ")", "[", "]", "{", "}",
    "|", "?", "*",
]  # fmt: skip
AROUND = [
    "({})", "(?:{})", "(?={})", "(?!{})", "(?<={})", "(?<!{})", "(?>{})", "(?i:{})", "{}*", "{}+?", "{}{{2,5}}",
    "{}{{0}}", "{}{{99999}}", "{}{{,3}}", "^{}$", "({}|b)",
]  # fmt: skip
regexes = st.recursive(
    st.sampled_from(ATOMS) | st.text(max_size=3),
    lambda inner: (
        st.builds(lambda form, part: form.format(part), st.sampled_from(AROUND), inner)
        | st.lists(inner, max_size=3).map("".join)
        | st.lists(inner, min_size=2, max_size=3).map("|".join)
    ),
    max_leaves=8,
)
PIECES = [
    "root", "start", "a", "b", "::=", ":", "|", "/", "?", "+", "*", "(", ")", "{", "}", "[", "]", '"a"', "'b'",
    "/c/", "/d/i", "[a-z]", "[^x]", "{2}", "{2,}", "~", "..", "->", "%ignore", "%import", "common.WS",
    '%json{"type":"null"}', "#", "//", "_", "!", "A", "B", '"\\n"', '"\\x41"', '"é"', ".", "?", ".2", ";",
]  # fmt: skip
soups = st.lists(st.sampled_from([*PIECES, "\n", " "]), max_size=30).map(" ".join)
rules = st.lists(
    st.builds(
        "{} {} {}\n".format, st.sampled_from(["root", "start", "a", "b", "A"]), st.sampled_from(["::=", ":"]), soups
    ),
    max_size=4,
).map("".join)


def test_keywords_about_one_type(fuzz) -> None:
    schemas = of_one_type(st.booleans() | of_one_type(st.booleans()))
    fuzz(schemas, lambda schema: compile_or_refuse(Constraint("json_schema", json.dumps(schema))))


def test_schemas(fuzz) -> None:
    def check(drawn: tuple) -> None:
        schema, open_objects, strict = drawn
        compile_or_refuse(Constraint("json_schema", json.dumps(schema), open_objects, strict))
        error = compile_or_refuse(structural_constraint(JsonSchema(schema, "tools.3", strict=strict)))
        assert error is None or error.pointer.partition("#")[0] == "tools.3" or not error.pointer

    fuzz(st.tuples(DOCUMENTS, st.booleans(), st.booleans()), check)


def test_regular_expressions(fuzz) -> None:
    def check(regex: str) -> None:
        compile_or_refuse(Constraint("regex", regex))
        compile_or_refuse(Constraint("json_schema", json.dumps({"type": "string", "pattern": regex})))

    fuzz(regexes, check)


def test_context_free_grammars(fuzz) -> None:
    syntaxes = st.sampled_from(["", "gbnf", "lark"])
    fuzz(st.builds(constraint, rules | soups, syntaxes, st.integers(0, 3)), compile_or_refuse)
