"""The language of a schema is the set of its valid instances, for schemas and instances drawn at random."""

import json
import random
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from backend.grammar.automaton.run import Runner
from tests.backend.grammar.schema.drawn import SCALARS, documents, is_valid, language_of, many, orders, values


def words(run: Runner, rng: random.Random, count: int, longest: int = 60) -> list[bytes]:
    """Strings of the language, found by walking at random."""
    found = []
    for _ in range(count):
        at, word = run.start, b""
        while len(word) < longest:
            if run.complete(at) and (rng.random() < 0.5 or not run._t.transitions[at.state].max() >= 0):
                found.append(word)
                break
            moves = [(byte, after) for byte in range(256) if (after := run.step(at, byte)) is not None]
            if not moves:
                break
            preferred = [move for move in moves if chr(move[0]) in '"ab:,]}[{015.ntrufalse'] or moves
            byte, at = rng.choice(preferred if rng.random() < 0.9 else moves)
            word += bytes([byte])
    return found


@many
@given(documents, st.lists(values, min_size=5, max_size=10))
def test_a_value_is_written_in_some_order_of_its_properties_exactly_when_it_is_valid(
    schema: dict, drawn: list[Any]
) -> None:
    run = language_of(schema, open_objects=True)
    for value in SCALARS + drawn:
        texts = [json.dumps(order).encode() for order in orders(value)]
        assert (run is not None and any(map(run.accepts, texts))) == is_valid(schema, value), (schema, value)


@many
@given(documents, st.booleans(), st.randoms())
def test_every_word_is_valid(schema: dict, open_objects: bool, rng: random.Random) -> None:
    run = language_of(schema, open_objects=open_objects)
    for word in words(run, rng, 30) if run is not None else []:
        assert is_valid(schema, json.loads(word)) or ("minProperties" in str(schema) and repeats_a_name(word)), (
            schema,
            word,
        )


def repeats_a_name(word: bytes) -> bool:
    """What a check of the finished answer is left with where `minProperties` counts names of any kind."""
    repeated = []

    def members(pairs: list[tuple[str, Any]]) -> None:
        repeated.append(len(dict(pairs)) < len(pairs))

    json.loads(word, object_pairs_hook=members)
    return any(repeated)
