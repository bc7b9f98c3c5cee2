"""The cached reference back end against plain attention, and the promises of the seam in `backend.attention`."""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from backend.attention import AttentionSpec, KVSpec
from backend.attention.quantization import KV_DTYPES, is_scaled, quantize
from backend.attention.reference import DECODE_CHUNK, PREFILL_CHUNK, PagedAttend, PagedAttention, Pages, even_page_table

PAGES, PAGE, PAGES_PER_ROW = 200, 16, 4 * PREFILL_CHUNK // 16
POSITIONS = PAGES_PER_ROW * PAGE
SPECS = (AttentionSpec(0.35), AttentionSpec(0.5, window=3, softcap=4.0), AttentionSpec(1.0, window=150))
specs = st.sampled_from(SPECS)
Call = tuple[np.ndarray, np.ndarray, np.ndarray]


class Shape(NamedTuple):
    """Of a call: B rows, T tokens, N heads, K kv heads, H head dim."""

    rows: int
    tokens: int
    heads: int
    kv_heads: int
    head_dim: int


DECODE, PREFILL, PADDED = Shape(4, 1, 4, 2, 8), Shape(1, 24, 6, 1, 4), Shape(3, 5, 3, 3, 16)


@partial(jax.jit, static_argnums=6)
def attend(cache, q, k, v, positions, page_table, spec):
    return PagedAttend(page_table)(cache, q, k, v, positions, spec)


def back_end(*layers: KVSpec, dtype: type = jnp.float32) -> PagedAttention:
    return PagedAttention(layers, jnp.dtype(dtype), PAGE)


def a_cache(shape: Shape, rng: np.random.Generator, dtype: np.dtype = np.float32) -> Pages:
    """Full of values everywhere, so that whatever must not be seen would show."""
    (k, k_scale), (v, v_scale) = (
        kept(rng.normal(size=(PAGES, shape.kv_heads, PAGE, shape.head_dim)).astype(np.float32), dtype) for _ in range(2)
    )
    return Pages(k, v, k_scale, v_scale)


def kept(x: np.ndarray, dtype: np.dtype) -> tuple[np.ndarray, np.ndarray | None]:
    """What a cache of `dtype` has of x [..., H]: numbers, and for int8 a scale [...] for each H of them."""
    if dtype == np.int8:
        scale = np.abs(x).max(-1).astype(np.float32) / np.float32(127)
        return np.rint(x / np.where(scale > 0, scale, 1)[..., None]).astype(np.int8), scale
    largest = float(jnp.finfo(dtype).max)
    return np.clip(x, -largest, largest).astype(dtype), None


def real(pool: np.ndarray, scale: np.ndarray | None) -> np.ndarray:
    """What the numbers of a pool stand for, float64 [P, K, L, H]."""
    return np.asarray(pool, np.float64) * (1 if scale is None else np.asarray(scale, np.float64)[..., None])


def a_page_table(shape: Shape, rng: np.random.Generator) -> np.ndarray:
    """int32 [B, M]: pages in no order, none twice."""
    return rng.permutation(PAGES)[: shape.rows * PAGES_PER_ROW].reshape(shape.rows, PAGES_PER_ROW).astype(np.int32)


def in_order(pool: np.ndarray, table: np.ndarray) -> np.ndarray:
    """[K, S, H], what a row has at each position."""
    return np.asarray(pool)[table].transpose(1, 0, 2, 3).reshape(pool.shape[1], -1, pool.shape[3])


def a_call(shape: Shape, rng: np.random.Generator, dtype: np.dtype = np.float32) -> Call:
    b, t, n, k, h = shape
    return tuple(rng.normal(size=(b, t, heads, h)).astype(dtype) for heads in (n, k, k))


def some_positions(shape: Shape, rng: np.random.Generator) -> np.ndarray:
    """int32 [B, T]: consecutive from somewhere, with -1 for what is padding, at the end or all over a row."""
    starts = rng.integers(0, POSITIONS - shape.tokens + 1, shape.rows)
    lengths = rng.integers(0, shape.tokens + 1, shape.rows)
    steps = np.arange(shape.tokens)
    return np.where(steps < lengths[:, None], starts[:, None] + steps, -1).astype(np.int32)


