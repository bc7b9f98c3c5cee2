"""Every limit on a constraint has a message of its own, and holds before time or memory are spent."""

import gc
import json
import random
import string
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest

from backend.engine.config import EngineConfig
from backend.grammar import Constraint
from backend.grammar.compile import compile_constraint
from backend.grammar.device.arena import UNIT
from backend.grammar.device.machine import RESERVED
from backend.grammar.errors import GrammarError
from backend.grammar.limits import DEFAULT_LIMITS, Limits


def names(count: int) -> dict:
    return {f"property_{i}": {"type": "integer"} for i in range(count)}


def nested(depth: int) -> dict:
    return {"type": "array", "items": nested(depth - 1)} if depth else {}


TOO_MUCH = {
    "nested deeper than 60": nested(70),
    "6000 properties, more than 5000": {"type": "object", "properties": names(6000)},
    "6000 enum values, more than 5000": {"enum": list(range(6000))},
    "600000 characters of property names and enum values, more than 320000": {"enum": ["x" * 600_000]},
    "more than 20000 different positions": {"type": "array", "contains": {"const": 1}, "minContains": 30_000},
    "combine into more than 500 alternatives": {
        "allOf": [
            {"anyOf": [{"required": [f"{i} {j}"], "properties": {f"{i} {j}": {}}} for j in range(6)]} for i in range(6)
        ]
    },
    "pattern needs more than 20000 states": {"type": "string", "pattern": "^(a|b)*a(a|b){24}$"},
    "more than 60000 NFA states": {"type": "string", "pattern": "((a{0,200}){0,200}){0,200}"},
    r"leads back to itself without an object or array": {"$ref": "#"},
    "no finite value satisfies": {
        "$ref": "#/$defs/a",
        "$defs": {"a": {"type": "array", "items": {"$ref": "#/$defs/a"}, "minItems": 1}},
    },
}


@pytest.mark.parametrize("message", TOO_MUCH)
def test_too_much_is_refused_at_once(message: str) -> None:
    began = time.process_time()
    with pytest.raises(GrammarError, match=message):
        # Strict: some of it would else be left to a check of the answer.
        compile_constraint(Constraint("json_schema", json.dumps(TOO_MUCH[message]), strict=True))
    assert time.process_time() - began < 2


def scattered(count: int, length: int) -> list[str]:
    """Texts that share little."""
    rng = random.Random(count)
    return ["".join(rng.choices(string.ascii_letters, k=length)) for _ in range(count)]


AT_THE_LIMIT: dict[str, dict] = {
    "properties": {"type": "object", "properties": {name: {"type": "integer"} for name in scattered(5000, 10)}},
    "values": {"enum": scattered(5000, 60)},
}


@pytest.fixture
def without_collections() -> Iterator[None]:
    """As in a process that compiles."""
    gc.disable()
    yield
    gc.enable()


@pytest.mark.parametrize("name", AT_THE_LIMIT)
def test_as_many_as_are_allowed_can_be_had(name: str, without_collections: None) -> None:
    tables = compile_constraint(Constraint("json_schema", json.dumps(AT_THE_LIMIT[name])))
    assert len(tables.transitions) > 80_000


SMALL: dict[str, tuple[Limits, dict]] = {
    "more than 40 states": (replace(DEFAULT_LIMITS, states=40), {"type": "object", "properties": names(10)}),
    "more than 1 stack symbols": (replace(DEFAULT_LIMITS, frames=1), nested(3)),
    "more than 3 alternatives at one place": (
        replace(DEFAULT_LIMITS, threads=3),
        {"type": "object", "properties": names(10)},
    ),
    "tables exceed 0 MiB": (replace(DEFAULT_LIMITS, table_bytes=1000), {"type": "object", "properties": names(10)}),
}


@pytest.mark.parametrize("message", SMALL)
def test_the_automaton_stays_within_its_limits(message: str) -> None:
    limits, schema = SMALL[message]
    with pytest.raises(GrammarError, match=message):
        compile_constraint(Constraint("json_schema", json.dumps(schema)), limits=limits)


def test_the_largest_tables_that_are_allowed_fit_the_arena() -> None:
    assert DEFAULT_LIMITS.table_bytes // 4 + RESERVED + UNIT <= EngineConfig(context=1, pages=1).grammar_cells
