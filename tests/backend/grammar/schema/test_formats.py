"""`format` in schemas: enforced, noted where it asserts nothing, and in every combination with patterns and lengths."""

import json
import random

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.grammar import Constraint, Notes
from backend.grammar.automaton.run import Runner
from backend.grammar.chars.formats import HINTS, NAMES
from backend.grammar.compile import compile_constraint
from backend.grammar.errors import GrammarError
from tests.grammar_suite.walks import Walker


def notes(schema: object, *, strict: bool = False) -> Notes:
    return compile_constraint(Constraint("json_schema", json.dumps(schema), strict=strict)).notes


def runner(schema: object) -> Runner:
    return Runner(compile_constraint(Constraint("json_schema", json.dumps(schema))))


PHONE = {"type": "string", "format": "phone"}


@pytest.mark.parametrize(
    ("schema", "ignored"),
    [
        (PHONE, ["#/format"]),
        ({"type": "object", "properties": {"a": PHONE}}, ["#/properties/a/format"]),
        ({"type": "integer", "format": "date-time"}, ["#/format"]),
        ({"type": "string", "format": "float"}, ["#/format"]),
        ({"type": ["boolean", "null"], "format": "email"}, ["#/format"]),
        ({"type": "string", "not": {"format": "phone", "maxLength": 3}}, ["#/not/format"]),
        ({"type": "string", "$defs": {"a": PHONE}}, []),
        *(({"type": "string", "format": name}, []) for name in sorted(HINTS)),
        ({"type": ["string", "null"], "format": "email"}, []),
        ({"format": "int32"}, []),
        ({"type": "number", "format": "double"}, []),
    ],
)
def test_a_format_that_asserts_nothing_is_noted(schema: dict, ignored: list[str]) -> None:
    assert notes(schema) == Notes(tuple(ignored))
    if not ignored:
        assert notes(schema, strict=True) == Notes()
        return
    with pytest.raises(GrammarError, match=r"format '[a-z-]+' is not known for type .* and strict is true") as caught:
        notes(schema, strict=True)
    assert str(caught.value).endswith((f"at {ignored[0]}", f"at {ignored[0]} at #"))


def test_an_unknown_format_is_neutral_under_a_negation() -> None:
    run = runner({"type": "string", "not": {"format": "phone", "maxLength": 3}})
    assert run.accepts(b'"abcd"')
    assert not run.accepts(b'"abc"')
    with pytest.raises(GrammarError, match="no finite value"):
        runner({"type": "string", "not": {"format": "phone"}})


@pytest.mark.parametrize(
    ("schema", "accepted", "rejected"),
    [
        ({"type": "integer", "format": "int32"}, [2147483647, -2147483648], [2147483648, 0.5]),
        ({"type": "number", "format": "int64"}, [9223372036854775807], [9223372036854775808, 1.5]),
        ({"type": "integer", "format": "uint8", "minimum": 3}, [3, 255], [2, 256]),
        ({"type": "number", "format": "float"}, [1.5], [4 * 10**38]),
        ({"enum": [1, 300, "300", "1"], "format": "int8"}, [1, "1"], [300, "300"]),
        ({"type": "string", "format": "int64"}, ["1", "-9223372036854775808"], ["x", "1.0", "9223372036854775808"]),
    ],
)
def test_formats_of_numbers_are_bounds(schema: dict, accepted: list, rejected: list) -> None:
    run = runner(schema)
    assert [value for value in accepted if not run.accepts(json.dumps(value).encode())] == []
    assert [value for value in rejected if run.accepts(json.dumps(value).encode())] == []


def test_the_complement_of_a_number_format_holds_for_who_asserts_it_and_who_does_not() -> None:
    small, any_number = {"type": "integer", "format": "int32"}, {"type": "number", "format": "double"}
    run = runner({"oneOf": [small, any_number]})
    assert run.accepts(b"0.5")
    assert not any(run.accepts(text) for text in (b"1", b"3000000000"))
    run = runner({"type": "number", "not": small})
    assert run.accepts(b"0.5")
    assert not run.accepts(b"3000000000")