def written(cache: Pages, call: Call, positions: np.ndarray, page_table: np.ndarray) -> Pages:
    """What the cache must be afterwards."""
    after = jax.tree.map(np.array, cache)
    for (b, t), position in np.ndenumerate(positions):
        if position >= 0:
            (k, k_scale), (v, v_scale) = (kept(new[b, t], cache.k.dtype) for new in call[1:])
            for array, new in zip(jax.tree.leaves(after), jax.tree.leaves((k, v, k_scale, v_scale)), strict=True):
                array[page_table[b, position // PAGE], :, position % PAGE] = new
    return after


def check(
    shape: Shape, spec: AttentionSpec, seed: int, plain: Callable, dtype: np.dtype, cached: np.dtype, tolerance: float
) -> None:
    """dtype: of queries and what comes out. cached: of the cache."""
    rng = np.random.default_rng(seed)
    cache, call, positions = a_cache(shape, rng, cached), a_call(shape, rng, dtype), some_positions(shape, rng)
    page_table = a_page_table(shape, rng)
    out, after = attend(cache, *call, positions, page_table, spec)
    for got, array in zip(
        jax.tree.leaves(after), jax.tree.leaves(written(cache, call, positions, page_table)), strict=True
    ):
        assert got.dtype == array.dtype
        # The same division may round to the other neighbour.
        off = np.abs(np.asarray(got, np.float64) - np.asarray(array, np.float64))
        assert off.max() <= (1 if array.dtype == np.int8 else 1e-6 * (cached == np.int8))
    assert out.dtype == dtype and np.isfinite(np.asarray(out, np.float32)).all()
    pools = (real(after.k, after.k_scale), real(after.v, after.v_scale))
    for b in range(shape.rows):
        valid, (keys, values) = positions[b] >= 0, (in_order(pool, page_table[b]) for pool in pools)
        truth = plain(call[0][b], keys, values, positions[b], spec)
        np.testing.assert_allclose(np.asarray(out, np.float64)[b][valid], truth[valid], rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("shape", [DECODE, PREFILL, PADDED], ids=["decode", "prefill", "padded"])
@given(spec=specs, seed=st.integers(0, 2**32 - 1))
def test_reference_is_plain_attention_and_writes_only_what_is_given(
    shape: Shape, spec: AttentionSpec, seed: int, plain: Callable
) -> None:
    check(shape, spec, seed, plain, np.dtype(np.float32), np.dtype(np.float32), 1e-5)


@given(seed=st.integers(0, 2**32 - 1))
def test_bfloat16_differs_by_its_rounding_alone(seed: int, plain: Callable) -> None:
    check(DECODE, SPECS[0], seed, plain, np.dtype(jnp.bfloat16), np.dtype(jnp.bfloat16), 0.03)


@pytest.mark.parametrize("cached", ["bfloat16", "float8_e4m3", "int8"])
@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float32, 1e-5), (jnp.bfloat16, 0.03)])
@pytest.mark.parametrize("shape", [DECODE, PADDED], ids=["decode", "padded"])
@settings(max_examples=20)
@given(spec=specs, seed=st.integers(0, 2**32 - 1))
def test_what_is_kept_in_fewer_bits_is_attended_exactly(
    cached: str, dtype: type, tolerance: float, shape: Shape, spec: AttentionSpec, seed: int, plain: Callable
) -> None:
    check(shape, spec, seed, plain, np.dtype(dtype), KV_DTYPES[cached], tolerance)


