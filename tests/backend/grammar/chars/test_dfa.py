"""The algebra of languages against brute force over all short words; one form per language; nothing superfluous."""

from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.grammar.chars.dfa import CharDfa
from backend.grammar.chars.minimise import minimise
from backend.grammar.chars.parse import pattern
from backend.grammar.errors import GrammarError

ALPHABET = "abc"
WORDS = ["".join(word) for length in range(6) for word in product(ALPHABET, repeat=length)]
BEYOND = ["é", "\U0010ffff", "a\U0001f422", "\0b"]

ROWS = st.integers(1, 6).flatmap(
    lambda size: st.tuples(
        st.lists(st.lists(st.integers(-1, size - 1), min_size=3, max_size=3), min_size=size, max_size=size),
        st.lists(st.booleans(), min_size=size, max_size=size),
    )
)
"""AutomatonTables over a, b, c (-1: no arc) with acceptance by state."""


def _arcs(table):
    return [[(97 + at, 97 + at, target) for at, target in enumerate(row) if target >= 0] for row in table]


def _accepts(table, accept, word):
    state = 0
    for letter in word:
        state = table[state][ord(letter) - 97]
        if state < 0:
            return False
    return accept[state]


LANGUAGES = ROWS.map(lambda pair: CharDfa(*minimise(_arcs(pair[0]), pair[1])))


def _distinguishable(language: CharDfa) -> int:
    """Number of classes of states, by plain partition refinement (Moore), a dead state not counted."""
    kind = [int(accepting) for accepting in language.accept]
    letters = sorted({border for row in language.next for low, high, _ in row for border in (low, high + 1)})

    def after(state, code):
        return next((target for low, high, target in language.next[state] if low <= code <= high), None)

    while True:
        signatures = []
        for state in range(len(language)):
            targets = (after(state, code) for code in letters)
            signatures.append((kind[state], *(-1 if target is None else kind[target] for target in targets)))
        numbers = {signature: number for number, signature in enumerate(dict.fromkeys(signatures))}
        refined = [numbers[signature] for signature in signatures]
        if len(numbers) == len(set(kind)):
            return len(numbers)
        kind = refined


@given(ROWS)
def test_minimising_keeps_the_language(pair):
    table, accept = pair
    language = CharDfa(*minimise(_arcs(table), accept))
    for word in WORDS:
        assert language.matches(word) == _accepts(table, accept, word)


@given(LANGUAGES)
def test_no_state_is_superfluous(language):
    assert _distinguishable(language) == len(language)
    assert language.is_empty or all(
        row or accepting for row, accepting in zip(language.next, language.accept, strict=True)
    )


@given(LANGUAGES, LANGUAGES)
def test_operators_are_those_of_sets(a, b):
    for word in [*WORDS, *BEYOND]:
        in_a, in_b = a.matches(word), b.matches(word)
        assert (a & b).matches(word) == (in_a and in_b)
        assert (a | b).matches(word) == (in_a or in_b)
        assert (a - b).matches(word) == (in_a and not in_b)
        assert (~a).matches(word) == (not in_a)


@given(LANGUAGES, LANGUAGES)
def test_equal_languages_are_equal_values(a, b):
    assert a == ~~a
    assert ~(a | b) == ~a & ~b
    assert (a - b) | (a & b) == a
    assert hash((a - b) | (a & b)) == hash(a)
    assert (a == b) == ((a - b).is_empty and (b - a).is_empty)


@given(LANGUAGES)
def test_edges_are_the_arcs_by_target(language):
    for state in range(len(language)):
        edges = language.edges(state)
        arcs = sorted((low, high, target) for ranges, target in edges for low, high in ranges)
        assert tuple(arcs) == language.next[state]
        assert len({target for _, target in edges}) == len(edges)


@given(LANGUAGES)
def test_shortest_and_longest_are_those_of_the_words(language):
    if language.is_empty:
        with pytest.raises(ValueError, match="empty"):
            language.shortest()
        return
    lengths = [len(word) for word in WORDS if language.matches(word)]
    assert language.shortest() == min(lengths)
    longest = language.longest()
    if longest is None:
        assert not (language & CharDfa.lengths(len(language), None)).is_empty
    else:
        assert not (language & CharDfa.lengths(longest, longest)).is_empty
        assert (language & CharDfa.lengths(longest + 1, None)).is_empty


@settings(deadline=None)
@given(st.sets(st.text(alphabet="abé\U0001f422", max_size=8), max_size=30))
def test_literals_are_exactly_the_words(words):
    language = CharDfa.literals(words)
    assert all(language.matches(word) for word in words)
    assert not any(language.matches(word) for word in WORDS if word not in words)
    assert language == CharDfa(*minimise(language.next, language.accept))
    if words:
        assert language == pattern("|".join(words), search=False)


def test_a_literal_that_no_text_can_hold_is_left_out():
    assert CharDfa.literals(["a", "\ud800"]) == CharDfa.literals(["a"])
    assert CharDfa.literals(["\ud800"]) == CharDfa.empty()


@pytest.mark.parametrize(("low", "high"), [(0, 0), (0, 3), (2, 2), (1, 4), (0, None), (3, None), (3, 1)])
def test_lengths_count_characters(low, high):
    language = CharDfa.lengths(low, high)
    for length in range(7):
        assert language.matches("\U0001f422" * length) == (low <= length and (high is None or length <= high))
    assert language == CharDfa(*minimise(language.next, language.accept))


def test_any_string_and_empty_are_each_others_complement():
    assert ~CharDfa.any_string() == CharDfa.empty()
    assert ~CharDfa.empty() == CharDfa.any_string()
    assert CharDfa.empty().is_empty
    assert not CharDfa.any_string().matches("\ud800")


def test_a_combination_beyond_the_limit_is_refused():
    with pytest.raises(GrammarError, match="more than 20000 states"):
        pattern("^(a{199})*$") & pattern("^(a{211})*$")
    with pytest.raises(GrammarError, match="length of more than"):
        CharDfa.lengths(0, 100_000)
