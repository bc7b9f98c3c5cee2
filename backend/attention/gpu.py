"""The back end of GPUs: paged attention as one kernel, written in Pallas and compiled by Triton.

A program of the grid has some queries of a row for one kv head, and a part of the row's context: chunks of pages are
read where they lie, with a running softmax (Dao et al., 2022). Where rows and heads alone would leave processors of the
device idle, the context is split, and what the parts gave is merged (Dao et al., 2023, flash decoding).
"""

from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.experimental import pallas as pl
from jax.experimental.pallas import triton as plgpu

from backend.attention import AttentionSpec
from backend.attention.flat import FlatPagedAttention
from backend.attention.masks import MASKED, Sight
from backend.attention.reference import Pages

LEAST_ROWS = 16
"""Rows of a product at least: those of a tensor core's instruction."""
PROGRAMS = 512
"""Programs that keep a large device busy: some for each of its up to 148 processors."""
MOST_SPLITS = 16
QUERY_ROWS = 64
"""Query heads times tokens of a program in a prefill."""
CHUNK_BYTES = 1 << 14
"""Of the keys that are read at a time, as they are multiplied."""


@dataclass(frozen=True)
class GpuPagedAttention(FlatPagedAttention):
    """A `FlatPagedAttention` that is attended by one kernel."""

    def compute(
        self, cache: Pages, q: jax.Array, page_table: jax.Array, seen: Sight, spec: AttentionSpec, kv_heads: int
    ) -> jax.Array:
        """See `attend`."""
        return attend(cache, q, page_table, seen, spec, kv_heads, interpret=self.interpret)


class Tiling(NamedTuple):
    """How a call is cut up. tokens: of a program's queries. rows: tokens times query heads of a kv head, padded.

    width: numbers of a head, padded. chunk_pages: read at a time. splits: of the context.
    """

    tokens: int
    rows: int
    width: int
    chunk_pages: int
    splits: int


