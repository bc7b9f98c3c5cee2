"""Grammars whose first part is written in the prompt: what is drawn goes on from there."""

from dataclasses import replace

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from backend.grammar import Constraint
from backend.grammar.automaton.run import Runner
from backend.request import Request
from tests.backend.engine.conftest import TOKENS, Small, request
from tests.backend.engine.test_grammars import CONSTRAINTS, compiled, grammar, text

PROMPT = [5, 6, 7]


def spelled(tokens: list[int]) -> bytes:
    return b"".join(TOKENS[token] for token in tokens)


def begun(constraint: Constraint, written: list[int], **options: object) -> Request:
    return replace(request([*PROMPT, *written], grammar=grammar(constraint), **options), written=tuple(written))


@settings(max_examples=30)
@given(constraint=st.sampled_from(CONSTRAINTS), seed=st.integers(0, 2**32), cut=st.integers(1, 40), data=st.data())
def test_what_is_written_and_what_is_drawn_are_together_a_word(small: Small, constraint, seed, cut, data) -> None:
    options = {"end_tokens": (0,), "max_tokens": 60, "temperature": 2.0}
    drawn = small.engine.generate(request(PROMPT, grammar=grammar(constraint), seeds=(seed,), **options))
    written = [event.token for event in drawn if not event.is_end][:cut]
    assume(written)
    asked = begun(constraint, written, seeds=(seed, seed + 1), **options)
    assert small.engine.allows(asked)
    events = small.engine.generate(asked)
    runner = Runner(compiled(constraint))
    for choice in (0, 1):
        own = [event for event in events if event.choice == choice]
        at = runner.run(spelled(written) + text(events, choice))
        assert at is not None and (own[-1].finish_reason == "length" or runner.complete(at))


@pytest.mark.parametrize(
    ("pattern", "written", "end", "allowed"),
    [
        ("aab", b"", (), True),
        ("aab", b"aa", (), True),
        ("aab", b"ab", (0,), False),
        ("aab", b"aab", (0,), True),
        ("aab", b"aab", (), False),
        ("aab", b"aabb", (0,), False),
        ("(aab)*", b"aab", (), True),
    ],
)
def test_only_how_a_word_begins_is_allowed_and_something_must_be_able_to_follow(
    small: Small, pattern: str, written: bytes, end: tuple[int, ...], allowed: bool
) -> None:
    tokens = [TOKENS.index(bytes([byte])) for byte in written]
    assert small.engine.allows(begun(Constraint("regex", pattern), tokens, end_tokens=end)) == allowed


def test_without_a_grammar_anything_may_be_written(small: Small) -> None:
    assert small.engine.allows(request(PROMPT))
