"""Filters that look at the order of tokens, against lists in plain Python and against transformers' own."""

from collections.abc import Callable
from types import SimpleNamespace

import jax
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import NoBadWordsLogitsProcessor, NoRepeatNGramLogitsProcessor

from backend.request import MAX_BANNED_TOKENS, SamplingParams
from backend.sampling import kernels, params, sequences

ROWS, VOCAB, CONTEXT = 4, 6, 24
token = st.integers(0, VOCAB - 1)
histories = st.lists(st.lists(token, min_size=1, max_size=CONTEXT - 1), min_size=ROWS, max_size=ROWS)
banned_sequences = st.lists(st.lists(token, min_size=1, max_size=5).map(tuple), max_size=5).map(tuple)
repeated = jax.jit(sequences.repeated_ngrams, static_argnums=3)
ngram_ends = jax.jit(kernels.ngram_ends)
completed = jax.jit(sequences.completed_sequences, static_argnums=3)


def arrays_of(tokens: list[list[int]], behind: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """The rows padded with what must not count, and their lengths."""
    padded = np.asarray([row + [behind] * (CONTEXT - len(row)) for row in tokens], np.int32)
    return padded, np.asarray([len(row) for row in tokens], np.int32)


def table(*rows: tuple[tuple[int, ...], ...]) -> np.ndarray:
    """The arrays of these rows' banned sequences."""
    return np.stack([params.row(SamplingParams(1, (), banned=row), 0, VOCAB).banned for row in rows])


def sets(marks: jax.Array) -> list[set[int]]:
    return [set(np.flatnonzero(row).tolist()) for row in np.asarray(marks)]


@given(tokens=histories, n=st.lists(st.sampled_from([0, 2, 3, 4, CONTEXT]), min_size=ROWS, max_size=ROWS), behind=token)
def test_the_end_of_a_sequence_that_is_there_already_is_marked(tokens, n, behind, oracle: SimpleNamespace):
    found = repeated(*arrays_of(tokens, behind), np.asarray(n, np.int32), VOCAB)
    assert sets(found) == [oracle.repeats(row, size) for row, size in zip(tokens, n, strict=True)]


@given(tokens=histories, n=st.lists(st.sampled_from([0, 2, 3, 4, CONTEXT]), min_size=ROWS, max_size=ROWS), behind=token)
def test_a_kernel_finds_the_same_ends(tokens, n, behind, oracle: SimpleNamespace):
    padded, length = arrays_of(tokens, behind)
    ends = np.asarray(ngram_ends(padded, length, np.asarray(n, np.int32)))
    found = [set(row[here].tolist()) for row, here in zip(padded, ends, strict=True)]
    assert found == [oracle.repeats(row, size) for row, size in zip(tokens, n, strict=True)]


@given(tokens=histories, banned=st.lists(banned_sequences, min_size=ROWS, max_size=ROWS), behind=token)
def test_the_last_token_of_a_sequence_is_marked_where_the_others_are_the_last_of_the_row(
    tokens, banned, behind, oracle: SimpleNamespace
):
    found = completed(*arrays_of(tokens, behind), table(*banned), VOCAB)
    assert sets(found) == [oracle.completes(row, all_of) for row, all_of in zip(tokens, banned, strict=True)]


@given(tokens=st.lists(token, min_size=5, max_size=CONTEXT - 1), n=st.integers(2, 5), banned=banned_sequences)
def test_both_mark_what_transformers_marks(tokens, n, banned):
    padded, length = arrays_of([tokens])
    ids, nothing = torch.tensor([tokens]), torch.zeros(1, VOCAB)
    theirs = NoRepeatNGramLogitsProcessor(n)(ids, nothing).numpy() == -np.inf
    np.testing.assert_array_equal(repeated(padded, length, np.asarray([n], np.int32), VOCAB), theirs)
    if banned:
        theirs = NoBadWordsLogitsProcessor([list(words) for words in banned])(ids, nothing).numpy() == -np.inf
        np.testing.assert_array_equal(completed(padded, length, table(banned), VOCAB), theirs)


def test_as_many_banned_tokens_as_there_is_room_for_all_count():
    longest = tuple(i % VOCAB for i in range(MAX_BANNED_TOKENS - 1))
    tokens = np.asarray([longest], np.int32)
    last = np.asarray([MAX_BANNED_TOKENS - 2], np.int32)
    assert sets(completed(tokens, last, table((longest, (2,))), VOCAB)) == [{longest[-1], 2}]
    with pytest.raises(AssertionError):
        SamplingParams(1, (), banned=(longest, (1,), (2,)))


@given(data=st.data())
def test_a_ban_that_would_leave_nothing_leaves_all(data, oracle: SimpleNamespace):
    x = data.draw(oracle.some_logits(VOCAB))
    banned = [data.draw(st.sets(token)) for _ in range(ROWS)]
    marks = np.asarray([np.isin(np.arange(VOCAB), list(row)) for row in banned])
    expected = [oracle.without_banned(*row) for row in zip(x, banned, strict=True)]
    np.testing.assert_array_equal(sequences.ban(x, marks), np.asarray(expected, np.float32))


@pytest.mark.parametrize("temperature", [0.0, 1.0])
@given(tokens=st.lists(token, min_size=1, max_size=CONTEXT - 1), n=st.sampled_from([0, 2, 3]), banned=banned_sequences,
       forced=st.booleans(), allowed=st.sets(token, min_size=1), seed=st.integers(0, 2**32 - 1))  # fmt: skip
def test_bans_come_behind_the_token_mask_and_what_is_forced_comes_last(
    temperature, tokens, n, banned, forced, allowed, seed, oracle: SimpleNamespace, draw: Callable[..., np.ndarray]
):
    known, following = len(tokens), tokens[0]
    history, length = arrays_of([tokens] * ROWS)
    history[:, known] = following
    counts, logits = np.zeros((ROWS, VOCAB), np.int32), np.random.default_rng(seed).normal(0, 3, VOCAB)
    sampling = SamplingParams(
        9, (), temperature=temperature, banned=banned, no_repeat_ngram=n, forced=(following,) if forced else ()
    )
    rows = oracle.as_rows([(sampling, seed + i) for i in range(ROWS)], VOCAB)
    mask = np.isin(np.arange(VOCAB), list(allowed))
    drawn = draw(
        np.tile(logits.astype(np.float32), (ROWS, 1)), rows, np.ones(ROWS, bool), counts > 0, counts, length,
        allowed=np.tile(mask, (ROWS, 1)), tokens=history,
    )  # fmt: skip
    left = oracle.without_banned(np.where(mask, logits, -np.inf), oracle.completes(tokens, banned))
    left = oracle.without_banned(left, oracle.repeats(tokens, n))
    if forced:
        assert set(drawn.tolist()) == {following}
    elif temperature == 0:
        assert set(drawn.tolist()) == {int(left.argmax())}
    else:
        assert (left[drawn] > -np.inf).all()
