"""Bounds on the length of the texts of a language: exact, without dead ends, in few states whatever the bounds."""

from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.grammar.alphabet import COMPLETE, Alphabet
from backend.grammar.automaton.assemble import assemble
from backend.grammar.automaton.graph import Graph
from backend.grammar.automaton.pushdown import PushdownAutomaton
from backend.grammar.automaton.run import Runner
from backend.grammar.chars.dfa import CharDfa
from backend.grammar.chars.formats import format_language
from backend.grammar.chars.lengths import has_length
from backend.grammar.chars.minimise import minimise
from backend.grammar.chars.parse import pattern
from backend.grammar.errors import GrammarError

LETTERS = "aé\n"
WORDS = ["".join(word) for length in range(7) for word in product(LETTERS, repeat=length)]
ROWS = st.integers(1, 5).flatmap(
    lambda size: st.tuples(
        st.lists(st.lists(st.integers(-1, size - 1), min_size=3, max_size=3), min_size=size, max_size=size),
        st.lists(st.booleans(), min_size=size, max_size=size),
    )
)


def language_of(rows: tuple[list[list[int]], list[bool]]) -> CharDfa:
    table, accept = rows
    codes = sorted(map(ord, LETTERS))
    arcs = [[(code, code, to) for code, to in zip(codes, row, strict=True) if to >= 0] for row in table]
    return CharDfa(*minimise(arcs, accept))


def runner_of(
    language: CharDfa, least: int, most: int | None, *, quoted: bool = True, alphabet: Alphabet = COMPLETE
) -> Runner:
    graph = Graph(alphabet)
    root = graph.rule()
    if quoted:
        graph.string(root.start, language, root.end, least, most)
    else:
        inside = graph.node()
        graph.embed(root.start, language, inside, False, least, most)
        graph.literal(inside, b"|", root.end)
    return Runner(assemble(PushdownAutomaton(graph, root)))


def written(text: str, quoted: bool) -> bytes:
    """The text without its end."""
    return b'"' + text.replace("\n", "\\n").encode() if quoted else text.encode()


@settings(deadline=None, max_examples=150)
@given(ROWS, st.integers(0, 4), st.integers(0, 6), st.booleans())
def test_texts_of_a_bounded_length_and_no_dead_ends(rows, least: int, most: int, quoted: bool) -> None:
    language = language_of(rows)
    words = [word for word in WORDS if language.matches(word) and least <= len(word) <= most]
    assert has_length(language, least, most) == bool(words)
    if not words:
        with pytest.raises(GrammarError, match="no finite value"):
            runner_of(language, least, most, quoted=quoted)
        return
    run = runner_of(language, least, most, quoted=quoted)
    beginnings = {word[:size] for word in words for size in range(len(word) + 1)}
    for word in WORDS:
        assert (run.run(written(word, quoted)) is not None) == (word in beginnings), word
        assert run.accepts(written(word, quoted) + (b'"' if quoted else b"|")) == (word in words), word


@settings(deadline=None, max_examples=80)
@given(ROWS, st.integers(1, 4), st.booleans())
def test_texts_of_some_length_at_least(rows, least: int, quoted: bool) -> None:
    language = language_of(rows)
    enough = language & CharDfa.lengths(least, None)
    if enough.is_empty:
        return
    run = runner_of(language, least, None, quoted=quoted)
    plain = runner_of(enough, 0, None, quoted=quoted)
    for word in WORDS:
        text = written(word, quoted)
        assert (run.run(text) is None) == (plain.run(text) is None), word
        assert run.accepts(text + (b'"' if quoted else b"|")) == enough.matches(word), word


@pytest.mark.parametrize(
    ("language", "least", "longest"),
    [
        (format_language("uri"), 1, 2083),
        (format_language("email"), 5, 254),
        (pattern(r"^[\w.-]+@([\w-]+\.)+[a-z]{2,4}$"), 0, 320),
        (pattern(r"^(ab){3,}c?$"), 0, 100_001),
        (pattern(r"^(?!.*\.\.)[a-z.]*\w$"), 50, 63),
    ],
)
def test_states_do_not_grow_with_the_bound(language: CharDfa, least: int, longest: int) -> None:
    runs = [runner_of(language, least, most) for most in (longest, 2 * longest)]
    states = [len(run._t.accepting) for run in runs]
    assert states[0] == states[1] <= 12 * max(least, 1) * len(language)


def test_a_long_text_ends_where_it_must() -> None:
    run = runner_of(format_language("uri"), 1, 2083)
    start = b'"http://a/'
    assert run.accepts(start + b"x" * 2074 + b'"')
    assert run.run(start + b"x" * 2075) is None
    assert run.run(start + b"x" * 2072 + b"%") is None
    assert run.accepts(start + b"x" * 2071 + b'%20"')


def test_what_cannot_be_written_is_no_way_to_an_end() -> None:
    language = pattern("^(a*é|a*b)$")
    alphabet = Alphabet(bytes(range(0x80)))
    run = runner_of(language, 0, 3, quoted=False, alphabet=alphabet)
    assert run.accepts(b"aab|")
    assert run.run(b"aaa") is None
    with pytest.raises(GrammarError, match="U\\+00E9"):
        runner_of(pattern("^a*é$"), 0, 3, quoted=False, alphabet=alphabet)
