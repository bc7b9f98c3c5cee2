"""The back ends of accelerators, step by step on a processor, against what the reference gives and keeps."""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jax.sharding import AbstractMesh

from backend.attention import AttentionSpec, KVSpec
from backend.attention import gpu as gpu_kernel
from backend.attention.choice import paged_attention
from backend.attention.flat import FlatPagedAttention
from backend.attention.gpu import GpuPagedAttention
from backend.attention.masks import group_queries, sight
from backend.attention.native import NativePagedAttention
from backend.attention.quantization import KV_DTYPES
from backend.attention.reference import PagedAttention, Pages
from backend.attention.tpu import LANES, TpuPagedAttention
from backend.target import compiling_for

CONTEXT = 90
WIDE, NARROW = AttentionSpec(0.3, window=37), AttentionSpec(0.5, window=5, softcap=4.0)
KINDS = {
    "flat": FlatPagedAttention,
    "gpu": partial(GpuPagedAttention, interpret=True),
    "tpu": partial(TpuPagedAttention, interpret=True),
}


class Case(NamedTuple):
    """B rows, T tokens, N heads, K kv heads, head dim H, pages of L; types of the activations and of the cache."""

    rows: int
    tokens: int
    heads: int
    kv_heads: int
    head_dim: int
    page_tokens: int
    spec: AttentionSpec
    dtype: str = "float32"
    cached: str = "float32"


CASES = {
    "grouped heads, one token": Case(3, 1, 8, 2, 64, 16, AttentionSpec(0.3)),
    "one kv head, a window": Case(2, 1, 4, 1, 64, 16, WIDE, "bfloat16", "bfloat16"),
    "odd heads, a softcap, chunks": Case(2, 20, 6, 2, 96, 8, NARROW),
    "as many kv heads": Case(2, 7, 3, 3, 128, 16, WIDE),
}
EIGHT_BITS = {
    "float8": Case(3, 1, 8, 2, 64, 16, AttentionSpec(0.3), "float32", "float8_e4m3"),
    "int8": Case(2, 5, 4, 2, 64, 16, NARROW, "float32", "int8"),
}
TOLERANCE = {"float32": 2e-5, "bfloat16": 0.03}


def both(kind: str, case: Case) -> tuple[PagedAttention, PagedAttention]:
    layers = (KVSpec(case.kv_heads, case.head_dim),)
    made = (layers, KV_DTYPES[case.cached], case.page_tokens)
    return PagedAttention(*made), KINDS[kind](*made)


def as_flat(pool: np.ndarray, like: np.ndarray) -> np.ndarray:
    """A pool of the reference, [P, K, L, ...], in the layout of the others, [P, L, K * ...], and their padding.

    On TPUs scales are [P, 1, K * L], as bits.
    """
    if like.dtype == np.int32:
        bits = np.asarray(pool).view(np.int32).reshape(len(pool), 1, -1)
        return np.pad(bits, ((0, 0), (0, 0), (0, like.shape[2] - bits.shape[2])))
    flat = np.asarray(pool).swapaxes(1, 2).reshape(*like.shape[:2], -1)
    return np.pad(flat, ((0, 0), (0, 0), (0, like.shape[2] - flat.shape[2])))


@partial(jax.jit, static_argnums=(0, 7))
def attend(backend, cache, q, k, v, page_table, positions, spec):
    return backend.attend(page_table)(cache, q, k, v, positions, spec)


def some_positions(case: Case, rng: np.random.Generator) -> np.ndarray:
    """int32 [B, T]: consecutive from somewhere, -1 behind the last; one row in four has none at all."""
    starts = rng.integers(0, CONTEXT - case.tokens + 1, case.rows)
    lengths = np.where(rng.random(case.rows) < 0.25, 0, rng.integers(1, case.tokens + 1, case.rows))
    steps = np.arange(case.tokens)
    return np.where(steps < lengths[:, None], starts[:, None] + steps, -1).astype(np.int32)


