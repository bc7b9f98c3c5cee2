"""Keys, the coin and the Gumbel-max draw: what they depend on, and what not."""

import jax
import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from backend.sampling.draw import coin, gumbel_max, step_keys
from backend.sampling.params import key_data

VOCAB, ROWS = 2048, 128
FLOOR = 1e-9
"""p-value below which a test fails: a false alarm once in a thousand million runs."""


@jax.jit
def draw(key: np.ndarray, position: np.ndarray) -> jax.Array:
    """Uniform tokens: all logits are equal, so that they show the noise alone."""
    return gumbel_max(step_keys(key, position)[1], jax.numpy.zeros((key.shape[0], VOCAB)))


@jax.jit
def toss(key: np.ndarray, position: np.ndarray, probability: np.ndarray) -> jax.Array:
    return coin(step_keys(key, position)[0], probability)


def keys(seeds: list[int]) -> np.ndarray:
    return np.stack([key_data(seed) for seed in seeds])


def positions(first: int = 0) -> np.ndarray:
    return first + np.arange(ROWS, dtype=np.int32)


def test_different_seeds_and_positions_give_different_draws() -> None:
    zero = np.zeros(ROWS, np.int32)
    families = [
        draw(keys([5] * ROWS), positions()),
        draw(keys(list(range(ROWS))), zero),
        draw(keys([i << 32 for i in range(ROWS)]), zero),
        draw(keys([-i - 1 for i in range(ROWS)]), zero),
        draw(keys([2**64 - 1 - ROWS - i for i in range(ROWS)]), zero),
    ]
    for family in families:
        assert len(set(family.tolist())) > 112, "128 of 2048 at random repeat about 4 times"
    for i, one in enumerate(families):
        for other in families[:i]:
            assert (np.asarray(one) == np.asarray(other)).sum() < 6


def test_seed_and_position_do_not_stand_in_for_each_other() -> None:
    zero, one = draw(keys(list(range(ROWS))), positions(1)), draw(keys(list(range(1, ROWS + 1))), positions())
    assert (np.asarray(zero) == np.asarray(one)).sum() < 6


@given(seed=st.integers(-(2**63), 2**64 - 1), first=st.integers(0, 2**20), row=st.integers(0, ROWS - 1))
def test_a_draw_does_not_depend_on_row_or_batch_size(seed: int, first: int, row: int) -> None:
    alone_key, alone_position = key_data(seed)[None], np.array([first], np.int32)
    batch_keys, batch_positions = keys(list(range(ROWS))), positions(first + 1)
    batch_keys[row], batch_positions[row] = alone_key[0], first
    assert draw(batch_keys, batch_positions)[row] == draw(alone_key, alone_position)[0]
    half = np.full(ROWS, 0.5, np.float32)
    assert toss(batch_keys, batch_positions, half)[row] == toss(alone_key, alone_position, half[:1])[0]


@given(seed=st.integers(0, 2**63))
def test_the_coin_at_0_never_and_at_1_always(seed: int) -> None:
    ends = np.tile(np.array([0, 1], np.float32), ROWS // 2)
    np.testing.assert_array_equal(toss(keys([seed] * ROWS), positions(), ends), ends == 1)


def test_the_coin_falls_with_its_probability_and_on_its_own() -> None:
    for probability in (0.1, 0.5, 0.9):
        heads, same = 0, 0
        for seed in range(8):
            tossed = np.asarray(toss(keys([seed] * ROWS), positions(), np.full(ROWS, probability, np.float32)))
            high = np.asarray(draw(keys([seed] * ROWS), positions())) >= VOCAB // 2
            heads, same = heads + tossed.sum(), same + (tossed == high).sum()
        assert stats.binomtest(int(heads), 8 * ROWS, probability).pvalue > FLOOR
        assert stats.binomtest(int(same), 8 * ROWS, 0.5).pvalue > FLOOR, "the coin says nothing about the draw"


def test_a_token_that_is_out_is_never_drawn() -> None:
    logits = np.where(np.arange(VOCAB) == 7, -1e30, -np.inf).astype(np.float32)
    tokens = gumbel_max(step_keys(keys([3] * ROWS), positions())[1], np.tile(logits, (ROWS, 1)))
    assert (np.asarray(tokens) == 7).all()
