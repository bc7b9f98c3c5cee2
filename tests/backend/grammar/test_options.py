"""What a server says of all constraints: the white space of JSON, and the digits of its numbers."""

import json

import pytest

from backend.grammar import Constraint, alphabet_of
from backend.grammar.automaton.run import Runner
from backend.grammar.compile import compile_constraint

VALUE = {"a": [1, {}, {"b": [[], 2]}], "c": None}
LOOKS = {
    "compact": json.dumps(VALUE, separators=(",", ":")),
    "spaced": json.dumps(VALUE),
    "indented": json.dumps(VALUE, indent=2),
    "": json.dumps(VALUE, indent=3),
}


@pytest.mark.parametrize("whitespace", ["model", "compact", "spaced", "indented"])
@pytest.mark.parametrize("kind", ["json_object", "json_schema"])
def test_json_has_the_white_space_that_is_asked_for(whitespace: str, kind: str) -> None:
    run = Runner(compile_constraint(Constraint(kind, '{"type": "object"}', whitespace=whitespace)))
    for look, text in LOOKS.items():
        assert run.accepts(text.encode()) == (whitespace in ("model", look))


@pytest.mark.parametrize("whitespace", ["spaced", "indented"])
@pytest.mark.parametrize("missing", [b" ", b"\n"])
def test_white_space_for_which_there_are_no_tokens_is_left_out(whitespace: str, missing: bytes) -> None:
    alphabet = alphabet_of([bytes([byte]) for byte in range(256) if bytes([byte]) != missing])
    run = Runner(compile_constraint(Constraint("json_object", whitespace=whitespace), alphabet))
    kept = whitespace == "spaced" and missing == b"\n"
    assert run.accepts(LOOKS["compact"].encode()) != kept
    assert run.accepts(LOOKS["spaced"].encode()) == kept
