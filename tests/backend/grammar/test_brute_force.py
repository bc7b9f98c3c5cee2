"""Small vocabularies, every string of tokens: a token is allowed exactly where some word goes on with it."""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from itertools import product
from typing import Any

import jsonschema
import pytest

from backend.grammar import Constraint
from backend.grammar.automaton.run import Configuration, Runner
from backend.grammar.compile import compile_constraint
from tests.grammar_suite.enumeration import numbers, strings, texts


@dataclass(frozen=True)
class Small:
    """scalars: texts that words are made of; tokens: no other bytes may appear. prefix, word: lengths in bytes: each
    prefix of at most `prefix` of them that can be completed can be completed within `word` (to be chosen so).
    depth: of the containers in words; arrays: whether they are arrays too.
    """

    schema: Any
    scalars: list[str]
    keys: tuple[str, ...]
    tokens: tuple[str | bytes, ...]
    prefix: int
    word: int
    depth: int = 0
    arrays: bool = False

    def words(self) -> set[bytes]:
        """The language up to the length of `word`, by another implementation."""
        validator = jsonschema.Draft202012Validator(self.schema)
        loads = json.JSONDecoder(parse_float=Decimal).decode
        found = texts(self.word, self.scalars, self.keys, self.depth, self.arrays)
        return {text.encode() for text in found if validator.is_valid(loads(text)) and len(text.encode()) <= self.word}


STRUCTURE = ("{", "}", "[", "]", '"', ":", ",", '{"', '":', '",', '"}', "}}", "]]", "[[", ',"', "],[")
SMALL = {
    "optional and required properties": Small(
        {
            "type": "object",
            "properties": {"a": {"type": "integer"}, "b": {"enum": ["a", "ab"]}, "c": {"const": 1}},
            "required": ["b"],
            "additionalProperties": False,
        },
        ["0", "1", "10", "11", "-1", *strings("ab", 2)],
        ("a", "b", "c"),
        (*STRUCTURE, "a", "b", "ab", "c", "0", "1", "-", "11"),
        7,
        24,
        1,
    ),
    "bounded array of alternatives": Small(
        {"type": "array", "items": {"enum": [1, 12, "a", [2], []]}, "minItems": 1, "maxItems": 3},
        ["1", "2", "12", "21", "11", '"a"'],
        (),
        (*STRUCTURE, "1", "2", "a", "12", "2]"),
        8,
        14,
        2,
        True,
    ),
    "recursion": Small(
        {
            "$ref": "#/$defs/n",
            "$defs": {"n": {"anyOf": [{"const": 1}, {"type": "array", "items": {"$ref": "#/$defs/n"}}]}},
        },
        ["1"],
        (),
        ("[", "]", ",", "1", "[[", "]]", "],[", "1]", "]]]"),
        6,
        13,
        7,
        True,
    ),
    "recursion through objects": Small(
        {
            "type": "object",
            "properties": {"a": {"$ref": "#"}, "b": {"type": "array", "items": {"$ref": "#"}, "maxItems": 1}},
            "additionalProperties": False,
        },
        [],
        ("a", "b"),
        (*STRUCTURE, "a", "b", "{}", '{"a":', "}]"),
        10,
        22,
        6,
        True,
    ),
    "range of decimals": Small(
        {"type": "number", "minimum": -1, "exclusiveMaximum": 1.2},
        numbers("012-.", 6),
        (),
        ("0", "1", "2", "-", ".", "-0", "1.", "00"),
        5,
        6,
    ),
    "counted characters": Small(
        {"type": "string", "minLength": 2, "maxLength": 3},
        strings('an"\\\né', 3),
        (),
        ('"', "a", "n", "\\", "\\n", "é", b"\xc3", b"\xa9", b"\xa9a", 'a"', '\\"', "aa"),
        6,
        11,
    ),
    "pattern and length": Small(
        {"type": "string", "pattern": "^(ab)*$|bb", "maxLength": 4},
        strings("ab", 4),
        (),
        ('"', "a", "b", "ab", '"a', 'b"'),
        6,
        6,
    ),
    "negation": Small(
        {"type": "string", "not": {"enum": ["a", "ab"]}, "maxLength": 3},
        strings("ab", 3),
        (),
        ('"', "a", "b", "ab", '"a', 'b"'),
        5,
        5,
    ),
    "exactly one of overlapping ranges": Small(
        {
            "oneOf": [{"type": "integer", "multipleOf": 2}, {"type": "integer", "minimum": 10}],
            "maximum": 122,
            "minimum": 0,
        },
        numbers("012", 4),
        (),
        ("0", "1", "2", "12", "00"),
        3,
        4,
    ),
    "one free property": Small(
        {
            "type": "object",
            "properties": {"a": {"const": 1}},
            "additionalProperties": {"const": 2},
            "maxProperties": 1,
        },
        ["1", "2"],
        ("", *"ab12{}[]:,", *map("".join, product("ab12{}[]:,", repeat=2))),
        (*STRUCTURE, "a", "b", "1", "2", "ab"),
        4,
        8,
        1,
    ),
    "dependent properties": Small(
        {
            "type": "object",
            "properties": {"a": {"const": 1}, "b": {"const": 2}, "c": {"const": 1}},
            "dependentRequired": {"a": ["c"]},
            "additionalProperties": False,
        },
        ["1", "2"],
        ("a", "b", "c"),
        (*STRUCTURE, "a", "b", "c", "1", "2", '1,"'),
        14,
        19,
        1,
    ),
    "a condition": Small(
        {
            "type": "object",
            "properties": {"a": {"enum": [1, 2]}, "b": {"enum": [1, 2]}},
            "required": ["a"],
            "additionalProperties": False,
            "if": {"properties": {"a": {"const": 1}}},
            "then": {"required": ["b"]},
            "else": {"properties": {"b": {"const": 2}}},
        },
        ["1", "2"],
        ("a", "b"),
        (*STRUCTURE, "a", "b", "1", "2", '1,"'),
        13,
        13,
        1,
    ),
}


