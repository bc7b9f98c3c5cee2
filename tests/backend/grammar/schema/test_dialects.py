"""Other forms than JSON: what is written is read back as a valid object, and every valid object can be written."""

import ast
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.grammar.automaton.encoding import escapes
from backend.grammar.automaton.run import Configuration
from backend.grammar.errors import GrammarError
from backend.grammar.schema import JSON, PYTHON, Dialect, quoted, tagged
from tests.backend.grammar.schema.drawn import (
    NAMES,
    SCALARS,
    documents,
    is_valid,
    keywords,
    language_of,
    many,
    names,
    orders,
    values,
)
from tests.backend.grammar.schema.forms import FORMS, TAGS, Form, read_tagged_by_schema
from tests.backend.grammar.schema.languages import language
from tests.grammar_suite.walks import Walker

simple = st.sampled_from(
    [True, {"$ref": "#/$defs/d"}, {"type": "string"}, {"type": "array"}, {"type": "object"}]
) | keywords(st.booleans())
records = st.builds(
    lambda properties, required: {"type": "object", "properties": properties, "required": required},
    st.dictionaries(st.sampled_from(NAMES), simple, min_size=1, max_size=2),
    names,
)
documents_of_records = st.builds(
    lambda some, d: {**(some[0] if len(some) == 1 else {"anyOf": some}), "$defs": {"d": d}},
    st.lists(records, min_size=1, max_size=2),
    keywords(st.booleans()),
)
typed = st.sampled_from(["string", "array", "object", ["string", "object"], "integer"]).map(lambda t: {"type": t})
unions = st.lists(st.dictionaries(st.sampled_from(NAMES), typed, min_size=1), min_size=2, max_size=3).map(
    lambda some: {"anyOf": [{"type": "object", "properties": properties} for properties in some]}
)
forms = st.sampled_from(sorted(FORMS))
arguments = st.dictionaries(st.sampled_from(NAMES), values, max_size=3)
flat = st.dictionaries(
    st.sampled_from(NAMES), st.sampled_from(SCALARS) | st.lists(st.sampled_from(SCALARS)), max_size=3
)


class Eager(Walker):
    """Likes the bytes of which the forms are made, so that what looks like a marker is often seen in a string."""

    def _byte(self, at: Configuration) -> bytes | None:
        liked = [bytes([byte]) for byte in b'<>/v:|"\xff\x80\xb4' if self.runner.step(at, byte) is not None]
        return self._random.choice(liked) if liked and self._random.random() < 0.6 else super()._byte(at)


def drawn_words(schema: dict, form: Form, open_objects: bool, seed: int) -> list[bytes]:
    run = language_of(schema, open_objects=open_objects, dialect=form.dialect)
    if run is None:
        return []
    walker = Eager(run._t, seed, budget=40, depth=max(3, run._t.min_closing_depth[run._t.start]))
    return [word for word in (walker.word() for _ in range(5)) if word is not None]


@many
@given(documents | documents_of_records | unions, forms, st.booleans(), st.integers(0, 2**32))
def test_every_word_is_read_as_a_valid_object(schema: dict, name: str, open_objects: bool, seed: int) -> None:
    form = FORMS[name]
    for word in drawn_words(schema, form, open_objects, seed):
        assert any(is_valid(schema, reading) for reading in form.readings(word)), (schema, word)


@many
@given(documents_of_records, st.sampled_from(sorted(set(TAGS) - {"kinds"})), st.integers(0, 2**32))
def test_a_tagged_value_is_valid_json_or_else_a_valid_string(schema: dict, name: str, seed: int) -> None:
    for word in drawn_words(schema, FORMS[name], True, seed) if "properties" in schema else []:
        read = read_tagged_by_schema(word, TAGS[name], schema)
        assert is_valid(schema, read), (schema, word)


@many
@given(documents | documents_of_records, forms.filter(lambda name: name != "bracket"), st.data())
def test_an_object_can_be_written_exactly_when_it_is_valid(schema: dict, name: str, data: st.DataObject) -> None:
    form = FORMS[name]
    schema = {"allOf": [schema], "properties": dict.fromkeys(NAMES, True), "$defs": schema["$defs"]}
    run = language_of(schema, open_objects=True, dialect=form.dialect)
    for value in data.draw(st.lists(arguments if form.nested else flat, min_size=5, max_size=10)):
        texts = [form.write(order) for order in orders(value)]
        accepted = [text for text in texts if run is not None and run.accepts(text)]
        if is_valid(schema, value):
            assert accepted, (schema, value)
        elif form.exact:
            assert not accepted, (schema, value)
        for text in accepted:
            assert any(is_valid(schema, reading) for reading in form.readings(text)), (schema, text)


