"""The JSON-Schema-Test-Suite, every case of drafts 4 to 2020-12, in some order of the properties."""

import json
import lzma
from collections import Counter
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from backend.grammar import Constraint
from backend.grammar.automaton.run import Runner
from backend.grammar.compile import compile_constraint
from backend.grammar.errors import GrammarError
from tests.grammar_suite.orders import Search

CASES = Path(__file__).resolve().parents[3] / "data" / "json_schema_test_suite" / "cases.jsonl.xz"
DRAFTS = {
    "draft4": "http://json-schema.org/draft-04/schema#",
    "draft6": "http://json-schema.org/draft-06/schema#",
    "draft7": "http://json-schema.org/draft-07/schema#",
    "draft2019-09": "https://json-schema.org/draft/2019-09/schema",
    "draft2020-12": "https://json-schema.org/draft/2020-12/schema",
}
MOST_REFUSED = {
    "refRemote.json": 60,  # documents that are not in the schema, here and in the next five
    "ref.json": 5,
    "dynamicRef.json": 5,
    "defs.json": 2,
    "definitions.json": 3,
    "optional/cross-draft.json": 4,
    "multipleOf.json": 5,  # 0.123456789
    "optional/ecmascript-regex.json": 10,
}
"""By file, the cases that are refused, at most; no other is."""
NARROWER = {
    "format.json": "formats are enforced in every draft",
    "optional/format/": "of some formats a part is written",
    "optional/bignum.json": "numbers have a bound on their digits",
    "optional/float-overflow.json": "numbers have a bound on their digits",
    "vocabulary.json": "a meta-schema elsewhere is not read",
}
"""By the beginning of a file's name, why instances that conform may be rejected; no others are."""
SAME_VALUE = [("optional/zeroTerminatedFloats.json", 1.0)]
"""Instances that only their spelling makes invalid."""


@dataclass
class Outcome:
    """What became of the cases of one draft."""

    refused: Counter[str] = field(default_factory=Counter)
    accepted: list[tuple[str, str, Any]] = field(default_factory=list)
    rejected: list[tuple[str, str, Any]] = field(default_factory=list)

    def add(self, record: dict[str, Any]) -> None:
        """Compile a case and ask for its instances."""
        schema, file = record["schema"], record["file"]
        if isinstance(schema, dict):
            schema = {"$schema": DRAFTS[record["draft"]], **schema}
        text = json.dumps(schema)
        try:
            tables = compile_constraint(Constraint("json_schema", text, open_objects=True))
        except GrammarError as error:
            if "no finite value" not in error.message:
                self.refused[file] += 1
                return
            tables = None
        search = None if tables is None else Search(Runner(tables), text)
        noted = tables is not None and (tables.notes.ignored or tables.notes.deferred)
        for instance, valid in record["tests"]:
            accepted = search is not None and any(map(search.accepts, spelled(instance)))
            where = (file, record["case"], instance)
            if accepted and not valid and not noted and (file, instance) not in SAME_VALUE:
                self.accepted.append(where)
            if valid and not accepted and not file.startswith(tuple(NARROWER)):
                self.rejected.append(where)


def spelled(instance: Any) -> list[Any]:
    """The same value, a whole number also as a fraction: an enum's numbers are written as the schema spells them."""
    whole = isinstance(instance, int) and not isinstance(instance, bool)
    return [instance, float(instance)] if whole and abs(instance) < 2**53 else [instance]


@cache
def records() -> list[dict[str, Any]]:
    return [json.loads(line) for line in lzma.decompress(CASES.read_bytes()).splitlines()]


@cache
def outcome(draft: str) -> Outcome:
    found = Outcome()
    for record in records():
        if record["draft"] == draft:
            found.add(record)
    return found


@pytest.mark.parametrize("draft", DRAFTS)
def test_nothing_invalid_is_accepted_and_nothing_valid_rejected(draft: str) -> None:
    assert outcome(draft).accepted == []
    assert outcome(draft).rejected == []


def test_what_is_refused_is_known_by_file() -> None:
    refused = sum((outcome(draft).refused for draft in DRAFTS), Counter())
    assert refused - Counter(MOST_REFUSED) == Counter()
