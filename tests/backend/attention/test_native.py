"""The native back end against the reference, which is its oracle."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backend import native
from backend.attention import AttentionSpec
from backend.attention.native import NativePagedAttend
from backend.attention.quantization import quantize
from backend.attention.reference import PagedAttend, Pages

PAGE, POOL, TABLE = 16, 96, 19
DTYPES = ("float32", "bfloat16", "float16", "float8_e4m3fn", "int8")


def call(rows: int, kv_heads: int, group: int, head_dim: int, dtype: str, seed: int) -> tuple:
    """A full cache, a call and its page table; some rows are padding, some at the first position, some at the last."""
    random = np.random.default_rng(seed)
    pool = random.standard_normal((2, POOL, kv_heads, PAGE, head_dim))
    (keys, key_scales), (values, value_scales) = (quantize(jnp.asarray(array), jnp.dtype(dtype)) for array in pool)
    cache = Pages(keys, values, key_scales, value_scales)
    q, k, v = (
        jnp.asarray(random.standard_normal((rows, 1, heads, head_dim)), jnp.float32)
        for heads in (kv_heads * group, kv_heads, kv_heads)
    )
    table = np.stack([random.permutation(POOL)[:TABLE] for _ in range(rows)]).astype(np.int32)
    positions = random.choice(
        [-1, 0, 15, 16, 127, 128, TABLE * PAGE - 1, int(random.integers(TABLE * PAGE))], (rows, 1)
    )
    return cache, q, k, v, jnp.asarray(table), jnp.asarray(positions, jnp.int32)


@settings(max_examples=8, deadline=None)
@given(
    rows=st.integers(1, 5),
    kv_heads=st.integers(1, 3),
    group=st.integers(1, 4),
    head_dim=st.sampled_from([16, 32, 64, 128]),
    dtype=st.sampled_from(DTYPES),
    scale=st.sampled_from([0.125, 1.0]),
    window=st.sampled_from([None, 1, 17, 128, 200]),
    softcap=st.sampled_from([None, 2.0, 30.0]),
    seed=st.integers(0, 2**32 - 1),
)
def test_it_attends_as_the_reference(rows, kv_heads, group, head_dim, dtype, scale, window, softcap, seed):
    cache, q, k, v, table, positions = call(rows, kv_heads, group, head_dim, dtype, seed)
    table = table + POOL * jnp.arange(rows)[:, None]  # each row has pages of its own
    cache = jax.tree.map(lambda array: jnp.tile(array, (rows, *(1,) * (array.ndim - 1))), cache)
    spec = AttentionSpec(scale, window, softcap)
    assert native.takes_attention(dtype, head_dim, PAGE)
    out, after = NativePagedAttend(table)(cache, q, k, v, positions, spec)
    exact, expected = PagedAttend(table)(cache, q, k, v, positions, spec)
    real = np.asarray(positions[:, 0]) >= 0
    tolerance = 2e-5 if dtype == "float32" else 2e-2  # the reference rounds its weights to the cache's type
    np.testing.assert_allclose(out[real], exact[real], rtol=tolerance, atol=tolerance)
    assert not np.asarray(out)[~real].any()
    for array, other in zip(jax.tree.leaves(after), jax.tree.leaves(expected), strict=True):
        np.testing.assert_array_equal(np.asarray(array, np.float32), np.asarray(other, np.float32))


def test_what_stands_behind_a_position_is_never_seen():
    """Not even where it is no number."""
    cache, q, k, v, table, _ = call(1, 2, 3, 64, "float32", 5)
    for position in (0, 5, 16, 130):
        flat = np.full((2, POOL, 2, PAGE, 64), np.nan, np.float32)
        for place in range(position):
            page = int(table[0, place // PAGE])
            flat[:, page, :, place % PAGE] = np.asarray(cache[:2])[:, page, :, place % PAGE]
        at = jnp.asarray([[position]], jnp.int32)
        found, _ = NativePagedAttend(table)(Pages(*map(jnp.asarray, flat)), q, k, v, at, AttentionSpec(0.2))
        clean, _ = NativePagedAttend(table)(cache, q, k, v, at, AttentionSpec(0.2))
        np.testing.assert_array_equal(found, clean)


def test_a_row_is_the_same_bits_whatever_rows_are_beside_it():
    cache, q, k, v, _, _ = call(32, 3, 3, 64, "bfloat16", 9)
    table = jnp.arange(POOL, dtype=jnp.int32)[: 32 * (POOL // 32)].reshape(32, -1)
    positions = jnp.asarray(np.random.default_rng(1).integers(0, table.shape[1] * PAGE, 32), jnp.int32)
    news = [new[:, 0].astype(jnp.bfloat16) for new in (k, v)]
    together, *_ = native.attend(q[:, 0], cache[:2], news, table, positions, scale=0.3)
    for row in range(32):
        one = slice(row, row + 1)
        alone, *_ = native.attend(
            q[one, 0], cache[:2], [new[one] for new in news], table[one], positions[one], scale=0.3
        )
        np.testing.assert_array_equal(together[one], alone)


def test_large_scores_are_no_trouble():
    cache, q, k, v, _, _ = call(2, 1, 1, 32, "float32", 3)
    table = jnp.arange(POOL, dtype=jnp.int32).reshape(2, -1)
    positions = jnp.asarray([200, 300], jnp.int32)
    for scale in (1e6, 1e9):
        out, *pools = native.attend(q[:, 0], cache[:2], [k[:, 0], v[:, 0]], table, positions, scale=scale)
        assert np.isfinite(out).all()
        keys, values = (np.asarray(pool)[np.asarray(table)][:, :, 0].reshape(2, -1, 32) for pool in pools)
        for row, position in enumerate(positions):
            best = np.argmax(keys[row, : position + 1] @ np.asarray(q)[row, 0, 0])
            np.testing.assert_allclose(out[row, 0], values[row, best], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("dtype", "head_dim", "page"), [("float32", 24, 16), ("int4", 64, 16), ("float32", 64, 10)])
def test_what_does_not_fit_vectors_is_left_to_the_reference(dtype, head_dim, page):
    assert not native.takes_attention(dtype, head_dim, page)


def test_prefill_is_the_references():
    cache, _, _, _, table, _ = call(1, 2, 2, 32, "float32", 4)
    q, k, v = (jax.random.normal(jax.random.key(n), (1, 7, heads, 32)) for n, heads in enumerate((4, 2, 2)))
    positions = jnp.arange(7)[None] + 30
    ours, theirs = (
        kind(table)(cache, q, k, v, positions, AttentionSpec(0.2))[0] for kind in (NativePagedAttend, PagedAttend)
    )
    np.testing.assert_array_equal(ours, theirs)