def check(kind: str, case: Case, seed: int) -> None:
    """What is attended, and what the pools have afterwards; whatever must not be seen is NaN."""
    rng = np.random.default_rng(seed)
    reference, own = both(kind, case)
    pages = -(-CONTEXT // case.page_tokens)
    table = rng.permutation(pages * case.rows + 2)[: pages * case.rows].reshape(case.rows, pages).astype(np.int32)
    cache = reference.init_cache(pages * case.rows + 2)[0]
    mine = own.init_cache(pages * case.rows + 2)[0]
    positions = some_positions(case, rng)
    cache = filled(cache, table, positions, rng)
    mine = Pages(*(None if b is None else jnp.asarray(as_flat(a, b)) for a, b in zip(cache, mine, strict=True)))
    q, k, v = (
        rng.normal(size=(case.rows, case.tokens, heads, case.head_dim)).astype(jnp.dtype(case.dtype))
        for heads in (case.heads, case.kv_heads, case.kv_heads)
    )
    expected, after = attend(reference, cache, q, k, v, table, positions, case.spec)
    got, own_after = attend(own, mine, q, k, v, table, positions, case.spec)
    assert got.dtype == expected.dtype and np.isfinite(np.asarray(got, np.float32)).all()
    valid, tolerance = positions >= 0, TOLERANCE[case.dtype]
    pair = (np.asarray(array, np.float32)[valid] for array in (got, expected))
    np.testing.assert_allclose(*pair, rtol=tolerance, atol=tolerance)
    for a, b in zip(after, own_after, strict=True):
        if b is not None:
            number = np.int32 if b.dtype == np.int32 else np.float32
            np.testing.assert_array_equal(np.asarray(b, number), as_flat(np.asarray(a, np.float32), b))


def filled(cache: Pages, table: np.ndarray, positions: np.ndarray, rng: np.random.Generator) -> Pages:
    """Numbers at every position before those of the call, NaN from there on and in all other pages."""
    page_tokens = cache.k.shape[2]
    first = np.where((positions >= 0).any(1), np.where(positions < 0, CONTEXT, positions).min(1), 0)

    def fill(pool):
        new = rng.normal(size=pool.shape)
        if pool.dtype == jnp.int8:
            return jnp.asarray(np.rint(40 * new), jnp.int8)
        out = np.full(pool.shape, np.nan)
        for row, begin in enumerate(first):
            for position in range(begin):
                at = table[row, position // page_tokens], slice(None), position % page_tokens
                out[at] = abs(new[at]) / 40 if pool.ndim == 3 else new[at]
        return jnp.asarray(out).astype(pool.dtype)

    return jax.tree.map(fill, cache)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
@settings(max_examples=4)
@given(seed=st.integers(0, 2**32 - 1))
def test_it_is_what_the_reference_gives(kind: str, case: Case, seed: int) -> None:
    check(kind, case, seed)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("case", EIGHT_BITS.values(), ids=EIGHT_BITS)
@settings(max_examples=4)
@given(seed=st.integers(0, 2**32 - 1))
def test_in_eight_bits_it_is_what_the_reference_gives(kind: str, case: Case, seed: int) -> None:
    check(kind, case, seed)


@settings(max_examples=10)
@given(seed=st.integers(0, 2**32 - 1))
def test_sinks_take_their_share_of_each_heads_softmax(seed: int) -> None:
    """Against softmax over the scores and one more, whose value is nothing."""
    case, rng = CASES["grouped heads, one token"], np.random.default_rng(seed)
    b, n, k, h, length = case.rows, case.heads, case.kv_heads, case.head_dim, 40
    keys, values = rng.normal(size=(2, b, length, k, h)).astype(np.float32)
    q, sinks = rng.normal(size=(b, 1, n, h)).astype(np.float32), rng.normal(size=n).astype(np.float32)
    pages = length // 8
    cache = Pages(*(jnp.asarray(array.reshape(b * pages, 8, k * h)) for array in (keys, values)))
    table = np.arange(b * pages, dtype=np.int32).reshape(b, pages)
    positions = rng.integers(0, length, (b, 1)).astype(np.int32)
    got = gpu_kernel.attend(cache, q, table, sight(positions, None), case.spec, k, sinks, interpret=True)
    scores = np.einsum("bkgth,bskh->bkgts", np.asarray(group_queries(q, k)), keys)[..., 0, :] * case.spec.scale
    scores = np.where(np.arange(length) <= positions[:, None, None], scores, -np.inf)
    whole = np.exp(scores).sum(-1) + np.exp(sinks.reshape(k, n // k))
    truth = np.einsum("bkgs,bskh->bkgh", np.exp(scores) / whole[..., None], values).reshape(b, 1, n, h)
    np.testing.assert_allclose(got, truth, rtol=2e-5, atol=2e-5)


def test_each_platform_has_its_back_end() -> None:
    layers, dtype = (KVSpec(2, 64),), jnp.dtype(jnp.bfloat16)
    assert type(paged_attention(layers, dtype)) is NativePagedAttention
    with compiling_for("gpu"):
        assert type(paged_attention(layers, dtype)) is GpuPagedAttention
    with compiling_for("tpu"):
        assert type(paged_attention(layers, dtype)) is TpuPagedAttention


def test_a_device_of_several_has_the_scales_that_its_own_heads_have_alone() -> None:
    layers, rng = (KVSpec(4, 128),), np.random.default_rng(5)
    own = TpuPagedAttention((KVSpec(2, 128),), jnp.dtype(jnp.int8))
    both = TpuPagedAttention(layers, jnp.dtype(jnp.int8), mesh=AbstractMesh((1, 2, 1), ("data", "heads", "copies")))
    scales = rng.random((3, 5, 4), np.float32)
    pages, places = np.array([[0, 0, 0, 2, 9]] * 3), rng.permutation(16)[:15].reshape(3, 5)
    alone = [own.put_scales(own.no_scales(4, 2), part, pages, places) for part in np.split(scales, 2, axis=2)]
    np.testing.assert_array_equal(
        both.put_scales(both.no_scales(4, 4), scales, pages, places), np.concatenate(alone, axis=2)
    )


@given(kv_heads=st.integers(1, 9), head_dim=st.sampled_from([64, 80, 96, 128, 192, 256]))
def test_a_page_of_a_tpu_has_whole_vectors_and_is_counted_with_them(kv_heads: int, head_dim: int) -> None:
    backend = TpuPagedAttention((KVSpec(kv_heads, head_dim),), jnp.dtype(jnp.bfloat16))
    pool = jax.eval_shape(lambda: backend.init_cache(3))[0].k
    assert pool.shape[2] % LANES == 0 <= pool.shape[2] - kv_heads * head_dim < LANES
    assert backend.page_bytes == 2 * backend.page_tokens * pool.shape[2] * 2
    axes = jax.tree.leaves(backend.cache_axes())
    assert [len(letters) for letters in axes] == [len(pool.shape)] * 2