def prefixes(words: Iterable[bytes]) -> set[bytes]:
    """All beginnings of the words."""
    return {word[:size] for word in words for size in range(len(word) + 1)}


def compare(runner: Runner, words: set[bytes], tokens: tuple[str | bytes, ...], longest: int) -> int:
    """Runs every string of tokens of up to `longest` bytes; returns how many were live."""
    alive, pieces = prefixes(words), [t.encode() if isinstance(t, str) else t for t in tokens]
    known: dict[bytes, Configuration] = {b"": runner.start}
    frontier = [b""]
    while frontier:
        reached: dict[bytes, Configuration] = {}
        for before, piece in product(frontier, pieces):
            text = before + piece
            if len(text) > longest:
                continue
            after = runner.run(piece, known[before])
            assert (after is not None) == (text in alive), text
            if after is not None:
                assert runner.complete(after) == (text in words), text
                assert known.get(text, after) == after
                if text not in known:
                    reached[text] = after
        known |= reached
        frontier = list(reached)
    return len(known)


@pytest.mark.parametrize("name", SMALL)
def test_a_token_is_allowed_exactly_where_some_word_goes_on_with_it(name: str) -> None:
    small = SMALL[name]
    runner = Runner(compile_constraint(Constraint("json_schema", json.dumps(small.schema))))
    words = small.words()
    assert compare(runner, words, small.tokens, small.prefix) > len(small.tokens) // 2
    assert [word for word in words if not runner.accepts(word)] == []


@pytest.mark.parametrize("pattern", ["(a|b)*ab", "a{2,3}|b+", "[^b]b?", "(?:ab|a)(bc?|c)", "(yes|y|)c?"])
def test_a_token_is_allowed_exactly_where_some_match_goes_on_with_it(pattern: str) -> None:
    runner = Runner(compile_constraint(Constraint("regex", pattern)))
    alphabet = "abcyes"
    words = {
        word.encode()
        for size in range(8)
        for word in map("".join, product(alphabet, repeat=size))
        if re.fullmatch(pattern, word)
    }
    compare(runner, words, (*alphabet, "ab", "bc", "yes", "aab"), 4)