PATTERNS = [
    r"^\d{2}/\d{2}/\d{4}$",
    "^/",
    "^$",
    ".",
    r"^\S+$",
    "^(?!.*[ab])",
    r"^[^@]{0,4}$",
    r"\.(com|org)",
    r"^(?=.*\d).*[A-Z]$",
    "a|^b$",
    r"\bx",
    "^a{3}$",
]
LENGTHS = st.none() | st.sampled_from([0, 1, 2, 5, 10, 100, 254, 2083, 100_000])


@settings(deadline=None, max_examples=60)
@given(
    st.sampled_from(sorted(NAMES)),
    st.none() | st.sampled_from(PATTERNS),
    LENGTHS,
    LENGTHS,
    st.sampled_from(["string", ["string", "null"]]),
)
def test_every_combination_is_compiled_or_refused(
    name: str, regex: str | None, least: int | None, most: int | None, types: str | list[str]
) -> None:
    keywords = {"format": name, "pattern": regex, "minLength": least, "maxLength": most, "type": types}
    schema = {keyword: value for keyword, value in keywords.items() if value is not None}
    try:
        tables = compile_constraint(Constraint("json_schema", json.dumps(schema)))
    except GrammarError as refusal:
        assert refusal.message
        return
    validator = jsonschema.Draft202012Validator(schema, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER)
    walker = Walker(tables, random.Random(name).randrange(2**32), 60)
    words = [walker.word() for _ in range(4)]
    assert [word for word in words if word is not None and not validator.is_valid(json.loads(word))] == []


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "string", "format": "date", "pattern": r"^\d{2}/\d{2}/\d{4}$", "maxLength": 10},
        {"type": "string", "format": "time", "pattern": r"^\d{2}:\d{2}$", "maxLength": 5},
        {"type": "string", "format": "uri", "pattern": "^/", "minLength": 1},
        {"type": "string", "format": "email", "pattern": "^$", "minLength": 1},
    ],
)
def test_a_format_and_a_pattern_that_nothing_satisfies_are_refused(schema: dict) -> None:
    with pytest.raises(GrammarError, match="no finite value"):
        runner(schema)


EMITTED = {
    "pydantic's HttpUrl": ({"format": "uri", "maxLength": 2083, "minLength": 1}, "http://a.b/c"),
    "pydantic's constrained date": ({"format": "date-time", "maxLength": 30}, "2024-02-29T10:00:00Z"),
    "zod's email": (
        {
            "format": "email",
            "pattern": r"^(?!\.)(?!.*\.\.)([A-Za-z0-9_'+\-\.]*)[A-Za-z0-9_+-]@"
            r"([A-Za-z0-9][A-Za-z0-9\-]*\.)+[A-Za-z]{2,}$",
        },
        "a.b@c.de",
    ),
    "zod's hostname": (
        {
            "format": "hostname",
            "pattern": r"^(?=.{1,253}\.?$)[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?"
            r"(?:\.[a-zA-Z0-9](?:[-0-9a-zA-Z]{0,61}[0-9a-zA-Z])?)*\.?$",
        },
        "a-b.example.com",
    ),
    "zod's duration": (
        {
            "format": "duration",
            "pattern": r"^P(?:(\d+W)|(?!.*W)(?=\d|T\d)(\d+Y)?(\d+M)?(\d+D)?(T(?=\d)(\d+H)?(\d+M)?(\d+([.,]\d+)?S)?)?)$",
        },
        "P1DT2H",
    ),
}


@pytest.mark.parametrize("name", EMITTED)
def test_what_libraries_emit(name: str) -> None:
    schema, text = EMITTED[name]
    assert runner({"type": "string", **schema}).accepts(json.dumps(text).encode())