LINES, PAIRS, KINDS = (FORMS[name].dialect for name in ("lines", "pairs", "kinds"))
CALL = {
    "type": "object",
    "properties": {
        "city": {"type": "string"},
        "days": {"type": "integer"},
        "exact": {"type": ["boolean", "null"]},
        "more": {"type": "object", "properties": {"tags": {"type": "array", "items": {"type": "string"}}}},
    },
    "required": ["city"],
}
WRITTEN: dict[str, tuple[Dialect, list[str], list[str]]] = {
    "keyword arguments": (
        PYTHON,
        [
            'city="Rome"',
            r'city="a\"b\n", days=-3, exact=None, more={"tags": ["x"]}',
            'city="é", exact=True',
            'city="", more={}',
        ],
        [
            "",
            "city='Rome'",
            'city="Rome",days=3',
            'city="Rome", ',
            'days=3, city="Rome"',
            'city="x", exact=null',
            'city="x", other=1',
            '"city"="x"',
            'city = "x"',
            '{city="x"}',
        ],
    ),
    "raw strings between quotes": (
        quoted(b"<q>"),
        [
            "{city:<q>Rome<q>}",
            '{city:<q>a "b"\n{<q>,days:3,exact:null,more:{tags:[<q>x<q>,<q><q>]}}',
            "{city:<q><q<q>,more:{}}",
        ],
        [
            "{}",
            '{city:"Rome"}',
            "{city:<q>Rome<q>, days:3}",
            "{city:<q>a<q>b<q>}",
            "{city:<q>Rome<q>",
            '{"city":<q>Rome<q>}',
            "{city:<q>Rome<q>,more:{other:1}}",
            "city:<q>Rome<q>",
        ],
    ),
    "lines": (
        LINES,
        [
            "<parameter=city>\nRome\n</parameter>",
            "<parameter=city>\n\n</parameter>\n<parameter=days>\n3\n</parameter>",
            '<parameter=city>\n{"a": [\n</param\n</parameter>\n<parameter=more>\n{"tags": ["x"]}\n</parameter>',
        ],
        [
            "<parameter=city>Rome</parameter>",
            "<parameter=city>\nRome\n</parameter>\n",
            "<parameter=city>\nRome\n</parameter><parameter=days>\n3\n</parameter>",
            "<parameter=city>\nx</parameter>y\n</parameter>",
            '<parameter=city>\nx\n</parameter>\n<parameter=days>\n"3"\n</parameter>',
            '<parameter=city>\nx\n</parameter>\n<parameter=more>\n{"tags":["</parameter>"]}\n</parameter>',
            "<parameter=days>\n3\n</parameter>",
        ],
    ),
    "pairs": (
        PAIRS,
        [
            "<arg_key>city</arg_key>\n<arg_value>Rome</arg_value>",
            "<arg_key>city</arg_key>\n<arg_value>a\n</arg_value>\n<arg_key>days</arg_key>\n<arg_value>3</arg_value>",
        ],
        ["<arg_key>city</arg_key><arg_value>Rome</arg_value>"],
    ),
    "kinds": (
        KINDS,
        [
            '<p name="city" string="true">Rome</p>',
            '<p name="city" string="true">3</p>\n<p name="days" string="false">3</p>',
        ],
        [
            '<p name="city" string="false">Rome</p>',
            '<p name="city" string="false">"Rome"</p>',
            '<p name="city" string="true">Rome</p>\n<p name="days" string="true">3</p>',
        ],
    ),
}


@pytest.mark.parametrize("name", WRITTEN)
def test_written_form(name: str) -> None:
    dialect, accepted, rejected = WRITTEN[name]
    run = language(CALL, dialect=dialect)
    assert [text for text in accepted if not run.accepts(text.encode())] == []
    assert [text for text in rejected if run.accepts(text.encode())] == []


