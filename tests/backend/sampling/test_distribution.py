"""The frequencies of drawn tokens against the exact distribution, by a chi-square test that is shown to fail."""

from collections.abc import Callable
from types import SimpleNamespace

import numpy as np
import pytest
from scipy import stats

from backend.request import SamplingParams

ROWS, VOCAB, CALLS = 4096, 24, 8
FLOOR = 1e-9
"""p-value below which a test fails: a false alarm once in a thousand million runs."""
# Token 0 is the likeliest: its noise comes first from a key, where a coin drawn from the same key would meet it.
LOGITS = 1.5 - 0.17 * np.append(0, np.random.default_rng(3).permutation(VOCAB - 1) + 1).astype(np.float32)
IN_PROMPT = np.arange(VOCAB) % 5 == 1
COUNTS = np.where(np.arange(VOCAB) % 4 == 0, 1 + np.arange(VOCAB) % 3, 0).astype(np.int32)
BELOW_ZERO = int(np.flatnonzero(IN_PROMPT & (LOGITS < 0))[0])
LIKELIEST = tuple(int(token) for token in np.argsort(-LOGITS)[:2])

MIXES = {
    "plain": SamplingParams(9, ()),
    "temperature": SamplingParams(9, (), temperature=0.7),
    "top_k": SamplingParams(9, (), temperature=1.3, top_k=6),
    "top_p": SamplingParams(9, (), temperature=1.3, top_p=0.8),
    "min_p": SamplingParams(9, (), temperature=1.3, min_p=0.3),
    "top_p_and_min_p": SamplingParams(9, (), temperature=1.5, top_p=0.9, min_p=0.25),
    "xtc": SamplingParams(9, (), temperature=1.2, xtc_threshold=0.08, xtc_probability=0.5),
    "xtc_spares_ends": SamplingParams(9, LIKELIEST, xtc_threshold=0.07, xtc_probability=0.75),
    "min_p_and_xtc": SamplingParams(9, (), temperature=1.2, min_p=0.3, xtc_threshold=0.1, xtc_probability=0.5),
    "penalties": SamplingParams(9, (), repetition_penalty=1.4, presence_penalty=0.5, frequency_penalty=-0.4),
    "bias_and_min_tokens": SamplingParams(9, LIKELIEST[:1], logit_bias={LIKELIEST[0]: 3.0, 2: 1.5}, min_tokens=30),
    "bias_and_penalties": SamplingParams(9, (), repetition_penalty=2.0, logit_bias={BELOW_ZERO: 3.0}),
    "everything": SamplingParams(
        9, LIKELIEST, temperature=1.4, top_k=14, top_p=0.85, min_p=0.1, xtc_threshold=0.08, xtc_probability=0.5,
        repetition_penalty=1.2, presence_penalty=0.4, frequency_penalty=0.3, logit_bias={5: 2.0, LIKELIEST[1]: -0.5},
    ),
}  # fmt: skip
STAGES = ("temperature", "top_k", "top_p", "min_p", "xtc_threshold", "repetition_penalty", "presence_penalty",
          "frequency_penalty", "min_tokens", "logit_bias")  # fmt: skip


@pytest.fixture(scope="module")
def drawn(draw: Callable[..., np.ndarray], oracle: SimpleNamespace) -> Callable[[SamplingParams], np.ndarray]:
    """All tokens that these parameters draw, int [CALLS, ROWS]: rows differ in seed, calls in position."""
    logits, in_prompt, counts = (np.tile(array, (ROWS, 1)) for array in (LOGITS, IN_PROMPT, COUNTS))
    done: dict[int, np.ndarray] = {}

    def tokens(params: SamplingParams) -> np.ndarray:
        if id(params) not in done:
            rows, active = oracle.as_rows([(params, seed) for seed in range(ROWS)], VOCAB), np.ones(ROWS, bool)
            at = [np.full(ROWS, position, np.int32) for position in range(CALLS)]
            done[id(params)] = np.stack([draw(logits, rows, active, in_prompt, counts, p) for p in at])
        return done[id(params)]

    return tokens


def p_value(tokens: np.ndarray, distribution: np.ndarray) -> float:
    """Of drawing such frequencies; 0 if an impossible token was drawn. Cells with little in them are put together."""
    observed, expected = np.bincount(tokens.ravel(), minlength=distribution.size), distribution * tokens.size
    if observed[expected == 0].any():
        return 0.0
    large = expected >= 10
    observed = np.append(observed[large], observed[~large].sum())
    expected = np.append(expected[large], expected[~large].sum())
    return float(stats.chisquare(observed[expected > 0], expected[expected > 0]).pvalue) if large.sum() > 1 else 1.0


