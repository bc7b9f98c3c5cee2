"""The list of tricky constraints, each with words of its language and words that are not; null: to be refused."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from backend.grammar import Constraint
from backend.grammar.automaton.run import Runner
from backend.grammar.compile import compile_constraint
from backend.grammar.errors import GrammarError

CASES = json.loads((Path(__file__).parents[2] / "data" / "tricky.json").read_text(encoding="utf-8"))
ANSWERED = [case for case in CASES if case["accept"] is not None]
REFUSED = [case for case in CASES if case["accept"] is None]


def constraint(value: Any) -> Constraint:
    """A schema, or ["regex", pattern]."""
    if isinstance(value, list):
        kind, text = value
        return Constraint(kind, text)
    return Constraint("json_schema", json.dumps(value))


def words(entries: list[str | dict[str, str]]) -> list[bytes]:
    """A word is a text, or {"bytes": hexadecimal} where it is no UTF-8."""
    return [entry.encode() if isinstance(entry, str) else bytes.fromhex(entry["bytes"]) for entry in entries]


@pytest.mark.parametrize("case", ANSWERED, ids=lambda case: case["name"])
def test_the_language_of_a_tricky_constraint_is_exact(case: dict[str, Any]) -> None:
    runner = Runner(compile_constraint(constraint(case["constraint"])))
    assert [word for word in words(case["accept"]) if not runner.accepts(word)] == []
    assert [word for word in words(case["reject"]) if runner.accepts(word)] == []


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case["name"])
def test_what_has_no_finite_word_or_is_hostile_is_refused_at_once(case: dict[str, Any]) -> None:
    began = time.process_time()
    with pytest.raises(GrammarError):
        compile_constraint(constraint(case["constraint"]))
    assert time.process_time() - began < 2