@given(
    x=arrays(np.float32, (5, 16), elements=st.floats(-1e4, 1e4, width=32)),
    name=st.sampled_from(["float32", "bfloat16", "float8_e4m3", "int8"]),
)
def test_what_is_kept_is_as_near_as_its_bits_allow(x: np.ndarray, name: str) -> None:
    """Zeros stay zeros, and what is beyond the range of a type is its largest number."""
    dtype = KV_DTYPES[name]
    values, scale = quantize(jnp.asarray(x), dtype)
    assert values.dtype == dtype and is_scaled(dtype) == (scale is not None)
    back, largest = real(values, scale), 448.0 if name == "float8_e4m3" else np.inf
    half_a_step = {
        "float32": 0.0 * np.abs(x),
        "bfloat16": np.abs(x) * 2**-8,
        "float8_e4m3": np.maximum(np.abs(x) * 2**-4, 2**-10),
        "int8": np.abs(x).max(-1, keepdims=True) / 127 * 0.501 + 0 * x,
    }[name]
    assert (np.abs(back - np.clip(x, -largest, largest)) <= half_a_step + 1e-37).all()
    assert not back[x == 0].any()


@pytest.mark.parametrize("edge", [0, 1, PAGE, DECODE_CHUNK - 1, DECODE_CHUNK, 2 * DECODE_CHUNK - 1, 150, POSITIONS - 1])
@pytest.mark.parametrize("spec", SPECS, ids=["full", "narrow", "wide"])
def test_a_query_at_the_edge_of_a_chunk_sees_what_it_should(edge: int, spec: AttentionSpec, plain: Callable) -> None:
    rng = np.random.default_rng(edge)
    cache, call, positions = a_cache(DECODE, rng), a_call(DECODE, rng), np.full((DECODE.rows, 1), edge, np.int32)
    page_table = a_page_table(DECODE, rng)
    out, after = attend(cache, *call, positions, page_table, spec)
    for b in range(DECODE.rows):
        truth = plain(call[0][b], *(in_order(pool, page_table[b]) for pool in after[:2]), positions[b], spec)
        np.testing.assert_allclose(out[b], truth, rtol=1e-5, atol=1e-5)


@given(spec=specs, cuts=st.sets(st.integers(1, 299), max_size=12), seed=st.integers(0, 2**32 - 1))
def test_prefill_in_pieces_is_prefill_at_once(spec: AttentionSpec, cuts: set[int], seed: int) -> None:
    length, piece = 300, 64
    rng = np.random.default_rng(seed)
    shape = Shape(1, length, 4, 2, 8)
    call, row = a_call(shape, rng), a_page_table(shape, rng)
    empty = back_end(KVSpec(shape.kv_heads, shape.head_dim)).init_cache(PAGES)[0]
    at_once, cache_at_once = attend(empty, *call, np.arange(length, dtype=np.int32)[None], row, spec)
    ends = sorted(cuts | set(range(piece, length, piece)) | {length})
    pieces, cache = [], empty
    for start, end in zip([0, *ends], ends, strict=False):
        padding = piece - (end - start)
        part = [
            np.pad(array[:, start:end], ((0, 0), (0, padding), (0, 0), (0, 0)), constant_values=9) for array in call
        ]
        positions = np.pad(np.arange(start, end, dtype=np.int32), (0, padding), constant_values=-1)
        out, cache = attend(cache, *part, positions[None], row, spec)
        pieces.append(np.asarray(out)[:, : end - start])
    np.testing.assert_allclose(np.concatenate(pieces, axis=1), at_once, rtol=1e-5, atol=1e-5)
    jax.tree.map(np.testing.assert_array_equal, cache, cache_at_once)


@given(
    spec=specs,
    own=st.integers(0, POSITIONS - 5),
    others=st.lists(st.integers(0, POSITIONS - 5), min_size=2, max_size=2),
    seed=st.integers(0, 2**32 - 1),
)
def test_a_row_gets_the_same_bits_however_far_its_neighbours_reach(
    spec: AttentionSpec, own: int, others: list[int], seed: int
) -> None:
    rng = np.random.default_rng(seed)
    cache, call = a_cache(PADDED, rng), a_call(PADDED, rng)
    steps = np.arange(PADDED.tokens, dtype=np.int32)
    alone = np.stack([steps + own, np.full_like(steps, -1), np.full_like(steps, -1)])
    among = np.stack([steps + own, steps + others[0], steps + others[1]])
    stirred = tuple(np.concatenate([array[:1], 50 * array[1:]]) for array in call)
    page_table = a_page_table(PADDED, rng)
    np.testing.assert_array_equal(
        attend(cache, *call, alone, page_table, spec)[0][0], attend(cache, *stirred, among, page_table, spec)[0][0]
    )


