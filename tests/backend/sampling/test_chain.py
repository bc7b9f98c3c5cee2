"""The chain of all filters: which tokens can come out of a row, and that nothing but the row itself decides it."""

from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace

import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.request import SamplingParams
from backend.sampling.params import SamplingArrays

ROWS, VOCAB = 32, 40
Arguments = tuple[np.ndarray, SamplingArrays, np.ndarray, np.ndarray, np.ndarray, np.ndarray]
Draw = Callable[..., np.ndarray]

quarters = st.integers(-8, 8).map(lambda n: n / 4)
shaping = {
    "repetition_penalty": st.sampled_from([1.0, 0.5, 2.0]),
    "presence_penalty": st.just(0.0) | quarters,
    "frequency_penalty": st.just(0.0) | quarters,
    "min_tokens": st.sampled_from([0, 30]),
    "logit_bias": st.dictionaries(st.integers(0, VOCAB - 1), st.integers(-100, 100).map(float), max_size=5),
}
drawing = {
    "temperature": st.sampled_from([0.05, 0.7, 1.0, 1.3, 5.0]),
    "top_k": st.sampled_from([0, 0, 1, 3, 20, VOCAB]),
    "top_p": st.just(1.0) | st.floats(0.01, 1),
    "min_p": st.just(0.0) | st.floats(0.01, 1),
    "xtc_threshold": st.just(0.0) | st.floats(0.01, 0.5),
    "xtc_probability": st.sampled_from([0.0, 0.5, 1.0]),
}
end_tokens = st.lists(st.integers(0, VOCAB - 1), max_size=3, unique=True).map(tuple)
greedy_params = st.builds(SamplingParams, st.just(99), end_tokens, temperature=st.just(0.0), **shaping)
warm_params = st.builds(SamplingParams, st.just(99), end_tokens, **drawing, **shaping)
any_params = greedy_params | warm_params
numbers = st.integers(0, 2**32 - 1)


