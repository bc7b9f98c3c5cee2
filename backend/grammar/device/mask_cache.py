"""Token masks computed before, found by the configuration they belong to. All of it lives on the device."""

from dataclasses import dataclass, replace

import jax
import jax.numpy as jnp

WAYS = 8
LANES = 128
"""A row of masks is a multiple of it: a TPU lays out other pools row by row or column by column, as that pads less."""


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class TokenMaskCache:
    """Packed token masks, and a hash table of buckets with WAYS entries each, so that a look-up is one gather.

    pool: uint32 [masks, `padded(W)`], each mask once; mask 0 allows everything. hashes: uint32 [masks, 2], of the
    contents. entries: int32 [buckets, WAYS, 2 + key size]: generation, mask, key. used: int32 [1], masks in use, the
    first of the pool. generation: int32 [1], entries of any other are void. computed: int32 [1], how many masks were
    ever computed. So every array has an axis along which the caches of several groups of rows lie side by side.

    Donate it, and carry it through loops only: what passes a `lax.cond` is copied.
    """

    pool: jax.Array
    hashes: jax.Array
    entries: jax.Array
    used: jax.Array
    generation: jax.Array
    computed: jax.Array


def empty_cache(masks: int, words: int, key_size: int, buckets: int = 4096) -> TokenMaskCache:
    """Nothing cached. masks: more than rows will ever decode at the same time. words: W. buckets: a power of two."""
    assert buckets & (buckets - 1) == 0
    # Not zeros with a row set: a compiler folds that into a constant of the whole pool and keeps it.
    everything = jnp.arange(masks)[:, None] == 0
    return TokenMaskCache(
        pool=jnp.where(everything, ~jnp.uint32(0), jnp.zeros((masks, padded(words)), jnp.uint32)),
        hashes=jnp.zeros((masks, 2), jnp.uint32),
        entries=jnp.zeros((buckets, WAYS, 2 + key_size), jnp.int32),
        used=jnp.ones(1, jnp.int32),
        generation=jnp.ones(1, jnp.int32),
        computed=jnp.zeros(1, jnp.int32),
    )


def padded(words: int) -> int:
    """Numbers of a mask in the pool, for W = `words`."""
    return -(-words // LANES) * LANES


def make_room(cache: TokenMaskCache, masks: int) -> TokenMaskCache:
    """A cache that takes `masks` more masks: this one, or an empty one if it is too full."""
    assert cache.pool.shape[0] > masks
    full = cache.used + masks > cache.pool.shape[0]
    return replace(cache, used=jnp.where(full, 1, cache.used), generation=cache.generation + full)


def find(cache: TokenMaskCache, keys: jax.Array) -> jax.Array:
    """The place in the pool of each key's mask, int32 [...]; -1 if there is none. keys: int32 [..., key size]."""
    bucket = cache.entries[_bucket(cache, keys)]
    same = (bucket[..., 0] == cache.generation) & (bucket[..., 2:] == keys[..., None, :]).all(-1)
    return jnp.where(same, bucket[..., 1], -1).max(-1)


def read(cache: TokenMaskCache, places: jax.Array, words: int) -> jax.Array:
    """The masks at `places` int32 [...] of the pool, uint32 [..., W] for W = `words`."""
    return cache.pool[places][..., :words]


def insert(cache: TokenMaskCache, key: jax.Array, mask: jax.Array) -> tuple[TokenMaskCache, jax.Array]:
    """The cache with `mask` uint32 [W] under `key` int32 [key size], and its place in the pool, int32.

    There must be room for it. An older entry of a full bucket gives way.
    """
    hashed, used, generation = _content_hash(mask), cache.used[0], cache.generation[0]
    likely = jnp.argmax((cache.hashes == hashed).all(-1) & (jnp.arange(cache.pool.shape[0]) < used))
    row = jnp.pad(mask, (0, cache.pool.shape[1] - mask.size))
    known = (cache.pool[likely] == row).all() & (likely < used)
    place = jnp.where(known, likely, used).astype(jnp.int32)
    bucket = _bucket(cache, key)
    void = cache.entries[bucket, :, 0] != generation
    way = jnp.where(void.any(), jnp.argmax(void), cache.computed[0] % WAYS)
    entry = jnp.concatenate([jnp.stack([generation, place]), key])
    return replace(
        cache,
        pool=jax.lax.dynamic_update_index_in_dim(cache.pool, row, place, 0),
        hashes=jax.lax.dynamic_update_index_in_dim(cache.hashes, hashed, place, 0),
        entries=jax.lax.dynamic_update_slice(cache.entries, entry[None, None], (bucket, way, 0)),
        used=cache.used + ~known,
        computed=cache.computed + 1,
    ), place


def _bucket(cache: TokenMaskCache, keys: jax.Array) -> jax.Array:
    mixed = jnp.zeros(keys.shape[:-1], jnp.uint32)
    for i in range(keys.shape[-1]):
        mixed = _mix(mixed ^ keys[..., i].astype(jnp.uint32))
    return (mixed & (cache.entries.shape[0] - 1)).astype(jnp.int32)


def _content_hash(mask: jax.Array) -> jax.Array:
    """uint32 [2]: two sums of the words with pseudo-random odd factors."""
    index = jnp.arange(mask.size, dtype=jnp.uint32)
    factors = _mix(jnp.stack([2 * index, 2 * index + 1])) | 1
    return (_mix(mask) * factors).sum(-1, dtype=jnp.uint32)


def _mix(x: jax.Array) -> jax.Array:
    """A bijection of uint32 in which every bit matters (the finaliser of MurmurHash3)."""
    x = (x ^ (x >> 16)) * jnp.uint32(0x85EBCA6B)
    x = (x ^ (x >> 13)) * jnp.uint32(0xC2B2AE35)
    return x ^ (x >> 16)
