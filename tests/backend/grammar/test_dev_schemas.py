"""A part of the development schemas, where they are present: nothing that violates its schema is accepted.

`nox -s grammar` runs all of them and counts.
"""

import pytest

from backend.grammar import Constraint
from backend.grammar.automaton.run import Runner
from backend.grammar.compile import compile_constraint
from backend.grammar.errors import GrammarError
from tests.grammar_suite.devset import Case, cases
from tests.grammar_suite.orders import Search

PART = [case for case in cases()[::11] if len(case.text) < 20_000]


@pytest.mark.parametrize("case", PART, ids=lambda case: case.name)
def test_real_schemas_accept_what_conforms_and_nothing_that_violates(case: Case) -> None:
    try:
        tables = compile_constraint(Constraint("json_schema", case.text, open_objects=True))
    except GrammarError as refusal:
        assert str(refusal)
        return
    search = Search(Runner(tables), case.text)
    assert [value for value in case.violating if search.accepts(value)] == []
    assert [value for value in case.conforming if not search.accepts(value)] == []