def history(seed: int, rows: int = ROWS) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Logits in quarters, on which the penalties of this module are exact in float32; in_prompt; counts."""
    rng = np.random.default_rng(seed)
    logits = np.round(rng.normal(0, 2, (rows, VOCAB)) * 4) / 4
    in_prompt, counts = rng.random((rows, VOCAB)) < 0.3, rng.integers(-6, 4, (rows, VOCAB)).clip(0)
    return logits.astype(np.float32), in_prompt, counts.astype(np.int32)


def with_row(batch: Arguments, row: int, one: Arguments) -> Arguments:
    """The batch with this row replaced by row 0 of another."""

    def put(all_rows: np.ndarray, single: np.ndarray) -> np.ndarray:
        all_rows = np.array(all_rows)
        all_rows[row] = single[0]
        return all_rows

    return jax.tree.map(put, batch, one)


def a_batch(params: list[SamplingParams], seed: int, active: bool, oracle: SimpleNamespace) -> Arguments:
    logits, in_prompt, counts = history(seed, len(params))
    rng = np.random.default_rng(seed)
    seeds, position = rng.integers(0, 2**63, len(params)).tolist(), rng.integers(0, 1000, len(params), np.int32)
    rows = oracle.as_rows(list(zip(params, seeds, strict=True)), VOCAB)
    return logits, rows, np.full(len(params), active), in_prompt, counts, position


@given(params=greedy_params, seed=numbers)
def test_greedy_is_the_first_of_the_largest_shaped_logits(
    params: SamplingParams, seed: int, oracle: SimpleNamespace, draw: Draw
) -> None:
    batch = a_batch([params] * ROWS, seed, True, oracle)
    expected = [oracle.shaped(x, params, p, c).argmax() for x, p, c in zip(batch[0], *batch[3:5], strict=True)]
    np.testing.assert_array_equal(draw(*batch), expected)


@given(
    params=greedy_params,
    stochastic=st.fixed_dictionaries({k: v for k, v in drawing.items() if k != "temperature"}),
    seed=numbers,
)
def test_greedy_is_untouched_by_whatever_belongs_to_the_draw(
    params: SamplingParams, stochastic: dict, seed: int, oracle: SimpleNamespace, draw: Draw
) -> None:
    logits, rows, *rest, position = a_batch([params] * ROWS, seed, True, oracle)
    other = oracle.as_rows([(replace(params, **stochastic), seed + i) for i in range(ROWS)], VOCAB)
    np.testing.assert_array_equal(draw(logits, rows, *rest, position), draw(logits, other, *rest, position + 1))


@given(params=warm_params, seed=numbers)
def test_only_tokens_that_survive_every_filter_are_drawn(
    params: SamplingParams, seed: int, oracle: SimpleNamespace, draw: Draw
) -> None:
    logits, rows, active, in_prompt, counts, position = a_batch([params] * ROWS, seed, True, oracle)
    one = tuple(np.repeat(array[:1], ROWS, axis=0) for array in (logits, in_prompt, counts))
    tokens = draw(one[0], rows, active, *one[1:], position)
    possible = oracle.distribution(logits[0], params, in_prompt[0], counts[0])
    assert (possible[tokens] > 0).all()


@given(
    params=any_params, others=st.lists(any_params, min_size=1, max_size=4), row=st.integers(0, ROWS - 1), seed=numbers
)
def test_a_row_draws_among_any_neighbours_what_it_draws_alone(
    params: SamplingParams, others: list[SamplingParams], row: int, seed: int, oracle: SimpleNamespace, draw: Draw
) -> None:
    one = a_batch([params], seed, True, oracle)
    neighbours = [others[i % len(others)] for i in range(ROWS)]
    batch = a_batch(neighbours, seed + 1, True, oracle)
    nobody = a_batch([SamplingParams(1, ())] * ROWS, seed + 2, False, oracle)
    assert draw(*with_row(batch, row, one))[row] == draw(*with_row(nobody, 0, one))[0]


@given(
    params=st.lists(any_params, min_size=ROWS // 2, max_size=ROWS // 2),
    others=st.lists(any_params, min_size=1, max_size=4),
    seed=numbers,
)
def test_inactive_rows_never_matter(
    params: list[SamplingParams], others: list[SamplingParams], seed: int, oracle: SimpleNamespace, draw: Draw
) -> None:
    half = ROWS // 2
    rest = [others[i % len(others)] for i in range(half)]
    logits, rows, active, *history, position = a_batch(params + rest, seed, True, oracle)
    active[half:] = False
    spoilt_rows = jax.tree.map(np.array, rows)
    for array in jax.tree.leaves(spoilt_rows):
        array[half:] = np.nan if array.dtype == np.float32 else 1
    spoilt_logits = np.where(active[:, None], logits, np.nan)
    usual = draw(logits, rows, active, *history, position)
    np.testing.assert_array_equal(draw(spoilt_logits, spoilt_rows, active, *history, position)[:half], usual[:half])


@given(params=any_params, cut=st.integers(1, ROWS - 1), seed=numbers)
def test_the_same_seed_and_position_give_the_same_token_in_every_row(
    params: SamplingParams, cut: int, seed: int, oracle: SimpleNamespace, draw: Draw
) -> None:
    batch = a_batch([params] * ROWS, seed, True, oracle)
    rolled = jax.tree.map(lambda array: np.roll(array, cut, axis=0), batch)
    np.testing.assert_array_equal(np.roll(draw(*batch), cut), draw(*rolled))


@pytest.mark.parametrize("temperature", [0.0, 0.01])
def test_end_tokens_are_masked_until_min_tokens_were_drawn(
    temperature: float, oracle: SimpleNamespace, draw: Draw
) -> None:
    params = SamplingParams(99, (3,), temperature=temperature, min_tokens=ROWS // 2)
    rows = oracle.as_rows([(params, seed) for seed in range(ROWS)], VOCAB)
    counts, logits = np.zeros((2, ROWS, VOCAB), np.int32)
    counts[:, 7], logits[:, 3], logits[:, 5] = np.arange(ROWS), 20, 10
    tokens = draw(logits.astype(np.float32), rows, counts[:, 7] >= 0, counts < 0, counts, counts[:, 7])
    np.testing.assert_array_equal(tokens, np.where(np.arange(ROWS) < ROWS // 2, 5, 3))


@pytest.mark.parametrize("temperature", [1e-45, 1e-37, 1e-5, 1e38, 1e300])
def test_extreme_temperatures_are_the_limits_of_ordinary_ones(
    temperature: float, oracle: SimpleNamespace, draw: Draw
) -> None:
    params = SamplingParams(9, (0,), temperature=temperature, top_p=0.999, min_tokens=1)
    rows = oracle.as_rows([(params, seed) for seed in range(ROWS)], VOCAB)
    nothing = np.zeros((ROWS, VOCAB), np.int32)
    logits = np.tile(np.linspace(50, -50, VOCAB, dtype=np.float32), (ROWS, 1))
    tokens = draw(logits, rows, np.ones(ROWS, bool), nothing > 0, nothing, np.zeros(ROWS, np.int32))
    if temperature < 1:
        assert (tokens == 1).all(), "0 is an end token and masked, 1 is the next"
    else:
        assert (tokens > 0).all() and len(set(tokens.tolist())) > 10


@given(st.lists(any_params, min_size=ROWS, max_size=ROWS), numbers)
def test_a_masked_token_is_as_one_of_no_probability(oracle: SimpleNamespace, draw: Draw, params, seed):
    logits, in_prompt, counts = history(seed)
    rng = np.random.default_rng(seed)
    allowed = rng.random((ROWS, VOCAB)) < rng.choice([0.05, 0.5, 1.0], (ROWS, 1))
    allowed[:, rng.integers(VOCAB)] = True
    rows = oracle.as_rows([(p, i) for i, p in enumerate(params)], VOCAB)
    rest = (rows, np.ones(ROWS, bool), in_prompt, counts, np.arange(ROWS))
    masked = draw(logits, *rest, allowed=allowed)
    assert (masked == draw(np.where(allowed, logits, -np.inf).astype(np.float32), *rest)).all()


@given(params=st.sampled_from([{"temperature": 0.0}, {"temperature": 1.0}, {"temperature": 0.3, "top_p": 0.5}]),
       seed=numbers, data=st.data())  # fmt: skip
def test_a_mask_goes_before_every_bias(params: dict, seed: int, data, oracle: SimpleNamespace, draw: Draw) -> None:
    left = data.draw(st.sets(st.integers(0, VOCAB - 1), min_size=1, max_size=3))
    bias = {token: -100.0 if token in left else 100.0 for token in range(VOCAB)}
    batch = a_batch([SamplingParams(9, (), logit_bias=bias, **params)] * ROWS, seed, True, oracle)
    allowed = np.isin(np.arange(VOCAB), list(left))
    logits = np.clip(batch[0], -1e3, 1e3)
    tokens = draw(logits, *batch[1:], allowed=np.broadcast_to(allowed, logits.shape))
    assert set(tokens.tolist()) <= left
