"""The back end of TPUs: paged attention as one kernel, written in Pallas and compiled by Mosaic.

The kernel goes through the rows one after the other, and through a row's context chunk by chunk with a running softmax
(Dao et al., 2022). While one chunk is computed the pages of the next are on their way from memory, those of the next
row's first among them. A product has all query heads that share a group of lanes: each has zeros where the other kv
heads of the group are, which costs a matrix unit nothing that it would not wait for anyway, and no head is cut out of
the middle of a vector.
"""

from dataclasses import dataclass
from functools import partial
from math import lcm
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.experimental import pallas as pl
from jax.experimental.pallas import tpu as pltpu

from backend.attention import AttentionSpec, KVSpec
from backend.attention.flat import FlatPagedAttention
from backend.attention.masks import MASKED, Sight
from backend.attention.reference import Pages
from backend.sharding import HEADS

LANES = 128
"""Numbers of a vector along the last axis."""
CHUNK = 512
"""Key positions that are read at a time."""
CHUNK_BYTES = 1 << 21
"""Most bytes of them, of keys and of values each: the fast memory holds two of both."""
ROWS = 256
"""Query heads times tokens of one product in a prefill."""


@dataclass(frozen=True)
class TpuPagedAttention(FlatPagedAttention):
    """A `FlatPagedAttention` that is attended by one kernel."""

    def width(self, layer: KVSpec) -> int:
        """Numbers of a position, of keys and of values each: whole vectors, without which XLA pads them to that anyway
        and lays the pool out in another way than the kernel; not where heads are split over devices."""
        width = super().width(layer)
        return -(-width // LANES) * LANES if self.mesh is None else width

    def no_scales(self, pages: int, kv_heads: int) -> jax.Array:
        """As bits, int32 [P, 1, lanes], those of a head one after the other, and on each device whole vectors.

        A row for each position a TPU would fill up to a vector.
        """
        devices = 1 if self.mesh is None else self.mesh.shape[HEADS]
        lanes = -(-kv_heads // devices * self.page_tokens // LANES) * LANES
        return jnp.zeros((pages, 1, devices * lanes), jnp.int32)

    def put_scales(self, pool: jax.Array, scales: jax.Array, pages: jax.Array, places: jax.Array) -> jax.Array:
        """See `FlatPagedAttention`. What differs is added to the bits, as several positions share a row."""
        devices = 1 if self.mesh is None else self.mesh.shape[HEADS]
        lanes, page_tokens = pool.shape[2] // devices, self.page_tokens
        bits = jax.lax.bitcast_convert_type(scales, jnp.int32).reshape(*places.shape, devices, -1)
        spread = jnp.repeat(bits, page_tokens, axis=3)
        spread = jnp.pad(spread, ((0, 0), (0, 0), (0, 0), (0, lanes - spread.shape[3]))).reshape(*places.shape, -1)
        own = jnp.arange(pool.shape[2]) % lanes % page_tokens == places[..., None]
        change = jnp.where(own, spread - pool.at[pages, 0].get(mode="fill", fill_value=0), 0)
        return pool.at[pages, 0].add(change, mode="drop")

    def compute(
        self, cache: Pages, q: jax.Array, page_table: jax.Array, seen: Sight, spec: AttentionSpec, kv_heads: int
    ) -> jax.Array:
        """See `attend`."""
        return attend(cache, q, page_table, seen, spec, kv_heads, interpret=self.interpret)


class Tiling(NamedTuple):
    """How a call is cut up. tokens: of one step of the grid. group: query heads of a kv head.

    heads: kv heads whose lanes are one product. groups: products of a chunk, for all kv heads. rows: of a product,
    padded. chunk_pages: read at a time.
    """

    tokens: int
    group: int
    heads: int
    groups: int
    rows: int
    chunk_pages: int


def tiling(tokens: int, group: int, kv_heads: int, head_dim: int, page_tokens: int, itemsize: int) -> Tiling:
    """For T = `tokens`, with G = `group` query heads for each of K kv heads of H numbers, `itemsize` bytes each."""
    heads = lcm(head_dim, LANES) // head_dim
    if tokens == 1 or kv_heads % heads:
        heads = kv_heads
    taken = min(tokens, max(1, ROWS // (group * heads)))
    chunk = min(CHUNK, max(page_tokens, CHUNK_BYTES // (kv_heads * head_dim * itemsize)))
    rows = -(-taken * group * heads // 16) * 16
    return Tiling(taken, group, heads, kv_heads // heads, rows, max(1, chunk // page_tokens))


class Plan(NamedTuple):
    """What each step of the grid does, int32 [steps] each: its first chunk, how many, and its last key position."""

    first: jax.Array
    chunks: jax.Array
    last: jax.Array


def plan(seen: Sight, chunk_tokens: int) -> Plan:
    """For the queries of each step of the grid, [steps, tokens]."""
    last = seen.last.max(1)
    first = jnp.where(seen.last < 0, last[:, None], seen.first).min(1) // chunk_tokens
    return Plan(first, jnp.where(last < 0, 0, last // chunk_tokens + 1 - first), last)


@partial(jax.jit, static_argnames=("spec", "kv_heads", "interpret"))
def attend(
    cache: Pages,
    q: jax.Array,
    page_table: jax.Array,
    seen: Sight,
    spec: AttentionSpec,
    kv_heads: int,
    *,
    interpret: bool = False,
) -> jax.Array:
    """Queries [B, T, N, H] over what the pools have of their rows and they have `seen` -> [B, T, N, H].

    page_table: int32 [B, M]. Tokens that see nothing get zeros.
    """
    b, t, n, h = q.shape
    page_tokens, group = cache.k.shape[1], n // kv_heads
    tiles = tiling(t, group, kv_heads, h, page_tokens, cache.k.dtype.itemsize)
    blocks = -(-t // tiles.tokens)
    padding = (0, blocks * tiles.tokens - t)
    seen = Sight(*(jnp.pad(x, ((0, 0), padding), constant_values=-1).reshape(b * blocks, tiles.tokens) for x in seen))
    queries = jnp.pad(q, ((0, 0), padding, (0, 0), (0, 0)))
    queries = queries.reshape(b * blocks, tiles.tokens, tiles.groups, tiles.heads, group, h)
    own = jnp.eye(tiles.heads, dtype=q.dtype)
    spread = jnp.einsum("btchgd,hi->bcthgid", queries, own)
    used, width = tiles.tokens * tiles.heads * group, tiles.heads * h
    spread = spread.reshape(b * blocks, tiles.groups, used, width)
    lanes = cache.k.shape[2] // tiles.groups
    spread = jnp.pad(spread, ((0, 0), (0, 0), (0, tiles.rows - used), (0, lanes - width)))
    row_sight = jnp.stack([jnp.repeat(x, tiles.heads * group, axis=1) for x in seen], -1)
    row_sight = jnp.pad(row_sight, ((0, 0), (0, tiles.rows - used), (0, 0)), constant_values=-1)
    steps = plan(seen, tiles.chunk_pages * page_tokens)
    out = _call(cache, spread, row_sight, page_table, steps, spec, tiles, blocks, interpret)
    out = out[:, :, :used, :width].reshape(b * blocks, tiles.groups, tiles.tokens, tiles.heads, group, tiles.heads, h)
    out = jnp.einsum("bcthgid,hi->btchgd", out, own)
    return out.reshape(b, blocks * tiles.tokens, n, h)[:, :t]


def _call(
    cache: Pages,
    q: jax.Array,
    sight_: jax.Array,
    page_table: jax.Array,
    steps: Plan,
    spec: AttentionSpec,
    tiles: Tiling,
    blocks: int,
    interpret: bool,
) -> jax.Array:
    """q: [steps, groups, rows, lanes] -> the same shape. sight_: int32 [steps, rows, 2]. blocks: steps of a row."""
    count, groups, rows, width = q.shape
    pages = page_table.shape[1]
    table = page_table[:, None]
    smem, whole = pltpu.SMEM, pl.BlockSpec(memory_space=pl.ANY)

    def table_of(ahead: int) -> pl.BlockSpec:
        at = lambda i, *_: (jnp.minimum(i + ahead, count - 1) // blocks, 0, 0)  # noqa: E731
        return pl.BlockSpec((1, 1, pages), at, memory_space=smem)

    each = pl.BlockSpec((1, groups, rows, width), lambda i, *_: (i, 0, 0, 0))
    state = pltpu.VMEM((groups, rows, LANES), jnp.float32)
    pools = [pool for pool in cache if pool is not None]
    buffers = [pltpu.VMEM((2, tiles.chunk_pages, *pool.shape[1:]), pool.dtype) for pool in pools]
    return pl.pallas_call(
        partial(_kernel, tiles=tiles, spec=spec, count=len(pools)),
        grid_spec=pltpu.PrefetchScalarGridSpec(
            num_scalar_prefetch=3,
            grid=(count,),
            in_specs=[
                table_of(0),
                table_of(1),
                each,
                pl.BlockSpec((1, rows, 2), lambda i, *_: (i, 0, 0)),
                *[whole] * len(pools),
            ],
            out_specs=each,
            scratch_shapes=[
                *buffers,
                pltpu.VMEM((groups, rows, width), jnp.float32),
                state,
                state,
                smem((1,), jnp.int32),
                pltpu.SemaphoreType.DMA((2, len(pools))),
            ],
        ),
        out_shape=jax.ShapeDtypeStruct(q.shape, q.dtype),
        compiler_params=pltpu.CompilerParams(dimension_semantics=("arbitrary",)),
        interpret=pltpu.InterpretParams() if interpret else False,
        name="paged_attention",
    )(*steps, table, table, q, sight_, *pools)


def _kernel(
    first_ref: Any,
    chunks_ref: Any,
    last_ref: Any,
    table_ref: Any,
    next_table_ref: Any,
    q_ref: Any,
    sight_ref: Any,
    *refs: Any,
    tiles: Tiling,
    spec: AttentionSpec,
    count: int,
) -> None:
    """One step of the grid. refs: `count` pools, what comes out, as many buffers, and what is kept meanwhile; of that
    slot_ref says which half of the buffers the first chunk is in, or on its way to."""
    pools, out_ref, buffers = refs[:count], refs[count], refs[count + 1 : 2 * count + 1]
    sums_ref, top_ref, total_ref, slot_ref, semaphores = refs[2 * count + 1 :]
    step, steps = pl.program_id(0), pl.num_programs(0)
    page_tokens = buffers[0].shape[2]

    def copies(table: Any, page: jax.Array, number: jax.Array, slot: jax.Array) -> list[Any]:
        at = table[0, 0, number]
        return [
            pltpu.make_async_copy(pool.at[at], buffer.at[slot, page], semaphores.at[slot, i])
            for i, (pool, buffer) in enumerate(zip(pools, buffers, strict=True))
        ]

    def each_page(table: Any, chunk: jax.Array, last: jax.Array, slot: jax.Array, act: str) -> None:
        begin = chunk * tiles.chunk_pages
        count = jnp.minimum(last // page_tokens + 1 - begin, tiles.chunk_pages)

        @pl.loop(0, count)
        def _(page: jax.Array) -> None:
            for copy in copies(table, page, begin + page, slot):
                getattr(copy, act)()

    def start_next_step(slot: jax.Array) -> None:
        after = jnp.minimum(step + 1, steps - 1)

        @pl.when((step + 1 < steps) & (chunks_ref[after] > 0))
        def _() -> None:
            each_page(next_table_ref, first_ref[after], last_ref[after], slot, "start")

    @pl.when(step == 0)
    def _() -> None:
        slot_ref[0] = 0

        @pl.when(chunks_ref[0] > 0)
        def _() -> None:
            each_page(table_ref, first_ref[0], last_ref[0], jnp.int32(0), "start")

    first, chunks, last, base = first_ref[step], chunks_ref[step], last_ref[step], slot_ref[0]
    sums_ref[...] = jnp.zeros_like(sums_ref)
    top_ref[...] = jnp.full_like(top_ref, MASKED)
    total_ref[...] = jnp.zeros_like(total_ref)

    @pl.when(chunks == 0)
    def _() -> None:
        start_next_step(base)

    @pl.loop(0, chunks)
    def _(index: jax.Array) -> None:
        slot = (base + index) % 2

        @pl.when(index + 1 < chunks)
        def _() -> None:
            each_page(table_ref, first + index + 1, last, 1 - slot, "start")

        @pl.when(index + 1 == chunks)
        def _() -> None:
            start_next_step(1 - slot)

        each_page(table_ref, first + index, last, slot, "wait")
        _attend_chunk(
            (first + index) * tiles.chunk_pages * page_tokens,
            last,
            (q_ref, sight_ref, *(buffer.at[slot] for buffer in buffers)),
            (sums_ref, top_ref, total_ref),
            spec,
            tiles,
        )

    slot_ref[0] = (base + chunks) % 2
    total = total_ref[:, :, :1]
    out_ref[0] = (sums_ref[...] / jnp.where(total > 0, total, 1.0)).astype(out_ref.dtype)


def _attend_chunk(
    begin: jax.Array,
    last: jax.Array,
    inputs: tuple[Any, ...],
    sums: tuple[Any, ...],
    spec: AttentionSpec,
    tiles: Tiling,
) -> None:
    """The keys and values from position `begin` on, for all groups."""
    q_ref, sight_ref, k_ref, v_ref, *scale_refs = inputs
    sums_ref, top_ref, total_ref = sums
    _, groups, rows, width = q_ref.shape
    chunk_pages, page_tokens, _ = k_ref.shape
    tokens = chunk_pages * page_tokens
    dtype = q_ref.dtype
    precision = jax.lax.Precision.HIGHEST if dtype == jnp.float32 else None
    key = begin + jax.lax.broadcasted_iota(jnp.int32, (rows, tokens), 1)
    seen = (key >= sight_ref[0, :, :1]) & (key <= sight_ref[0, :, 1:])
    # What an earlier owner left in a page may be NaN, and 0 * NaN is NaN.
    owned = begin + jax.lax.broadcasted_iota(jnp.int32, (tokens, width), 0) <= last
    for group in range(groups):
        lanes = pl.ds(group * width, width)
        k = k_ref[:, :, lanes].reshape(tokens, width).astype(dtype)
        v = jnp.where(owned, v_ref[:, :, lanes].reshape(tokens, width).astype(dtype), 0)
        raw = jax.lax.dot_general(
            q_ref[0, group], k, (((1,), (1,)), ((), ())), precision=precision, preferred_element_type=jnp.float32
        )
        if scale_refs:
            raw *= _scales(scale_refs[0], rows, page_tokens, group, tiles)
        raw *= spec.scale
        if spec.softcap is not None:
            raw = spec.softcap * jnp.tanh(raw / spec.softcap)
        raw = jnp.where(seen, raw, MASKED)
        top = top_ref[group][:, :1]
        new_top = jnp.maximum(top, raw.max(1, keepdims=True))
        weights = jnp.where(seen, jnp.exp(raw - new_top), 0.0)
        kept = jnp.exp(top - new_top)
        factors = weights
        if scale_refs:
            factors = jnp.where(seen, weights * _scales(scale_refs[1], rows, page_tokens, group, tiles), 0.0)
        added = jax.lax.dot(factors.astype(dtype), v, precision=precision, preferred_element_type=jnp.float32)
        sums_ref[group] = sums_ref[group] * kept + added
        total_ref[group] = total_ref[group] * kept + weights.sum(1, keepdims=True)
        top_ref[group] = jnp.broadcast_to(new_top, (rows, LANES))


def _scales(ref: Any, rows: int, page_tokens: int, group: int, tiles: Tiling) -> jax.Array:
    """What the numbers of each key position are multiples of, float32 [rows, tokens], of the kv head of each row.

    ref: int32 [pages, 1, lanes], their bits. Products with ones and zeros pick them, exactly.
    """
    pages, _, lanes = ref.shape
    shape = (pages * page_tokens, lanes)
    floats = jax.lax.bitcast_convert_type(ref[...], jnp.float32)
    spread = jnp.broadcast_to(floats, (pages, page_tokens, lanes)).reshape(shape)
    lane, place = (jax.lax.broadcasted_iota(jnp.int32, shape, axis) for axis in (1, 0))
    of_place = jnp.where(lane % page_tokens == place % page_tokens, spread, 0.0)
    lane, row = (jax.lax.broadcasted_iota(jnp.int32, (rows, lanes), axis) for axis in (1, 0))
    head = group * tiles.heads + row // tiles.group % tiles.heads
    own = (lane // page_tokens == head).astype(jnp.float32)
    return jax.lax.dot_general(
        own, of_place, (((1,), (1,)), ((), ())), precision=jax.lax.Precision.HIGHEST, preferred_element_type=jnp.float32
    )
