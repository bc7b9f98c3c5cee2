"""Every filter in plain numpy, one row at a time, in float64, and the logits that the tests draw."""

from collections.abc import Callable, Collection
from dataclasses import replace
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from backend.request import SamplingParams
from backend.sampling import params
from backend.sampling.chain import TokenHistory, sample
from backend.sampling.params import SamplingArrays

INF = np.inf
OFF = {
    "temperature": 1.0, "top_k": 0, "top_p": 1.0, "min_p": 0.0, "xtc_threshold": 0.0, "repetition_penalty": 1.0,
    "presence_penalty": 0.0, "frequency_penalty": 0.0, "min_tokens": 0, "logit_bias": {},
}  # fmt: skip


def softmax(x: np.ndarray) -> np.ndarray:
    weights = np.exp(np.asarray(x, np.float64) - np.max(x))
    return weights / weights.sum()


def repetition(x: np.ndarray, seen: np.ndarray, penalty: float) -> np.ndarray:
    return np.array([v if not s else v / penalty if v > 0 else v * penalty for v, s in zip(x, seen, strict=True)])


def presence_and_frequency(x: np.ndarray, counts: np.ndarray, presence: float, frequency: float) -> np.ndarray:
    return np.array([v - (presence if c else 0) - frequency * c for v, c in zip(x, counts, strict=True)])


def top_k(x: np.ndarray, k: int) -> np.ndarray:
    return x >= np.sort(x)[::-1][min(k, x.size) - 1] if k else np.ones(x.size, bool)


def top_p(x: np.ndarray, p: float) -> np.ndarray:
    descending = np.sort(softmax(x))[::-1]
    last = min(np.searchsorted(np.cumsum(descending), p), x.size - 1)
    return softmax(x) >= descending[last] if p < 1 else np.ones(x.size, bool)


def min_p(x: np.ndarray, p: float) -> np.ndarray:
    return softmax(x) >= p * softmax(x).max()


def xtc(x: np.ndarray, threshold: float, protected: np.ndarray) -> np.ndarray:
    """What stays where the coin says yes."""
    p = softmax(x)
    viable = (p >= threshold) & (p > 0)
    if threshold == 0 or viable.sum() < 2:
        return np.ones(x.size, bool)
    return ~viable | protected | (p == p[viable].min())


def repeats(tokens: list[int], n: int) -> set[int]:
    """The tokens that would end a sequence of `n` tokens that `tokens` has already."""
    if n == 0 or len(tokens) < n:
        return set()
    last = tokens[len(tokens) - n + 1 :]
    return {tokens[i + n - 1] for i in range(len(tokens) - n + 1) if tokens[i : i + n - 1] == last}


def completes(tokens: list[int], sequences: Collection[tuple[int, ...]]) -> set[int]:
    """The tokens that would complete one of the sequences at the end of `tokens`."""
    return {
        last for *others, last in sequences
        if len(others) <= len(tokens) and tokens[len(tokens) - len(others) :] == others
    }  # fmt: skip


def without_banned(x: np.ndarray, banned: set[int]) -> np.ndarray:
    left = np.where(np.isin(np.arange(x.size), list(banned)), -INF, x)
    return left if (left > -INF).any() else x


def shaped(x: np.ndarray, p: SamplingParams, in_prompt: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Bias, penalties and mask of one row, in the order of docs/decisions.md, Sampling."""
    x = np.asarray(x, np.float64)
    x = x + [p.logit_bias.get(token, 0.0) for token in range(x.size)]
    x = repetition(x, in_prompt | (counts > 0), p.repetition_penalty)
    x = presence_and_frequency(x, counts, p.presence_penalty, p.frequency_penalty)
    ends = np.isin(np.arange(x.size), p.end_tokens)
    return np.where(ends & (counts.sum() < p.min_tokens), -INF, x)


def truncated(x: np.ndarray, p: SamplingParams) -> tuple[np.ndarray, np.ndarray]:
    """Shaped logits after temperature and truncation: (where XTC's coin says no, where it says yes)."""
    x = x / p.temperature
    for keeps, parameter in ((top_k, p.top_k), (top_p, p.top_p), (min_p, p.min_p)):
        x = np.where(keeps(x, parameter), x, -INF)
    return x, np.where(xtc(x, p.xtc_threshold, np.isin(np.arange(x.size), p.end_tokens)), x, -INF)


def distribution(x: np.ndarray, p: SamplingParams, in_prompt: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """The exact probability of every token."""
    x = shaped(x, p, in_prompt, counts)
    if p.temperature == 0:
        return np.eye(x.size)[x.argmax()]
    without, with_xtc = truncated(x, p)
    return (1 - p.xtc_probability) * softmax(without) + p.xtc_probability * softmax(with_xtc)


def without(p: SamplingParams, stages: Collection[str]) -> SamplingParams:
    return replace(p, **{stage: OFF[stage] for stage in stages})


def as_rows(choices: list[tuple[SamplingParams, int]], vocab: int) -> SamplingArrays:
    """The arrays of rows with these (parameters, seed)."""
    return jax.tree.map(lambda *leaves: np.stack(leaves), *(params.row(p, seed, vocab) for p, seed in choices))


def some_logits(vocab: int, rows: int = 4) -> st.SearchStrategy[np.ndarray]:
    """float32 [rows, vocab]: ordinary values, ties, zeros of both signs, huge ones, -inf; a finite one in each row."""
    if vocab > 100:
        return st.integers(0, 2**32 - 1).map(lambda seed: _random_logits(np.random.default_rng(seed), rows, vocab))
    ordinary = st.floats(-20, 20, width=32, allow_subnormal=False)
    special = st.sampled_from(np.array([-INF, -1e30, -1e6, -0.0, 0.0, 1.0, 2.0, 1e6, 1e30], np.float32))
    return arrays(np.float32, (rows, vocab), elements=ordinary | special).map(_with_a_finite_one)


def _random_logits(rng: np.random.Generator, rows: int, vocab: int) -> np.ndarray:
    x = rng.normal(0, rng.uniform(0.1, 6), (rows, vocab)).astype(np.float32)
    x[0] = np.round(x[0])
    return np.where(rng.random(x.shape) < 0.2, np.float32(-INF), x) if rng.random() < 0.5 else x


def _with_a_finite_one(x: np.ndarray) -> np.ndarray:
    x = x.copy()
    x[np.isneginf(x).all(-1), -1] = 0
    return x


@pytest.fixture(scope="session")
def oracle() -> SimpleNamespace:
    """The names above, because test modules cannot import a conftest."""
    return SimpleNamespace(**{name: value for name, value in globals().items() if callable(value)})


@pytest.fixture(scope="session")
def draw() -> Callable[..., np.ndarray]:
    """`draw(logits, rows, active, in_prompt, counts, position, allowed=None, tokens=None)`: the chain's tokens.

    allowed: bool [B, V], what a token mask leaves of the rows where it leaves anything out. tokens: int32 [B, S], those
    of each row by their position.
    """

    @jax.jit
    def compiled(logits, rows, active, in_prompt, counts, position, allowed, tokens):
        mask = (~allowed.all(-1), lambda x: jnp.where(allowed, x, -INF))
        return sample(logits, rows, TokenHistory(active, in_prompt, counts, counts.sum(-1), tokens), position, mask)

    def drawn(logits, *arrays, allowed=None, tokens=None):
        allowed = np.ones(logits.shape, bool) if allowed is None else allowed
        tokens = np.zeros((len(logits), 1), np.int32) if tokens is None else tokens
        return np.asarray(compiled(logits, *arrays, allowed, tokens))

    return drawn
