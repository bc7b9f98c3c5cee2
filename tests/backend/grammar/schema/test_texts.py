"""Strings that end at a marker: which can be written, and that their characters are counted."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.grammar.automaton.assemble import assemble
from backend.grammar.automaton.graph import Graph
from backend.grammar.automaton.pushdown import PushdownAutomaton
from backend.grammar.automaton.run import Runner
from backend.grammar.schema.shapes.strings import StringShape
from backend.grammar.schema.writing.dialects import Text
from backend.grammar.schema.writing.texts import Texts, writable

markers = st.text("ab", min_size=1, max_size=5)
TEXTS = ["".join(letters) for size in range(7) for letters in product("abé", repeat=size)]


def runner_of(shape: StringShape, text: Text, bracketless: bool = False) -> Runner:
    graph = Graph()
    root = graph.rule()
    Texts(graph).write(root.start, shape, text, bracketless, root.end)
    return Runner(assemble(PushdownAutomaton(graph, root)))


@given(markers, st.sampled_from(["", "b", "ab"]))
def test_a_string_ends_at_the_first_marker(marker: str, before: str) -> None:
    ending = before + marker
    language = writable(Text(b"", False, marker.encode(), ending.encode()))
    for text in TEXTS:
        assert language.matches(text) == ((text + ending).find(marker) == len(text + before)), (text, ending)


@given(markers, st.integers(0, 4), st.none() | st.integers(0, 5), st.booleans(), st.sampled_from(["", "|", '"']))
def test_characters_are_counted(marker: str, least: int, most: int | None, escape: bool, quote: str) -> None:
    if most is not None and most < least:
        least, most = most, least
    text = Text(quote.encode(), escape, marker.encode(), b"" if quote else marker.encode())
    run, language = runner_of(StringShape(least=least, most=most), text), writable(text)
    for string in TEXTS:
        long_enough = least <= len(string) and (most is None or len(string) <= most)
        written = f"{quote}{string}{quote}".encode()
        assert run.accepts(written) == (long_enough and language.matches(string)), string


@pytest.mark.parametrize("marker", [b"</v>", b"\xff\x80"])
def test_a_counted_string_has_as_many_states_for_any_length(marker: bytes) -> None:
    text = Text(b"", False, marker, b"\n" + marker)
    sizes = [len(runner_of(StringShape(least=5, most=most), text)._t.accepting) for most in (10, 100_000)]
    assert sizes[0] == sizes[1] < 80


def test_part_of_a_character_is_no_marker() -> None:
    with pytest.raises(AssertionError):
        Text(b"", False, b"\x80", b"\x80")
