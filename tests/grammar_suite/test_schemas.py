"""All development schemas: how many are accepted, and whether their languages are right."""

import json
from collections import Counter

import numpy as np
import pytest
from rich.console import Console
from rich.table import Table

from backend.grammar.automaton.run import Runner
from backend.grammar.automaton.tables import AutomatonTables
from tests.backend.grammar.vocabularies import vocabulary
from tests.grammar_suite.comparison import Found, compare, variations
from tests.grammar_suite.conftest import Compiled
from tests.grammar_suite.oracle import Oracle
from tests.grammar_suite.orders import Search
from tests.grammar_suite.peers import Judge, Refused
from tests.grammar_suite.walks import Walker

pytestmark = pytest.mark.slow

LEAST_ACCEPTED = 0.84
MOST_REJECTED = 0.01


def accepted(compiled: list[Compiled]) -> list[tuple[Compiled, AutomatonTables]]:
    """Those that were not refused."""
    return [(entry, entry.tables) for entry in compiled if entry.tables is not None]


def test_enough_schemas_are_accepted(compiled: list[Compiled], capsys: pytest.CaptureFixture[str]) -> None:
    with capsys.disabled():
        report(compiled)
    assert len(accepted(compiled)) >= LEAST_ACCEPTED * len(compiled)


def test_every_refusal_names_what_it_refuses(compiled: list[Compiled]) -> None:
    assert [entry.case.name for entry in compiled if entry.tables is None and len(entry.refusal) < 15] == []


def test_no_violating_instance_is_accepted_and_hardly_a_conforming_one_rejected(compiled: list[Compiled]) -> None:
    violations, rejected, conforming = [], [], 0
    for entry, tables in accepted(compiled):
        search = Search(Runner(tables), entry.case.text)
        conforming += len(entry.case.conforming)
        violations += [(entry.case.name, value) for value in entry.case.violating if search.accepts(value)]
        rejected += [(entry.case.name, value) for value in entry.case.conforming if not search.accepts(value)]
    assert violations == []
    assert len(rejected) <= MOST_REJECTED * conforming, rejected


def test_the_languages_are_those_of_the_validators_and_of_llguidance(compiled: list[Compiled]) -> None:
    wrong: list[tuple[str, Found]] = []
    for number, (entry, tables) in enumerate(accepted(compiled)):
        texts = variations([*entry.case.conforming[:3], *entry.case.violating[:1]], number, values=6, spellings=3)
        found = compare(Runner(tables), Oracle(entry.case.text), judge(entry), texts)
        if found.unsound or found.missing:
            wrong.append((entry.case.name, found))
    assert wrong == []


def judge(entry: Compiled) -> Judge | None:
    """llguidance's opinion, where it has one."""
    try:
        return Judge(entry.case.schema)
    except Refused:
        return None


@pytest.mark.parametrize("name", [None, "bundled", "32k"])
def test_whatever_is_drawn_at_random_conforms(name: str | None, compiled: list[Compiled]) -> None:
    tokens = None if name is None else vocabulary(name).tokens
    wrong, unfinished, drawn = [], 0, 0
    for number, (entry, tables) in enumerate(accepted(compiled)):
        oracle, walker = Oracle(entry.case.text), Walker(tables, number, 100, tokens, depth=64)
        words = [walker.word() for _ in range(6 if tokens is None else 2)]
        drawn, unfinished = drawn + len(words), unfinished + words.count(None)
        wrong += [(entry.case.name, word) for word in words if word is not None and not oracle.conforms(word)]
    assert wrong == []
    assert unfinished <= 0.02 * drawn


def report(compiled: list[Compiled]) -> None:
    """What was accepted, what was not and why, and what it cost."""
    done = accepted(compiled)
    table = Table(title=f"{len(done)} of {len(compiled)} development schemas accepted, open objects")
    for heading in ("", "p50", "p90", "p99", "most"):
        table.add_column(heading, justify="right")
    figures = {
        "compile ms": [1000 * entry.seconds for entry, _ in done],
        "states": [len(tables.transitions) for _, tables in done],
        "tables kB": [tables.nbytes / 1000 for _, tables in done],
    }
    for name, values in figures.items():
        table.add_row(name, *(f"{x:.1f}" for x in np.quantile(values, [0.5, 0.9, 0.99, 1])))
    console = Console(width=140)
    console.print(table)
    refusals = Counter(entry.refusal.split(" at #")[0] for entry in compiled if entry.tables is None)
    for text, count in refusals.most_common():
        console.print(f"{count:4} {text}", highlight=False, markup=False)
    console.print(json.dumps([entry.case.name for entry in compiled if entry.tables is None]), markup=False)
