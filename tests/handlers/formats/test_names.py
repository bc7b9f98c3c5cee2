"""Names of functions: another where the form of calls has no room for them, and back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers.formats.families import TOOL_SYNTAXES
from handlers.formats.names import FunctionNames
from handlers.formats.syntax import Format
from tests.handlers.formats.writing import pieces_of

NAMES = st.text("ab._/:-", min_size=1, max_size=4)


def names(family, *functions):
    return FunctionNames(Format(TOOL_SYNTAXES[family]), functions)


@pytest.mark.parametrize("family", [*TOOL_SYNTAXES])
@given(functions=st.lists(NAMES, unique=True, max_size=6))
def test_every_function_has_a_name_of_its_own_that_leads_back(family, functions):
    known = names(family, *functions)
    written = [known.written(name) for name in functions]
    assert len(set(written)) == len(functions)
    assert [known.told.get(name, name) for name in written] == functions


@pytest.mark.parametrize(
    ("family", "restricted"), [("hermes", False), ("llama4", True), ("harmony", True), ("none", False)]
)
def test_only_where_the_form_has_no_room(family, restricted):
    assert names(family, "a.b", "c-d").written("a.b") == ("a_b" if restricted else "a.b")
    assert names(family, "a.b", "c-d").written("c-d") == "c-d"
    assert names(family, "a.b", "a_b", "a/b").written("a/b") == ("a_b_3" if restricted else "a/b")


def test_the_answer_has_the_functions_own_name():
    format = Format(TOOL_SYNTAXES["harmony"], flow="channels")
    text = "<|channel|>commentary to=functions.a_b <|constrain|>json<|message|>{}"
    known = names("harmony", "a.b")
    fed, _ = pieces_of(format, text, tools={known.written("a.b"): {}}, names=known.told)
    assert next(segment.name for some in fed for segment in some if hasattr(segment, "name")) == "a.b"


@pytest.mark.parametrize("family", [name for name in TOOL_SYNTAXES if name != "none"])
def test_every_family_has_a_way_to_write_calls_that_a_marker_tells(family):
    format = Format(TOOL_SYNTAXES[family])
    first, *others = format.marked_first().tools
    assert first.marker is not None and {first, *others} == {*format.tools}
