"""Calls are written in the usual form of their family, and what is written is what is read."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers.formats.call_text import write_calls
from handlers.formats.syntax import JsonCall
from tests.handlers.formats.test_round_trip import SYNTAXES, forbidden_in, values
from tests.handlers.formats.writing import TOOLS, format_of, read
from tests.handlers.formats.writing import write_calls as written_by_hand


@pytest.mark.parametrize(("family", "number"), SYNTAXES)
def test_what_is_written_is_read_as_the_same_calls(family, number):
    format = format_of(family)
    syntax = format.tools[number]
    call = st.tuples(st.sampled_from(sorted(TOOLS)), values(forbidden_in(syntax)))

    @given(calls=st.lists(call, min_size=1, max_size=3))
    def check(calls):
        found = read(format, write_calls(syntax, calls))
        assert found.parsed == calls and found.content == ""

    check()


@pytest.mark.parametrize(("family", "number"), SYNTAXES)
def test_the_form_is_the_usual_one(family, number):
    """As it is written for the tests of reading; ids of calls are any nine letters or digits."""
    syntax = format_of(family).tools[number]
    calls = [("get", {"text": "é", "count": 3, "list": ["a", "b"], "object": {"k": None}}), ("mail-2", {})]
    own = write_calls(syntax, calls).replace("000000000", "id0").replace("000000001", "id1")
    assert own == written_by_hand(syntax, calls)


def test_letters_are_themselves_in_json():
    syntax = next(syntax for syntax in format_of("hermes").tools if any(isinstance(p, JsonCall) for p in syntax.call))
    assert write_calls(syntax, [("get", {"text": "é\n"})]) == (
        '<tool_call>\n{"name": "get", "arguments": {"text": "é\\n"}}\n</tool_call>'
    )
