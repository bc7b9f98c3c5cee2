"""What a vocabulary can write: told from its tokens, compared with cutting each character into tokens."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.grammar import Constraint, GrammarError
from backend.grammar.alphabet import COMPLETE, Alphabet, alphabet_of
from backend.grammar.automaton.run import Runner
from backend.grammar.compile import compile_constraint
from backend.grammar.constraint import Kind
from tests.backend.grammar.tokenizer_kinds import KINDS, vocabulary_of
from tests.backend.grammar.writing import can_cut

CHARACTERS = [
    *map(chr, range(0x100)),
    *"ΑЖ‰€中日本語한😀🐢",
    "\U00050000",
    *map(chr, random.Random(0).sample(range(0xD800), 200)),
]
pieces = st.sampled_from(
    [bytes([byte]) for byte in b"ab\x04\xc3\xa9\xbc\xe2\x82\xac"]
    + [b"ab", b"\xc3\xa9", b"\xe2\x82\xac", b"\xe2\x82", b"\x82\xac", b"a\xc3", b"\xa9b", b"\xff", b"\xc3\xa9\xc3\xa9"]
)


@pytest.mark.parametrize("kind", KINDS)
def test_a_character_can_be_written_exactly_if_it_can_be_cut_into_tokens(kind: str) -> None:
    tokens = vocabulary_of(kind)
    alphabet = alphabet_of(tokens)
    for char in CHARACTERS:
        assert (not alphabet.lacking(char.encode())) == can_cut(char.encode(), tokens), char


@given(st.sets(pieces))
def test_what_counts_as_written_can_be_cut_and_all_that_single_bytes_make_counts(tokens: set[bytes]) -> None:
    alphabet, single = alphabet_of(tokens), {token for token in tokens if len(token) == 1}
    for char in "abcé¼ü€\x04‚":
        counts = not alphabet.lacking(char.encode())
        assert counts <= can_cut(char.encode(), tokens) and counts >= can_cut(char.encode(), single), char


def test_bytes_that_utf8_never_uses_are_not_missed() -> None:
    used = [bytes([byte]) for byte in range(256) if byte not in (0xC0, 0xC1, *range(0xF5, 0x100))]
    assert alphabet_of([b"", *used, b"ab"]) is COMPLETE
    assert alphabet_of(used[1:]) != COMPLETE and alphabet_of(used[1:]).lacking(b"a\0") == "\0"


def test_a_token_counts_as_a_character_only_where_no_other_may_end_in_it_for_good() -> None:
    assert alphabet_of(["é".encode()]) == Alphabet(b"", "é")
    assert alphabet_of(["é".encode(), b"a\xc3"]).whole == ""
    assert alphabet_of(["é".encode(), b"a\xc3", b"\xa9"]).whole == "é"


def test_control_tokens_are_never_lacking() -> None:
    assert alphabet_of([b"a"]).lacking(b"a\xff\x80\x80\x80\x85ab") == "b"


@given(text=st.text("ab{é€", max_size=3))
def test_an_alphabet_without_characters_lacks_exactly_those_more(text: str) -> None:
    alphabet = Alphabet(b"ab{\xc3", "é€", b"\xc3")
    lost = "".join(char for char in "ab{é€" if char in text)
    assert alphabet.without(text).lacking("ab{é€".encode()) == lost
    ascii_only = text.encode("ascii", "ignore").decode()
    assert COMPLETE.without(ascii_only).lacking("ab{é€".encode()) == "".join(
        char for char in "ab{" if char in ascii_only
    )


def test_a_grammar_has_no_words_with_characters_that_are_left_out() -> None:
    def language(kind: Kind, text: str, without: str) -> Runner:
        return Runner(compile_constraint(Constraint(kind, text, without=without)))

    assert [word for word in ("a", "b", "ab", "") if language("regex", "a|b|ab", "a").accepts(word.encode())] == ["b"]
    escaped = language("json_schema", '{"enum": ["{x", "y"]}', "{")
    assert escaped.accepts(b'"\\u007bx"') and escaped.accepts(b'"y"') and not escaped.accepts(b'"{x"')
    with pytest.raises(GrammarError, match=r"would need '\{' \(U\+007B\)"):
        language("json_object", "", "{")