def test_python_reads_every_escape_as_json_does() -> None:
    for character in [*range(32), ord('"'), ord("\\")]:
        for escape in escapes(character):
            assert ast.literal_eval(f'"{escape.decode()}"') == json.loads(b'"' + escape + b'"') == chr(character)


def value_run(schema: dict[str, Any], dialect: Dialect) -> list[str]:
    """Of some texts those that may be the value of property "a"."""
    run = language({"type": "object", "properties": {"a": schema}, "required": ["a"]}, dialect=dialect)
    texts = ["", "x", "xyz", "5", "5.5", '"x"', "null", "[1]", '["x"]', '{"b":1}', "{", "é{[", "<", "</v", "<v></v>"]
    return [text for text in texts if run.accepts(b"<a>" + text.encode() + b"</v>")]


TAGGED = tagged(b"<", b">", b"", b"</v>", b"", False)


@pytest.mark.parametrize(
    ("schema", "admitted"),
    [
        ({"type": "integer"}, ["5"]),
        ({"type": "string", "maxLength": 1}, ["", "x", "5", "{", "<"]),
        ({"type": "string", "pattern": r"^\W*$"}, ["", "{", "é{[", "<"]),
        ({"enum": ["x", "5", 5.5, "null", "<v></v>", {"b": 1}]}, ["x", "5", "5.5", "null", '{"b":1}']),
        ({"type": ["string", "null"], "minLength": 4}, ["null", '["x"]', '{"b":1}']),
        ({"type": ["string", "array"], "maxLength": 1}, ["", "x", "5", "[1]", '["x"]', "<"]),
        ({"anyOf": [{"type": "object"}, {"const": "x"}, {"const": "{"}]}, ["x", '{"b":1}']),
        ({"type": "array", "items": {"type": "string"}}, ['["x"]']),
    ],
)
def test_tagged_values(schema: dict[str, Any], admitted: list[str]) -> None:
    assert value_run(schema, TAGGED) == admitted


def test_a_string_does_not_begin_like_the_container_of_another_alternative() -> None:
    branches = [{"properties": {"a": {"type": "string"}}}, {"properties": {"a": {"type": "array"}, "b": True}}]
    run = language({"type": "object", "anyOf": branches}, dialect=TAGGED)
    assert run.accepts(b"<a>x[</v>")
    assert run.accepts(b"<a>[1]</v><b>[1]</v>")
    assert not run.accepts(b"<a>[</v>")


def test_only_json_writes_other_values_than_objects() -> None:
    schema = {"type": ["string", "object"], "properties": {"a": {"type": ["null", "string"]}}}
    assert language(schema).accepts(b'"x"')
    for name in FORMS:
        run, write = language(schema, dialect=FORMS[name].dialect), FORMS[name].write
        assert all(run.accepts(write(value)) for value in ({}, {"a": None}, {"a": "x"}))
        assert not run.accepts(b'"x"')


def test_names_that_the_schema_does_not_declare_are_written_by_json_alone() -> None:
    for schema in (
        {"additionalProperties": True},
        {"patternProperties": {"^b": True}},
        {"propertyNames": {"const": "b"}},
    ):
        assert language(schema, open_objects=True).accepts(b'{"b":1}')
        for name in FORMS:
            run, write = language({"type": "object", **schema}, dialect=FORMS[name].dialect), FORMS[name].write
            assert run.accepts(write({}))
            assert not run.accepts(write({"b": 1}))
        with pytest.raises(GrammarError, match="no finite value"):
            language({"type": "object", "minProperties": 1, **schema}, dialect=PYTHON)


def test_objects_inside_keyword_and_tagged_arguments_are_as_in_json() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "object"}}}
    for dialect in (PYTHON, LINES):
        before, after = (b"a=", b"") if dialect is PYTHON else (b"<parameter=a>\n", b"\n</parameter>")
        run = language(schema, dialect=dialect)
        assert run.accepts(before + b'{\n  "any name": {\n    "x": [\n      1\n    ]\n  }\n}' + after)
        assert run.accepts(before + b'{"a": None}' + after) == (dialect is PYTHON)


