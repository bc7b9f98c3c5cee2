"""The arranged vocabulary says of every token what its bytes are, in each of its forms."""

from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.grammar.device.vocabulary import TRIE_DEPTH, Vocabulary, build_vocabulary, missing_bytes
from tests.backend.grammar.device.samples import small_vocabulary
from tests.backend.grammar.vocabularies import NAMES, vocabulary

texts = st.lists(st.binary(max_size=24) | st.text("[]{}ab", max_size=24).map(str.encode), max_size=40)


def spelled(made: Vocabulary) -> list[bytes]:
    """The bytes at every place: nodes, tails, lanes, nowhere."""
    level, nodes = [b""], []
    for last_byte, parent in zip(made.level_bytes, made.level_parents, strict=True):
        level = [level[p] + bytes([b]) for b, p in zip(last_byte, parent, strict=True)]
        nodes += level
    tails = [level[p] for p in made.tail_parents]
    tails = [t + row[:n].tobytes() for t, row, n in zip(tails, made.tail_bytes, made.tail_lengths, strict=True)]
    lanes = [row[:n].tobytes() for row, n in zip(made.lane_bytes, made.lane_lengths, strict=True)]
    return [*nodes, *tails, *lanes, b""]


def check(tokens: list[bytes]) -> None:
    made = build_vocabulary(tokens)
    places = spelled(made)
    assert [places[place] for place in made.places] == [*tokens, *[b""] * (-len(tokens) % 32)]
    flat = made.spelling.tobytes()
    assert [flat[o : o + n] for o, n in zip(made.offsets, made.lengths, strict=True)] == tokens
    assert made.size == len(tokens) and made.longest == max(map(len, tokens), default=0)
    assert made.closers == max((sum(t.count(b) for b in (b"}", b"]")) for t in tokens), default=0)
    assert made.openers == max((sum(t.count(b) for b in (b"{", b"[")) for t in tokens), default=0)


@given(texts)
def test_every_token_is_spelled_at_its_place(tokens: list[bytes]) -> None:
    check(tokens)


@pytest.mark.parametrize("name", NAMES)
def test_real_vocabularies_are_spelled_and_have_every_byte(name: str) -> None:
    tokens = list(vocabulary(name).tokens)
    check(tokens)
    assert missing_bytes(tokens) == []


def test_tokens_of_the_same_bytes_share_a_place_and_prefixes_are_stored_once() -> None:
    made = small()
    by_token: dict[bytes, set[int]] = {}
    for token, place in zip(small_vocabulary(), made.places, strict=False):
        by_token.setdefault(token, set()).add(int(place))
    assert all(len(places) == 1 for places in by_token.values())
    nodes = spelled(made)[: sum(map(len, made.level_bytes))]
    assert len(nodes) == len(set(nodes)) and max(map(len, nodes)) == TRIE_DEPTH


def test_what_cannot_be_written_byte_by_byte_is_named() -> None:
    tokens = [bytes([i]) for i in range(256) if i not in (7, 200)]
    assert missing_bytes([*tokens, b"\x07\x07"]) == [7, 200]


@cache
def small() -> Vocabulary:
    return build_vocabulary(small_vocabulary())


def test_brackets_are_only_in_lanes() -> None:
    made = small()
    assert not np.isin(np.concatenate(made.level_bytes), list(b"[]{}")).any()
