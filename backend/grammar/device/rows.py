"""Packed rows that were filled before, found by the configuration they belong to. All of it lives on the device."""

from dataclasses import dataclass, replace

import jax
import jax.numpy as jnp

WAYS = 8


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class RowCache:
    """P rows of W words; a table of buckets with WAYS entries each, so that a look-up is one gather.

    pool: uint32 [P, W], each row once. Row 0 allows everything. hashes: uint32 [P, 2], of the contents.
    table: int32 [buckets, WAYS, 2 + key words]: generation, row, key. used: int32, rows in use, the first of the pool.
    generation: int32, entries of any other are void. fills: int32, how many rows were ever computed.

    Donate it, and carry it through loops only: what passes a `lax.cond` is copied.
    """

    pool: jax.Array
    hashes: jax.Array
    table: jax.Array
    used: jax.Array
    generation: jax.Array
    fills: jax.Array


def empty_cache(rows: int, words: int, key_words: int, buckets: int = 4096) -> RowCache:
    """Nothing cached. rows: P, more than will ever decode at the same time. buckets: a power of two."""
    assert buckets & (buckets - 1) == 0
    return RowCache(
        pool=jnp.zeros((rows, words), jnp.uint32).at[0].set(~jnp.uint32(0)),
        hashes=jnp.zeros((rows, 2), jnp.uint32),
        table=jnp.zeros((buckets, WAYS, 2 + key_words), jnp.int32),
        used=jnp.int32(1),
        generation=jnp.int32(1),
        fills=jnp.int32(0),
    )


def make_room(cache: RowCache, rows: int) -> RowCache:
    """A cache that takes `rows` more rows: this one, or an empty one if it is too full."""
    assert cache.pool.shape[0] > rows
    full = cache.used + rows > cache.pool.shape[0]
    return replace(cache, used=jnp.where(full, 1, cache.used), generation=cache.generation + full)


def find(cache: RowCache, keys: jax.Array) -> jax.Array:
    """The row of each key int32 [..., key words], int32 [...]; -1 if there is none."""
    entries = cache.table[_bucket(cache, keys)]
    same = (entries[..., 0] == cache.generation) & (entries[..., 2:] == keys[..., None, :]).all(-1)
    return jnp.where(same, entries[..., 1], -1).max(-1)


def insert(cache: RowCache, key: jax.Array, row: jax.Array) -> tuple[RowCache, jax.Array]:
    """Remember the packed `row` uint32 [W] under `key` int32 [key words]; also its place in the pool, int32.

    There must be room for it. An older entry of a full bucket gives way.
    """
    hashed = _content_hash(row)
    likely = jnp.argmax((cache.hashes == hashed).all(-1) & (jnp.arange(cache.pool.shape[0]) < cache.used))
    known = (cache.pool[likely] == row).all() & (likely < cache.used)
    place = jnp.where(known, likely, cache.used).astype(jnp.int32)
    bucket = _bucket(cache, key)
    void = cache.table[bucket, :, 0] != cache.generation
    way = jnp.where(void.any(), jnp.argmax(void), cache.fills % WAYS)
    entry = jnp.concatenate([jnp.stack([cache.generation, place]), key])
    return replace(
        cache,
        pool=jax.lax.dynamic_update_index_in_dim(cache.pool, row, place, 0),
        hashes=jax.lax.dynamic_update_index_in_dim(cache.hashes, hashed, place, 0),
        table=jax.lax.dynamic_update_slice(cache.table, entry[None, None], (bucket, way, 0)),
        used=cache.used + ~known,
        fills=cache.fills + 1,
    ), place


def _bucket(cache: RowCache, keys: jax.Array) -> jax.Array:
    mixed = jnp.zeros(keys.shape[:-1], jnp.uint32)
    for i in range(keys.shape[-1]):
        mixed = _mix(mixed ^ keys[..., i].astype(jnp.uint32))
    return (mixed & (cache.table.shape[0] - 1)).astype(jnp.int32)


def _content_hash(row: jax.Array) -> jax.Array:
    """uint32 [2]: two sums of the words with pseudo-random odd factors."""
    index = jnp.arange(row.size, dtype=jnp.uint32)
    factors = _mix(jnp.stack([2 * index, 2 * index + 1])) | 1
    return (_mix(row) * factors).sum(-1, dtype=jnp.uint32)


def _mix(x: jax.Array) -> jax.Array:
    """A bijection of uint32 in which every bit matters (the finaliser of MurmurHash3)."""
    x = (x ^ (x >> 16)) * jnp.uint32(0x85EBCA6B)
    x = (x ^ (x >> 13)) * jnp.uint32(0xC2B2AE35)
    return x ^ (x >> 16)
