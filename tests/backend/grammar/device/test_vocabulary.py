"""The arranged vocabulary says of every token what its bytes are, in each of the lists that it is in."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.grammar import COMPLETE, alphabet_of
from backend.grammar.device.trie import DEPTH, Trie, build_trie
from backend.grammar.device.vocabulary import NO_TEXT, Vocabulary, build_vocabulary
from tests.backend.grammar.vocabularies import NAMES, vocabulary

strings = st.binary(max_size=24) | st.text('[]{}ab"é', max_size=24).map(str.encode)


def spelled(trie: Trie) -> list[bytes]:
    """The bytes at every node and tail."""
    nodes = [b""]
    for last_bytes, parents in zip(trie.last_bytes.tolist(), trie.parents.tolist(), strict=True):
        nodes += [nodes[parent] + bytes([byte]) for byte, parent in zip(last_bytes, parents, strict=True)]
    tails = zip(trie.tail_parents, trie.tail_bytes, trie.tail_lengths, strict=True)
    return nodes + [nodes[parent] + row[:length].tobytes() for parent, row, length in tails]


def is_text(token: bytes) -> bool:
    text = token.decode(errors="surrogateescape")
    return all(c >= " " and c not in '"\\\x7f' and not "\ud800" <= c <= "\udfff" for c in text)


def check(tokens: Sequence[bytes]) -> Vocabulary:
    made = build_vocabulary(tokens)
    ids = [id for id, token in enumerate(tokens) if token]
    text = {id for id in ids if is_text(tokens[id])}
    brackets = {id for id in ids if any(byte in b"{}[]" for byte in tokens[id])}
    at_node = [*spelled(made.trie), None]
    plain = {id: at_node[place] for id, place in enumerate(made.trie_places.tolist()) if at_node[place] is not None}
    other = {id: at_node[p] for id, p in zip(made.other_tokens.tolist(), made.other_trie_places.tolist(), strict=True)}
    assert plain == {id: tokens[id] for id in ids if id not in brackets}
    assert other == {id: token for id, token in plain.items() if id not in text}
    assert set(made.brackets.tolist()) == brackets and set(made.other_brackets.tolist()) == brackets - text
    sizes = {id: size for id, size in enumerate(made.text_sizes.tolist()) if size != NO_TEXT}
    assert sizes == {id: len(tokens[id].decode()) for id in text}
    assert ranges(made, tokens) == sorted(tokens[id] for id in ids)
    flat = made.spelling.tobytes()
    assert [flat[o : o + n] for o, n in zip(made.offsets, made.lengths, strict=True)] == list(tokens)
    assert made.size == len(tokens) and made.longest == max(map(len, tokens), default=0)
    assert made.closers == max((sum(byte in b"}]" for byte in token) for token in tokens), default=0)
    assert made.openers == max((sum(byte in b"{[" for byte in token) for token in tokens), default=0)
    return made


def ranges(made: Vocabulary, tokens: Sequence[bytes]) -> list[bytes]:
    """The tokens of all ranges, each of which begins as it says."""
    found = []
    parts = (made.range_starts, made.range_sizes, made.range_firsts, made.range_seconds)
    for start, size, first, second in zip(*(part.tolist() for part in parts), strict=True):
        of_range = [tokens[id] for id in made.ordered[start : start + size]]
        assert {token[:2] for token in of_range} == {bytes([first] if second < 0 else [first, second])}
        found += of_range
    return found


@given(st.lists(strings, max_size=40))
def test_every_token_is_where_it_belongs_and_nowhere_else(tokens: list[bytes]) -> None:
    check(tokens)


@pytest.mark.parametrize("name", NAMES)
def test_real_vocabularies_are_complete_and_have_every_byte(name: str) -> None:
    tokens = vocabulary(name).tokens
    made = check(tokens)
    assert alphabet_of(tokens) == COMPLETE
    assert len(made.other_tokens) < len(tokens) / 5 and made.trie.parents.shape[0] < 200


@given(st.lists(st.sets(strings.filter(bool), max_size=30), max_size=3))
def test_a_trie_has_each_prefix_of_a_set_once_and_parents_in_earlier_blocks(sets: list[set[bytes]]) -> None:
    trie, places = build_trie(sets)
    found, block = spelled(trie), trie.parents.shape[1]
    assert (trie.parents < 1 + block * np.arange(trie.parents.shape[0])[:, None]).all()
    for i, strings in enumerate(sets):
        assert {string: found[place] for string, place in places[i].items()} == {string: string for string in strings}
        own = range(1 + block * trie.blocks[i], 1 + block * trie.blocks[i + 1])
        tails = range(trie.nodes + trie.tails[i], trie.nodes + trie.tails[i + 1])
        assert all(place in own or place in tails for place in places[i].values())
        prefixes = {string[:length] for string in strings for length in range(1, min(DEPTH, len(string)) + 1)}
        assert {found[node] for node in own} >= prefixes
