"""Characters as trees of bytes: exactly the characters of a set, deterministic, escaped as JSON strings want it."""

import json

from hypothesis import given
from hypothesis import strategies as st

from backend.grammar.automaton.encoding import ByteTree, encode_ranges
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
