from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.grammar import Constraint, GrammarError, behind
from backend.grammar.automaton.tables import AutomatonTables
from backend.grammar.compile import compile_constraint
from backend.grammar.notes import Notebook, Notes

CALLS = st.lists(st.tuples(st.booleans(), st.sampled_from(["#", "#/a", "#/b"]), st.sampled_from(["", "tools.0"])))


@given(CALLS)
def test_every_note_is_there_once_behind_its_place_in_order(calls):
    notebook, expected = Notebook(), ([], [])
    for deferred, pointer, place in calls:
        part = notebook.of(place, strict=False)
        (part.defer if deferred else part.ignore)(pointer, "why")
        if place + pointer not in expected[deferred]:
            expected[deferred].append(place + pointer)
    assert notebook.notes() == Notes(*map(tuple, expected))


@pytest.mark.parametrize("note", ["ignore", "defer"])
def test_strict_schemas_are_refused_and_others_beside_them_are_not(note):
    notebook = Notebook()
    with pytest.raises(GrammarError, match="no way to do it, and strict is true at #/a"):
        getattr(notebook.of("x", strict=True), note)("#/a", "no way to do it")
    getattr(notebook.of("y", strict=False), note)("#/a", "no way to do it")
    assert notebook.notes().ignored + notebook.notes().deferred == ("y#/a",)


def test_pointers_without_a_place_get_that_of_the_request():
    assert behind("schema", ["#/a", "tools.0.function.parameters#/b"]) == (
        "schema#/a",
        "tools.0.function.parameters#/b",
    )


@given(st.lists(st.text()), st.lists(st.text()))
def test_tables_keep_their_notes_as_bytes(ignored, deferred):
    notes = Notes(tuple(ignored), tuple(deferred))
    tables = replace(compile_constraint(Constraint("regex", "a")), notes=notes)
    assert AutomatonTables.from_bytes(tables.to_bytes()).notes == notes
