"""Vocabularies that cannot write everything: tokens lead to every word that they can write, and never to a dead end."""

import json
import re
from collections.abc import Collection
from functools import cache
from itertools import product
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.grammar import (
    COMPLETE,
    EMPTY,
    AnyOf,
    AnyText,
    Branch,
    Concat,
    Constraint,
    ConstText,
    ContextFree,
    ControlToken,
    GrammarError,
    JsonSchema,
    Regex,
    TaggedDialect,
    Term,
    alphabet_of,
    structural_constraint,
    token_spellings,
)
from backend.grammar.automaton.run import Configuration, Runner
from backend.grammar.compile import compile_constraint
from tests.backend.grammar.tokenizer_kinds import KINDS, vocabulary_of
from tests.backend.grammar.writing import can_cut, dead_ends, json_texts, reached

LETTERS = "abé€🐢\x04"
PATTERNS = (
    "a|é",
    "(é|€|a)b?",
    "[é€]{1,2}",
    "\x04?a",
    "(🐢|é)a|b",
    "(ab|aé){1,2}",
    "a(b\x04?|é)?",
    "[é-ü]a?|\x04{2}",
    "\x04|€",
)
SCHEMAS: dict[str, tuple[Any, list[Any]]] = {
    "values": ({"enum": (values := ["a", "é", "a\x04", "🐢b", "", '"\\\n', "ü\U00050000", True])}, values),
    "a pattern": (
        {"type": "string", "pattern": "^[aé🐢\x04]{0,2}$"},
        ["".join(text) for size in range(3) for text in product("aé🐢\x04", repeat=size)],
    ),
    "names": (
        {
            "type": "object",
            "properties": {"é": {"const": True}, "a": {"enum": [True, "ü"]}, "🐢": {"const": None}},
            "required": ["a"],
            "additionalProperties": False,
        },
        [
            {**one, "a": value, **two}
            for one in ({}, {"é": True})
            for value in (True, "ü")
            for two in ({}, {"🐢": None})
        ],
    ),
    "a required name": (
        {"type": "object", "properties": {"€": {"const": True}}, "required": ["€"], "additionalProperties": False},
        [{"€": True}],
    ),
    "free names": (
        {
            "type": "object",
            "properties": {"é": {"const": True}},
            "additionalProperties": {"type": "null"},
            "propertyNames": {"enum": ["é", "a", "€"]},
            "maxProperties": 1,
        },
        [{}, {"é": True}, {"a": None}, {"€": None}],
    ),
}


def compiled(constraint: Constraint, tokens: Collection[bytes]) -> Runner | None:
    """None where there is nothing that the tokens can write; the error names a character then."""
    try:
        return Runner(compile_constraint(constraint, alphabet_of(tokens)))
    except GrammarError as error:
        assert re.search(r"would need .*U\+[0-9A-F]{4}.* no tokens", error.message), error
        return None


def words_of(constraint: Constraint, tokens: Collection[bytes]) -> set[bytes]:
    """Those to which tokens lead, after a look for dead ends."""
    runner = compiled(constraint, tokens)
    if runner is None:
        return set()
    strings, words = reached(runner, tokens)
    assert words and not dead_ends(strings, words)
    return words


@cache
def matches(pattern: str) -> frozenset[bytes]:
    """Of a pattern of no other characters than LETTERS."""
    texts = ("".join(letters) for size in range(5) for letters in product(LETTERS, repeat=size))
    return frozenset(text.encode() for text in texts if re.fullmatch(pattern, text))


def without_space(kind: str) -> list[bytes]:
    """White space would make endless variants of JSON."""
    return [token for token in vocabulary_of(kind) if not set(token) & set(b" \n\t")]


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("kind", KINDS)
def test_tokens_lead_to_exactly_the_matches_that_they_can_write(kind: str, pattern: str) -> None:
    tokens = vocabulary_of(kind)
    words = words_of(Constraint("regex", pattern), tokens)
    assert all(re.fullmatch(pattern, word.decode()) for word in words)
    assert words >= {word for word in matches(pattern) if can_cut(word, tokens)}


@pytest.mark.parametrize("name", SCHEMAS)
@pytest.mark.parametrize("kind", KINDS)
def test_tokens_lead_to_exactly_the_values_that_they_can_write(kind: str, name: str) -> None:
    (schema, values), tokens = SCHEMAS[name], without_space(kind)
    words = words_of(Constraint("json_schema", json.dumps(schema)), tokens)
    assert words == {text for value in values for text in json_texts(value, tokens)}


