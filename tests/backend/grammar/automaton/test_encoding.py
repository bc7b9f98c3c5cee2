"""Characters as trees of bytes: exactly the characters of a set, deterministic, escaped as JSON strings want it."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.grammar.alphabet import COMPLETE, UTF8_BYTES, Alphabet
from backend.grammar.automaton.encoding import MOST_ESCAPED, ByteTree, encode_ranges, json_content
from backend.grammar.chars.ranges import SCALARS, union

characters = st.characters(exclude_categories=["Cs"])
ranges = st.lists(st.tuples(characters, characters).map(lambda pair: tuple(sorted(map(ord, pair)))), max_size=4).map(
    lambda pairs: tuple((low, high) for low, high in union(pairs) if not low <= 0xDFFF or high < 0xD800)
)


def reads(tree: ByteTree, text: bytes) -> bool:
    for byte in text:
        after = [rest for firsts, rest in tree.branches if any(low <= byte <= high for low, high in firsts)]
        assert len(after) <= 1
        if not after:
            return False
        tree = after[0]
    return not tree.branches and bool(text)


@given(ranges, characters)
def test_a_tree_reads_the_characters_of_its_set_in_utf8(chosen, character) -> None:
    inside = any(low <= ord(character) <= high for low, high in chosen)
    assert reads(encode_ranges(chosen, escape=False), character.encode()) == inside


@given(ranges, characters | st.sampled_from('"\\/\b\f\n\r\t\x00\x1f\x7f'))
def test_inside_a_string_it_reads_them_as_json_writes_them(chosen, character) -> None:
    inside = any(low <= ord(character) <= high for low, high in chosen)
    written = json.dumps(character, ensure_ascii=False)[1:-1].encode()
    assert reads(encode_ranges(chosen, escape=True), written) == inside


@given(st.binary(max_size=8))
def test_what_it_reads_is_one_character_of_a_json_string(text: bytes) -> None:
    if reads(encode_ranges(SCALARS, escape=True), text):
        assert len(json.loads(b'"' + text + b'"')) == 1


ASCII = UTF8_BYTES[:0x80]
ENGLISH = Alphabet(ASCII)
alphabets = st.builds(
    lambda without, whole: Alphabet(bytes(set(UTF8_BYTES) - without), whole),
    st.sets(st.sampled_from(UTF8_BYTES[0x80:])),
    st.sampled_from(["", "é", "éü€🐢"]),
)


@given(ranges, characters | st.sampled_from("éü€"), alphabets, st.booleans())
def test_every_character_that_can_be_written_is_read_as_it_is(chosen, character, alphabet, escape) -> None:
    written = json.dumps(character, ensure_ascii=False)[1:-1] if escape else character
    inside = any(low <= ord(character) <= high for low, high in chosen)
    read = reads(encode_ranges(chosen, escape, alphabet), written.encode())
    if not alphabet.lacking(written.encode()):
        assert read == inside
    assert read <= inside


@pytest.mark.parametrize("escape", [False, True])
def test_rare_bytes_make_no_difference_to_a_large_set(escape: bool) -> None:
    """The bytes that SmolLM2 lacks."""
    alphabet = Alphabet(bytes(set(UTF8_BYTES) - set(b"\x04\x06\x13\x14\x16\x1d\xf1\xf2")), partial=UTF8_BYTES[0x80:])
    assert encode_ranges(SCALARS, escape, alphabet) is encode_ranges(SCALARS, escape)


def test_where_a_token_may_end_in_a_character_single_bytes_go_on() -> None:
    ranges = ((0xE9, 0xE9), (0xFC, 0xFC), (0x20AC, 0x20AC))  # é, ü and €
    alphabet = Alphabet(b"\xbc\xc3\xe2", "é€", b"\xbc\xc3\xe2")
    tree = encode_ranges(ranges, False, alphabet)
    assert reads(tree, "é".encode()) and reads(tree, "ü".encode()) and not reads(tree, "€".encode())
    assert not encode_ranges(ranges[:1], False, alphabet).branches


@given(st.text(max_size=6))
def test_json_has_escapes_for_what_it_must_and_else_for_what_cannot_be_written(text: str) -> None:
    assert json_content(text, COMPLETE) == json.dumps(text, ensure_ascii=False)[1:-1]
    assert json_content(text, ENGLISH) == json.dumps(text)[1:-1].replace("\\u007f", "\x7f")


def test_a_range_that_lacks_few_characters_has_them_escaped_and_a_large_one_has_not() -> None:
    few = encode_ranges(((0x61, 0x61), (0xE9, 0xE9), (0x1F422, 0x1F422)), True, ENGLISH)
    assert all(reads(few, text) for text in (b"a", b"\\u00e9", b"\\u00E9", b"\\ud83d\\udc22"))
    assert not reads(few, b"\\u0061") and not reads(few, b"\\ud83d")
    for more, escaped in ((0, True), (1, False)):
        large = (0x4E00, 0x4E00 + MOST_ESCAPED - 1 + more)
        tree = encode_ranges(((0x61, 0x61), (0xE9, 0xE9), large), True, ENGLISH)
        assert reads(tree, b"a") and reads(tree, b"\\u00e9") and reads(tree, b"\\u4e00") == escaped


def test_an_escape_is_spelled_with_what_there_is() -> None:
    without_b = Alphabet(ASCII.replace(b"b", b""))
    assert json_content("\b", without_b) == "\\u0008" and json_content("b", without_b) == "\\u0062"
    assert json_content("\x0b", without_b) == "\\u000B"
    assert not reads(encode_ranges(((8, 8),), True, without_b), b"\\b")