def test_recursion_is_exact_at_any_depth() -> None:
    schema = {"type": "object", "properties": {"a": {"$ref": "#"}, "b": {"type": "array", "items": {"$ref": "#"}}}}
    value: dict[str, Any] = {}
    for depth in range(50):
        value = {"b": [value, {}]} if depth % 3 else {"a": value}
    for name in FORMS:
        run, text = language(schema, dialect=FORMS[name].dialect), FORMS[name].write(value)
        assert run.accepts(text)
        assert not run.accepts(text.replace(b"{}", b"1"))


@pytest.mark.parametrize(
    ("dialect", "names", "reason"),
    [
        (PYTHON, ["a-b", "1a", "", "from", "None", "ﬁ", "a b", "\ud800"], "no Python identifier"),
        (quoted(b"|"), ["a b", "é", "", "a:b", "$x", "a\n"], "letters, digits"),
        (LINES, ["a>", "<a", 'a"', "a b", "a\n", "", "a\u3000"], "cannot stand in a tag"),
        (tagged(b"(", b"=", b"", b")", b"", False), ["a=b"], "cannot stand in a tag"),
        (LINES, ["a\ud800"], "lone surrogate"),
    ],
)
def test_a_name_that_cannot_be_written_is_refused(dialect: Dialect, names: list[str], reason: str) -> None:
    for name in names:
        schema = {"type": "object", "properties": {"good": {}, name: {}}}
        with pytest.raises(GrammarError, match=reason) as caught:
            language(schema, dialect=dialect)
        assert repr(name) in caught.value.message
        assert caught.value.pointer == "#"
        language({**schema, "properties": {"good": {}, name: False}}, dialect=dialect)


@pytest.mark.parametrize(
    ("dialect", "names"), [(PYTHON, ["é", "_x1", "match"]), (quoted(b"|"), ["a.b-C_9"]), (PAIRS, ["key", "$é-a.b"])]
)
def test_other_names_are_written(dialect: Dialect, names: list[str]) -> None:
    for name in names:
        language({"type": "object", "required": [name]}, dialect=dialect)


def test_a_name_inside_that_would_end_the_value_is_refused() -> None:
    inner = {"type": "object", "properties": {"</parameter>": True}}
    with pytest.raises(GrammarError, match="'</parameter>' cannot be written") as caught:
        language({"type": "object", "properties": {"a": inner}}, dialect=LINES)
    assert caught.value.pointer == "#/properties/a"


def test_no_marker_occurs_in_json_inside_tags() -> None:
    run = language({"type": "object", "properties": {"a": {"type": "object"}}}, dialect=TAGGED)
    assert run.accepts(b'<a>{"</": "</v"}</v>')
    for text in (b'{"</v>": 1}', b'{"x": "</v>"}', b'{"x": ["y</v>"]}'):
        assert not run.accepts(b"<a>" + text + b"</v>")


def test_long_strings_take_few_states() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string", "minLength": 3, "maxLength": 3_000}}}
    for name in FORMS:
        if name not in ("repeating", "bracket"):
            run, write = language({**schema, "required": ["a"]}, dialect=FORMS[name].dialect), FORMS[name].write
            assert len(run._t.accepting) < 150
            assert [size for size in (2, 3, 3_000, 3_001) if run.accepts(write({"a": size * "é"}))] == [3, 3_000]


def test_a_length_is_counted_beside_a_pattern() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string", "maxLength": 30_000, "pattern": "b"}}}
    run = language({**schema, "required": ["a"]}, dialect=LINES)
    write = FORMS["lines"].write
    texts = ["b", "é", "é" * 29_999, "é" * 29_999 + "b", "é" * 29_998 + "bé", "é" * 30_000 + "b", "b" * 30_001]
    assert [run.accepts(write({"a": text})) for text in texts] == [True, False, False, True, True, False, False]


def test_what_tells_one_thing_from_another_must_be_there() -> None:
    for wrong in (
        lambda: tagged(b"<", b"", b"", b"/", b"", False),
        lambda: tagged(b"<", b">", b"", b"", b"", False),
        lambda: tagged(b"<", b">", b"", b"/", b"", False, [(b"a", True), (b"ab", False)]),
        lambda: quoted(b"[|"),
    ):
        with pytest.raises(AssertionError):
            wrong()


def test_equal_dialects_are_equal() -> None:
    assert quoted(b"|") == quoted(b"|") != quoted(b"||")
    assert tagged(*TAGS["lines"]) == LINES != PAIRS
    assert JSON != PYTHON