@pytest.mark.parametrize("kind", [kind for kind in KINDS if alphabet_of(vocabulary_of(kind)) != COMPLETE])
def test_any_string_is_of_the_characters_that_tokens_write(kind: str) -> None:
    tokens = without_space(kind)
    words = words_of(Constraint("json_schema", '{"type": "string", "minLength": 1, "maxLength": 1}'), tokens)
    assert all(len(json.loads(word)) == 1 for word in words)
    for char in [*map(chr, range(0x180)), *"ΑЖ‰€中한😀🐢\U00050000"]:
        plain = json.dumps(char, ensure_ascii=False).encode()
        assert (plain in words) == can_cut(plain, tokens), char


PIECES = (
    [bytes([byte]) for byte in b'ab\x04"\\u09efcd238{}:,<>/[]' + "é€🐢ü".encode()]
    + list(map(str.encode, ["é", "€", "🐢", "ab", "aé", "éé", '"a', '":', "\\u00", "€a", "</>", "true", "null"]))
    + [b"a\xc3", b"\xa9b", b"\x82\xac", b"\xe2\x82", b"\xf0\x9f", b"\x9f\x90", b'\x90\xa2"', b"\xff"]
)
some = st.sets(st.sampled_from(PIECES), max_size=20)
vocabularies = some | some.map(set(PIECES).difference)


@given(vocabularies, st.sampled_from(PATTERNS))
def test_no_vocabulary_whatever_leads_a_match_to_a_dead_end(tokens: set[bytes], pattern: str) -> None:
    words = words_of(Constraint("regex", pattern), tokens)
    assert all(re.fullmatch(pattern, word.decode()) for word in words)
    single = {token for token in tokens if len(token) == 1}
    assert words >= {word for word in matches(pattern) if can_cut(word, single)}


@given(vocabularies, st.sampled_from(list(SCHEMAS)))
def test_no_vocabulary_whatever_leads_a_value_to_a_dead_end(tokens: set[bytes], name: str) -> None:
    schema, values = SCHEMAS[name]
    validator = jsonschema.Draft202012Validator(schema)
    words = words_of(Constraint("json_schema", json.dumps(schema)), tokens)
    assert all(validator.is_valid(json.loads(word)) for word in words)
    single = {token for token in tokens if len(token) == 1}
    found = [json.loads(word) for word in words]
    assert [value for value in values if json_texts(value, single) and value not in found] == []


LETTER = 300
"""A control token; the vocabularies here have no more than 399 tokens."""
CALL = (ControlToken(LETTER),)
VALUE = JsonSchema({"enum": ["é", "b"]}, "place")
TAGS = TaggedDialect(
    open=(ConstText("<"),),
    key_end=(ConstText(">"),),
    value_open=(),
    close=(ConstText("</>"),),
    between=(),
    newline=False,
    kinds=(),
    plain="</>",
)
TERMS: dict[str, Term] = {
    "a marker that may be written in two ways": Concat(
        (AnyText((Branch(((ConstText("<é>"),), CALL), EMPTY, False),)), VALUE)
    ),
    "text that may stop": AnyText((Branch(((ConstText("é"),), (ConstText("ba"),)), VALUE, True),), may_stop=True),
    "reasoning, then a match": Concat((AnyText((Branch(((ConstText("a€"),),), EMPTY, False),)), Regex("[é🐢]b|a{2}"))),
    "counted strings that a marker ends": JsonSchema(
        {"type": "object", "properties": {"a": {"type": "string", "minLength": 2, "maxLength": 3}}, "required": ["a"]},
        "place",
        TAGS,
    ),
    "a grammar": ContextFree(
        'root ::= "<" root ">" | root "a" root | "é" [é🐢]? | "[" root ("," root)* "]" | "ab"', "place"
    ),
    "recursion": JsonSchema({"$ref": "#/$defs/n", "$defs": {"n": {"anyOf": [
        {"const": "é"}, {"type": "array", "items": {"$ref": "#/$defs/n"}, "minItems": 1}
    ]}}}, "place"),
}  # fmt: skip


class Completions:
    """Whether tokens lead from a configuration to a word, within so many tokens."""

    def __init__(self, runner: Runner, tokens: Collection[bytes]) -> None:
        self._runner, self._tokens = runner, sorted(set(tokens) - {b""}, key=len)

    def following(self, at: Configuration) -> list[Configuration]:
        """After each token that is allowed."""
        found = (self._runner.run(token, at) for token in self._tokens)
        return [after for after in dict.fromkeys(found) if after is not None]

    def exists(self, at: Configuration, most: int) -> bool:
        """Breadth first."""
        seen, level = {at}, [at]
        for _ in range(most):
            if any(map(self._runner.complete, level)):
                return True
            level = [after for here in level for after in self.following(here) if after not in seen]
            level = list(dict.fromkeys(level))
            seen.update(level)
        return any(map(self._runner.complete, level))