@pytest.mark.parametrize("mix", MIXES)
def test_tokens_come_with_their_exact_probabilities(mix: str, drawn: Callable, oracle: SimpleNamespace) -> None:
    exact = oracle.distribution(LOGITS, MIXES[mix], IN_PROMPT, COUNTS)
    assert (exact > 0).sum() > 2
    assert p_value(drawn(MIXES[mix]), exact) > FLOOR


def differ(one: np.ndarray, other: np.ndarray) -> bool:
    return 0.5 * np.abs(one - other).sum() > 0.01


@pytest.mark.parametrize("stage", STAGES)
def test_the_check_fails_for_a_chain_that_leaves_a_stage_out(
    stage: str, drawn: Callable, oracle: SimpleNamespace
) -> None:
    found = 0
    for params in MIXES.values():
        exact = oracle.distribution(LOGITS, params, IN_PROMPT, COUNTS)
        wrong = oracle.distribution(LOGITS, oracle.without(params, [stage]), IN_PROMPT, COUNTS)
        if differ(exact, wrong):
            assert p_value(drawn(params), wrong) < FLOOR
            found += 1
    assert found


@pytest.mark.parametrize("wrong_order", ["temperature last", "top_p before top_k", "xtc before min_p", "bias last"])
def test_the_check_fails_for_another_order_of_the_stages(
    wrong_order: str, drawn: Callable, oracle: SimpleNamespace
) -> None:
    found = 0
    for params in MIXES.values():
        exact = oracle.distribution(LOGITS, params, IN_PROMPT, COUNTS)
        wrong = misordered(wrong_order, params, oracle)
        if differ(exact, wrong):
            assert p_value(drawn(params), wrong) < FLOOR
            found += 1
    assert found


def misordered(order: str, p: SamplingParams, oracle: SimpleNamespace) -> np.ndarray:
    """The distribution of a chain with one stage at a wrong place."""
    x = oracle.shaped(LOGITS, p, IN_PROMPT, COUNTS)
    if order == "temperature last":
        pair = tuple(y / p.temperature for y in oracle.truncated(x, oracle.without(p, ["temperature"])))
    elif order == "top_p before top_k":
        first = np.where(oracle.top_p(x / p.temperature, p.top_p), x, -np.inf)
        pair = oracle.truncated(first, oracle.without(p, ["top_p"]))
    elif order == "xtc before min_p":
        pair = oracle.truncated(x, oracle.without(p, ["min_p"]))
        pair = tuple(np.where(oracle.min_p(y, p.min_p), y, -np.inf) for y in pair)
    else:
        unbiased = oracle.shaped(LOGITS, oracle.without(p, ["logit_bias"]), IN_PROMPT, COUNTS)
        pair = oracle.truncated(unbiased + [p.logit_bias.get(token, 0.0) for token in range(VOCAB)], p)
    yes = p.xtc_probability
    return (1 - yes) * oracle.softmax(pair[0]) + yes * oracle.softmax(pair[1])


def test_the_check_fails_for_a_slightly_wrong_distribution(drawn: Callable, oracle: SimpleNamespace) -> None:
    warmer = SamplingParams(9, (), temperature=1.1)
    assert p_value(drawn(MIXES["plain"]), oracle.distribution(LOGITS, warmer, IN_PROMPT, COUNTS)) < FLOOR


def test_draws_at_neighbouring_positions_and_seeds_are_independent(drawn: Callable, oracle: SimpleNamespace) -> None:
    tokens = drawn(MIXES["plain"])
    exact = oracle.distribution(LOGITS, MIXES["plain"], IN_PROMPT, COUNTS)
    pairs = np.outer(exact, exact).ravel()
    assert p_value(tokens[:-1] * VOCAB + tokens[1:], pairs) > FLOOR
    assert p_value(tokens[:, :-1] * VOCAB + tokens[:, 1:], pairs) > FLOOR
    assert p_value(tokens * VOCAB + tokens, pairs) < FLOOR, "the check can fail"


def test_equal_logits_are_drawn_equally_often_at_a_low_temperature(
    draw: Callable[..., np.ndarray], oracle: SimpleNamespace
) -> None:
    """The noise is of the size of 1, logits / temperature of the size of 3e6, where float32 has steps of 1/4."""
    rows = oracle.as_rows([(SamplingParams(9, (), temperature=1e-5), seed) for seed in range(ROWS)], VOCAB)
    logits = np.tile(np.where(np.arange(VOCAB) < 4, np.float32(30), 0).astype(np.float32), (ROWS, 1))
    nothing, active = np.zeros((ROWS, VOCAB), np.int32), np.ones(ROWS, bool)
    at = [np.full(ROWS, position, np.int32) for position in range(CALLS)]
    tokens = np.stack([draw(logits, rows, active, nothing > 0, nothing, p) for p in at])
    assert p_value(tokens, np.where(np.arange(VOCAB) < 4, 0.25, 0.0)) > FLOOR