def tiling(rows: int, tokens: int, group: int, kv_heads: int, head_dim: int, page_tokens: int) -> Tiling:
    """For B = `rows` of T = `tokens`, with G = `group` query heads for each of K kv heads of H numbers."""
    width = pl.next_power_of_2(head_dim)
    taken = min(tokens, max(1, QUERY_ROWS // group))
    chunk = max(page_tokens, LEAST_ROWS, min(128, CHUNK_BYTES // 2 // width))
    alone = rows * kv_heads * pl.cdiv(tokens, taken)
    splits = min(MOST_SPLITS, pl.next_power_of_2(pl.cdiv(PROGRAMS, alone))) if tokens == 1 else 1
    padded = max(LEAST_ROWS, pl.next_power_of_2(taken * group))
    return Tiling(taken, padded, width, max(1, chunk // page_tokens), splits)


@partial(jax.jit, static_argnames=("spec", "kv_heads", "interpret"))
def attend(
    cache: Pages,
    q: jax.Array,
    page_table: jax.Array,
    seen: Sight,
    spec: AttentionSpec,
    kv_heads: int,
    sinks: jax.Array | None = None,
    *,
    interpret: bool = False,
) -> jax.Array:
    """Queries [B, T, N, H] over what the pools have of their rows and they have `seen` -> [B, T, N, H].

    page_table: int32 [B, M]. sinks: float32 [N], a score that takes part in each head's softmax and has no value; None
    for none. Tokens that see nothing get zeros.
    """
    b, t, n, h = q.shape
    page_tokens, group = cache.k.shape[1], n // kv_heads
    tiles = tiling(b, t, group, kv_heads, h, page_tokens)
    blocks = pl.cdiv(t, tiles.tokens)
    shapes = [jax.ShapeDtypeStruct((tiles.splits, b, t, n, h), jnp.float32 if tiles.splits > 1 else q.dtype)]
    if tiles.splits > 1 or sinks is not None:
        shapes += [jax.ShapeDtypeStruct((tiles.splits, b, t, n), jnp.float32)] * 2
    pools = [pool if pool is None or pool.dtype != jnp.float8_e4m3fn else _as_bytes(pool) for pool in cache]
    every = pl.BlockSpec(memory_space=pl.ANY) if interpret else pl.no_block_spec
    inputs = [array for array in (q, page_table, *seen, *pools) if array is not None]
    out, *sums = pl.pallas_call(
        partial(_kernel, tiles=tiles, spec=spec, sizes=(t, group, h, page_tokens), scaled=cache.k_scale is not None),
        grid=(b * blocks, kv_heads, tiles.splits),
        in_specs=[every] * len(inputs),
        out_specs=[every] * len(shapes),
        out_shape=shapes,
        compiler_params=plgpu.CompilerParams(num_warps=4 if tiles.rows * tiles.width <= 1 << 13 else 8, num_stages=2),
        interpret=interpret,
        name="paged_attention",
    )(*inputs)
    return _merged(out, sums, sinks).astype(q.dtype) if sums else out[0]


def _as_bytes(pool: jax.Array) -> jax.Array:
    return jax.lax.bitcast_convert_type(pool, jnp.uint8)


def _merged(out: jax.Array, sums: list[jax.Array], sinks: jax.Array | None) -> jax.Array:
    """What the parts of the context give together. out: [splits, B, T, N, H], each divided by its sum already."""
    top, total = sums
    most = top.max(0) if sinks is None else jnp.maximum(top.max(0), sinks)
    weights = total * jnp.exp(top - most)
    whole = weights.sum(0) + (0 if sinks is None else jnp.exp(sinks - most))
    return (out * (weights / jnp.where(whole > 0, whole, 1.0))[..., None]).sum(0)


def _kernel(
    q_ref: Any,
    table_ref: Any,
    first_ref: Any,
    last_ref: Any,
    k_ref: Any,
    v_ref: Any,
    *refs: Any,
    tiles: Tiling,
    spec: AttentionSpec,
    sizes: tuple[int, int, int, int],
    scaled: bool,
) -> None:
    """One program; the references are whole arrays."""
    tokens, group, head_dim, page_tokens = sizes
    k_scale_ref, v_scale_ref = refs[:2] if scaled else (None, None)
    out_ref, *sum_refs = refs[2:] if scaled else refs
    blocks = pl.cdiv(tokens, tiles.tokens)
    b, first_token = pl.program_id(0) // blocks, pl.program_id(0) % blocks * tiles.tokens
    head, split = pl.program_id(1), pl.program_id(2)
    row = jnp.arange(tiles.rows)
    token, query_head = first_token + row // group, head * group + row % group
    there = (row < tiles.tokens * group) & (token < tokens)
    # Beyond the array: an interpreter writes back what a mask leaves alone, and that must be nobody's place.
    token = jnp.where(there, token, tokens)
    first_seen = plgpu.load(first_ref.at[b, token], mask=there, other=0)
    last_seen = plgpu.load(last_ref.at[b, token], mask=there, other=-1)
    column = jnp.arange(tiles.width)
    whole = there[:, None] & (column < head_dim)[None]
    place = (b, token[:, None], query_head[:, None], column[None])
    q = plgpu.load(q_ref.at[place], mask=whole, other=0.0)

    chunk_tokens = tiles.chunk_pages * page_tokens
    last = last_seen.max()
    first = jnp.where(last_seen < 0, last, first_seen).min() // chunk_tokens
    chunks = jnp.where(last < 0, 0, last // chunk_tokens + 1 - first)
    each = pl.cdiv(chunks, tiles.splits)
    begin = first + jnp.minimum(split * each, chunks)
    end = first + jnp.minimum((split + 1) * each, chunks)
    key, page = jnp.arange(chunk_tokens), jnp.arange(tiles.chunk_pages)
    kept = (column < head_dim)[None, None]

    def pages_of(pool: Any, pages: jax.Array, used: jax.Array, *, heads: bool = True) -> jax.Array:
        inside = jnp.arange(page_tokens)
        if not heads:
            found = plgpu.load(pool.at[pages[:, None], inside[None], head], mask=used[:, None], other=0.0)
            return found.reshape(chunk_tokens)
        where = (pages[:, None, None], inside[None, :, None], head * head_dim + column[None, None])
        other = 0 if jnp.issubdtype(pool.dtype, jnp.integer) else 0.0
        found = plgpu.load(pool.at[where], mask=used[:, None, None] & kept, other=other)
        return _floats(found.reshape(chunk_tokens, tiles.width), q.dtype)

    def step(chunk: jax.Array, carry: tuple[jax.Array, jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array, jax.Array]:
        top, total, out = carry
        number = chunk * tiles.chunk_pages + page
        used = number <= last // page_tokens
        pages = plgpu.load(table_ref.at[b, jnp.where(used, number, 0)], mask=used, other=0)
        raw = plgpu.dot(q, pages_of(k_ref, pages, used).T) * spec.scale
        if k_scale_ref is not None:
            raw *= pages_of(k_scale_ref, pages, used, heads=False)[None]
        if spec.softcap is not None:
            raw = spec.softcap * jnp.tanh(raw / spec.softcap)
        key_position = chunk * chunk_tokens + key
        seen = (key_position[None] >= first_seen[:, None]) & (key_position[None] <= last_seen[:, None])
        raw = jnp.where(seen, raw, MASKED)
        new_top = jnp.maximum(top, raw.max(1))
        weights = jnp.where(seen, jnp.exp(raw - new_top[:, None]), 0.0)
        old = jnp.exp(top - new_top)
        # What an earlier owner left in a page may be NaN, and 0 * NaN is NaN.
        owned = key_position <= last
        values = jnp.where(owned[:, None], pages_of(v_ref, pages, used), 0).astype(q.dtype)
        factors = weights
        if v_scale_ref is not None:
            factors *= jnp.where(owned, pages_of(v_scale_ref, pages, used, heads=False), 0.0)[None]
        added = plgpu.dot(factors.astype(q.dtype), values)
        return new_top, total * old + weights.sum(1), out * old[:, None] + added

    empty = (jnp.full(tiles.rows, MASKED), jnp.zeros(tiles.rows), jnp.zeros((tiles.rows, tiles.width)))
    top, total, out = jax.lax.fori_loop(begin, end, step, jax.tree.map(lambda x: x.astype(jnp.float32), empty))
    out = out / jnp.where(total > 0, total, 1.0)[:, None]
    plgpu.store(out_ref.at[(split, *place)], out.astype(out_ref.dtype), mask=whole)
    for ref, values in zip(sum_refs, (top, total), strict=False):
        plgpu.store(ref.at[split, b, token, query_head], values, mask=there)


def _floats(x: jax.Array, dtype: jnp.dtype) -> jax.Array:
    """Numbers of a pool in the type of the queries. Bytes are float8_e4m3fn, which not every GPU can convert."""
    if x.dtype != jnp.uint8:
        return x.astype(dtype)
    bits = x.astype(jnp.int32)
    magnitude = bits & 0x7F
    # Exponent and mantissa go where a float32 has its own, whose bias is 120 more; subnormals are multiples of 2**-9.
    wide = jax.lax.bitcast_convert_type((magnitude + (120 << 3)) << 20, jnp.float32)
    wide = jnp.where(magnitude < 8, magnitude.astype(jnp.float32) * 2.0**-9, wide)
    wide = jnp.where(magnitude == 0x7F, jnp.nan, wide)
    return jnp.where(bits > 0x7F, -wide, wide).astype(dtype)