def check_every_way_ends(term: Term, tokens: Collection[bytes], steps: int, most: int) -> None:
    spelled = token_spellings([*tokens, *[b""] * (400 - len(tokens))])
    try:
        runner = Runner(compile_constraint(structural_constraint(term), alphabet_of(tokens)))
    except GrammarError as error:
        assert "has no tokens" in error.message
        return
    completions = Completions(runner, [token for token in spelled if b"\xff" not in token] + [spelled[LETTER]])
    level, seen = [runner.start], {runner.start}
    for _ in range(steps):
        level = [after for here in level for after in completions.following(here) if after not in seen]
        level = list(dict.fromkeys(level))[:60]
        seen.update(level)
    for at in seen:
        assert completions.exists(at, most), term


@given(vocabularies, st.sampled_from(list(TERMS)))
def test_no_vocabulary_whatever_leads_parts_of_a_whole_to_a_dead_end(tokens: set[bytes], name: str) -> None:
    check_every_way_ends(TERMS[name], sorted(tokens), steps=4, most=30)


@pytest.mark.parametrize("name", TERMS)
@pytest.mark.parametrize("kind", KINDS)
def test_no_kind_of_vocabulary_leads_parts_of_a_whole_to_a_dead_end(kind: str, name: str) -> None:
    extra = [b"<", b">", b"/", b"[", b"]"]
    check_every_way_ends(TERMS[name], [*vocabulary_of(kind)[2:], *extra][:290], steps=2, most=30)


ENGLISH = [bytes([byte]) for byte in range(0x20, 0x7F) if byte != ord("\\")]
TOOLS = AnyOf((JsonSchema({"const": "é"}, "first"), JsonSchema({"enum": ["ü", "ß"]}, "second")))
NAMES = {"properties": {"é": {}, "a": {}, "b": {}, "€": {}}, "required": ["b", "€"], "type": "object"}


@pytest.mark.parametrize(
    ("constraint", "named", "pointer"),
    [
        (Constraint("regex", "(é|x)(\\x04|ü)"), "U+0004, 'ü' (U+00FC)", ""),
        (Constraint("regex", "(é|x)(\\x04a|ü)"), "'ü' (U+00FC)", ""),
        (Constraint("regex", "é*x(aü|bü)"), "'ü' (U+00FC)", ""),
        (Constraint("regex", "[é-ÿ]"), "'é' (U+00E9), 'ê' (U+00EA), 'ë' (U+00EB), 'ì' (U+00EC)", ""),
        (Constraint("regex", "àéîõü"), "'à' (U+00E0), 'é' (U+00E9), 'î' (U+00EE), 'õ' (U+00F5), ...", ""),
        (Constraint("json_schema", json.dumps(NAMES)), "'€' (U+20AC)", "#"),
        (structural_constraint(TOOLS), "'é' (U+00E9)", "first#"),
    ],
)
def test_an_error_names_the_characters_that_are_in_the_way_and_no_others(
    constraint: Constraint, named: str, pointer: str
) -> None:
    with pytest.raises(GrammarError) as error:
        compile_constraint(constraint, alphabet_of(ENGLISH))
    expected = f"an answer would need {named}, for which the model's vocabulary has no tokens"
    assert (error.value.message, error.value.pointer) == (expected, pointer)


def test_tokens_are_not_to_blame_where_no_value_is_finite() -> None:
    schema = {"type": "object", "properties": {"é": {"$ref": "#"}, "a": {"$ref": "#"}}, "required": ["é", "a"]}
    with pytest.raises(GrammarError, match="no finite value"):
        compile_constraint(Constraint("json_schema", json.dumps(schema)), alphabet_of(ENGLISH))


@pytest.mark.parametrize("brackets", ["{", "}", "[", "]", '"'])
def test_structure_that_cannot_be_written_is_missed_only_where_it_is_needed(brackets: str) -> None:
    alphabet = alphabet_of([token for token in ENGLISH if token != brackets.encode()])
    schema = {"enum": [{}, [], "a"]}
    runner = Runner(compile_constraint(Constraint("json_schema", json.dumps(schema)), alphabet))
    for value in schema["enum"]:
        text = json.dumps(value)
        assert runner.accepts(text.encode()) == (brackets not in text)
    assert runner.accepts(b"[]") or runner.accepts(b"{}")
