"""Positions that see each other both ways, as those of a picture do: with and without a cache, in whatever chunks."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.attention import AttentionSpec, KVSpec
from backend.attention.reference import PagedAttend, PagedAttention, even_page_table
from backend.attention.uncached import UncachedAttend

TOKENS, HEADS, KV_HEADS, HEAD_DIM, PAGE = 200, 4, 2, 8, 16
SPECS = (AttentionSpec(0.35), AttentionSpec(0.5, window=3, softcap=4.0), AttentionSpec(1.0, window=130))


@st.composite
def togethers(draw: st.DrawFn) -> np.ndarray:
    """int32 [2, TOKENS]: the first and last of whom each position is together with."""
    first = last = np.arange(TOKENS)
    first, last = first.copy(), last.copy()
    for start in sorted(draw(st.sets(st.integers(0, TOKENS - 1), max_size=5))):
        end = min(TOKENS, start + draw(st.integers(1, 150)))
        if first[start] == start == last[start]:
            end = start + int(np.argmax(np.append(first[start:end] != np.arange(start, end), True)))
            first[start:end], last[start:end] = start, end - 1
    return np.stack([first, last]).astype(np.int32)


def plainly(q: np.ndarray, k: np.ndarray, v: np.ndarray, together: np.ndarray, spec: AttentionSpec) -> np.ndarray:
    """[T, N, H] of one row, by a mask that is written down."""
    queries, keys = np.arange(TOKENS)[:, None], np.arange(TOKENS)[None]
    causal = (keys <= queries) & (queries - keys < (spec.window or TOKENS))
    seen = causal | ((keys >= together[0][:, None]) & (keys <= together[1][:, None]))
    k, v = (np.repeat(array, HEADS // KV_HEADS, axis=1) for array in (k, v))
    scores = np.einsum("qnh,knh->nqk", q, k) * spec.scale
    scores = scores if spec.softcap is None else spec.softcap * np.tanh(scores / spec.softcap)
    weights = np.where(seen, np.exp(scores - scores.max()), 0)
    return np.einsum("nqk,knh->qnh", weights / weights.sum(-1, keepdims=True), v)


@partial(jax.jit, static_argnums=5)
def paged(cache, q, k, v, where, spec):
    positions, together = where
    table = even_page_table(cache.k.shape[0], 1)
    return PagedAttend(table, together)(cache, q, k, v, positions, spec)


@settings(deadline=None, max_examples=12)
@given(together=togethers(), spec=st.sampled_from(SPECS), seed=st.integers(0, 2**31), size=st.sampled_from([64, 200]))
def test_they_are_seen_whatever_the_window_and_the_chunks(
    together: np.ndarray, spec: AttentionSpec, seed: int, size: int
) -> None:
    random = np.random.default_rng(seed)
    q, k, v = (random.normal(size=(TOKENS, n, HEAD_DIM)).astype(np.float32) for n in (HEADS, KV_HEADS, KV_HEADS))
    exact = plainly(*(array.astype(np.float64) for array in (q, k, v)), together, spec)
    whole = UncachedAttend(together=jnp.asarray(together)[:, None])
    out, _ = whole(None, q[None], k[None], v[None], jnp.arange(TOKENS)[None], spec)
    np.testing.assert_allclose(out[0], exact, rtol=1e-4, atol=1e-5)

    cache = PagedAttention((KVSpec(KV_HEADS, HEAD_DIM),), jnp.dtype(jnp.float32), PAGE).init_cache(TOKENS // PAGE + 1)[
        0
    ]
    cache, start = jax.tree.map(lambda pool: pool + jnp.nan, cache), 0
    size = max(size, int((together[1] - together[0]).max()) + 1)
    while start < TOKENS:
        end = min(start + size, TOKENS)
        end = int(together[0][end]) if end < TOKENS and together[0][end] < end else end
        chunk = [np.zeros((1, 200, *array.shape[1:]), np.float32) for array in (q, k, v)]
        where = (np.full((1, 200), -1, np.int32), np.full((2, 1, 200), -1, np.int32))
        for padded, array in zip((*chunk, where[0]), (q, k, v, np.arange(TOKENS)), strict=True):
            padded[0, : end - start] = array[start:end]
        where[1][:, 0, : end - start] = together[:, start:end]
        out, cache = paged(cache, *chunk, where, spec)
        np.testing.assert_allclose(out[0, : end - start], exact[start:end], rtol=1e-4, atol=1e-5)
        start = end
