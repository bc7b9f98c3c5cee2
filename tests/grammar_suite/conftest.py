"""Every development schema, compiled once."""

import time
from dataclasses import dataclass

import pytest

from backend.grammar import Constraint
from backend.grammar.automaton.tables import AutomatonTables
from backend.grammar.compile import compile_constraint
from backend.grammar.errors import GrammarError
from tests.grammar_suite.devset import ABSENT, Case, cases


@dataclass(frozen=True)
class Compiled:
    """One schema, open objects. tables: None where it was refused, and `refusal` says why. seconds: process time."""

    case: Case
    tables: AutomatonTables | None
    refusal: str
    seconds: float


@pytest.fixture(scope="session")
def compiled() -> list[Compiled]:
    """In the order of the file."""
    if not cases():
        pytest.skip(ABSENT)
    return [_compile(case) for case in cases()]


def _compile(case: Case) -> Compiled:
    began = time.process_time()
    try:
        tables, refusal = compile_constraint(Constraint("json_schema", case.text, open_objects=True)), ""
    except GrammarError as error:
        tables, refusal = None, str(error)
    return Compiled(case, tables, refusal, time.process_time() - began)
