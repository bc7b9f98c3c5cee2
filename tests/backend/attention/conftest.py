"""Attention in plain numpy, query by query, in float64."""

from collections.abc import Callable

import numpy as np
import pytest

from backend.attention import AttentionSpec


def plain_attention(
    q: np.ndarray, keys: np.ndarray, values: np.ndarray, positions: np.ndarray, spec: AttentionSpec
) -> np.ndarray:
    """Of one row: q [T, N, H] at `positions` [T] over keys and values [K, S, H], whose index is their position."""
    q, keys, values = (np.asarray(array, np.float64) for array in (q, keys, values))
    groups = q.shape[1] // keys.shape[0]
    out = np.zeros_like(q)
    for t, n in np.ndindex(q.shape[:2]):
        first = 0 if spec.window is None else max(0, positions[t] - spec.window + 1)
        seen = slice(first, positions[t] + 1)
        scores = keys[n // groups, seen] @ q[t, n] * spec.scale
        if spec.softcap is not None:
            scores = spec.softcap * np.tanh(scores / spec.softcap)
        weights = np.exp(scores - scores.max(initial=-np.inf))
        out[t, n] = weights @ values[n // groups, seen] / weights.sum() if positions[t] >= 0 else 0
    return out


@pytest.fixture(scope="session")
def plain() -> Callable[..., np.ndarray]:
    return plain_attention