@pytest.mark.parametrize("cached", ["float32", "int8"])
@pytest.mark.parametrize("shape", [DECODE, PADDED], ids=["decode", "padded"])
@given(spec=specs, own=st.integers(0, 200), seed=st.integers(0, 2**32 - 1))
def test_what_an_earlier_owner_left_in_a_page_is_never_seen(
    cached: str, shape: Shape, spec: AttentionSpec, own: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    cache, call, page_table = a_cache(shape, rng, KV_DTYPES[cached]), a_call(shape, rng), a_page_table(shape, rng)
    positions = np.broadcast_to(own + np.arange(shape.tokens, dtype=np.int32), (shape.rows, shape.tokens))
    spoilt = jax.tree.map(np.array, cache)
    whole_pages, rest = divmod(own, PAGE)
    for pool in jax.tree.leaves(spoilt):
        worst = -128 if pool.dtype == np.int8 else np.nan
        pool[page_table[:, whole_pages], :, rest:] = worst
        pool[page_table[:, whole_pages + 1 :]] = worst
    np.testing.assert_array_equal(
        attend(spoilt, *call, positions, page_table, spec)[0], attend(cache, *call, positions, page_table, spec)[0]
    )


@pytest.mark.parametrize("spec", SPECS, ids=["full", "narrow", "wide"])
def test_a_call_of_padding_alone_changes_nothing_and_is_finite(spec: AttentionSpec) -> None:
    rng = np.random.default_rng(0)
    cache, call = a_cache(PADDED, rng), a_call(PADDED, rng)
    out, after = attend(
        cache, *call, np.full((PADDED.rows, PADDED.tokens), -1, np.int32), a_page_table(PADDED, rng), spec
    )
    assert np.isfinite(out).all()
    jax.tree.map(np.testing.assert_array_equal, after, cache)


@given(layers=st.integers(1, 3), rows=st.integers(1, 3), pages=st.integers(3, 20))
def test_an_empty_pool_is_shared_out_evenly(layers: int, rows: int, pages: int) -> None:
    backend = back_end(*[KVSpec(2, 4)] * layers, dtype=jnp.bfloat16)
    pools = backend.init_cache(pages)
    assert sum(array.nbytes for array in jax.tree.leaves(pools)) == pages * backend.page_bytes
    assert len(pools) == layers
    for array in (array for layer in pools for array in layer[:2]):
        assert array.dtype == jnp.bfloat16 and not array.any() and array.shape == (pages, 2, PAGE, 4)
    page_table = np.asarray(even_page_table(pages, rows))
    assert page_table.shape == (rows, pages // rows) and len(set(page_table.ravel().tolist())) == page_table.size
    assert page_table.max() < pages


@given(
    source=st.integers(0, 9),
    target=st.integers(0, 9),
    name=st.sampled_from(["float32", "int8"]),
    seed=st.integers(0, 2**32 - 1),
)
def test_a_copied_page_is_the_other_in_every_layer_and_the_rest_stays(
    source: int, target: int, name: str, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    backend = back_end(KVSpec(2, 4), KVSpec(1, 8), dtype=KV_DTYPES[name])
    cache = jax.tree.map(lambda pool: (9 * rng.normal(size=pool.shape)).astype(pool.dtype), backend.init_cache(10))
    after = backend.copy_page(cache, np.int32(source), np.int32(target))
    for got, before in zip(jax.tree.leaves(after), jax.tree.leaves(cache), strict=True):
        np.testing.assert_array_equal(got[target], before[source])
        np.testing.assert_array_equal(np.delete(got, target, 0), np.delete(before, target, 0))
    axes = jax.tree.leaves(backend.cache_axes())
    assert [len(letters) for letters in axes] == [pool.ndim for pool in jax.tree.leaves(cache)]
