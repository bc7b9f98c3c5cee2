"""The cache of token masks: it may forget, but never gives a mask that belongs to another key."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.grammar.device import mask_cache
from backend.grammar.device.mask_cache import WAYS, TokenMaskCache, empty_cache

POOL, WORDS, KEY_SIZE, BUCKETS = 6, 5, 3, 2
find = jax.jit(mask_cache.find)
insert = jax.jit(mask_cache.insert)
make_room = jax.jit(partial(mask_cache.make_room, masks=2))
contents = st.integers(1, 9)
keys = st.tuples(*[st.integers(0, 2)] * KEY_SIZE)


def cache() -> TokenMaskCache:
    return empty_cache(POOL, WORDS, KEY_SIZE, BUCKETS)


def content(value: int) -> jax.Array:
    return jnp.arange(WORDS, dtype=jnp.uint32) * value


def held(cache: TokenMaskCache, key: tuple[int, ...]) -> np.ndarray | None:
    place = int(find(cache, jnp.asarray(key, jnp.int32)))
    return None if place < 0 else np.asarray(mask_cache.read(cache, place, WORDS))


@given(st.lists(st.tuples(keys, contents), max_size=60))
@settings(max_examples=40, deadline=None)
def test_what_is_found_is_what_was_put_last(puts: list[tuple[tuple[int, ...], int]]) -> None:
    here, known = cache(), {}
    for key, value in puts:
        here = make_room(here)
        if held(here, key) is None:
            here, place = insert(here, jnp.asarray(key, jnp.int32), content(value))
            known[key] = value
            assert int(place) == int(find(here, jnp.asarray(key, jnp.int32)))
        for other, put in known.items():
            mask = held(here, other)
            assert mask is None or (mask == content(put)).all()
        assert here.used[0] <= POOL and (here.pool[0] == ~np.uint32(0)).all()


def test_equal_masks_are_kept_once() -> None:
    here = cache()
    places = []
    for i, value in enumerate((4, 5, 4, 5, 4)):
        here, place = insert(here, jnp.asarray([i, 0, 0], jnp.int32), content(value))
        places.append(int(place))
    assert places == [1, 2, 1, 2, 1] and here.used[0] == 3 and here.computed[0] == 5


def test_masks_of_equal_hashes_and_other_contents_are_kept_apart() -> None:
    here, _ = insert(cache(), jnp.zeros(3, jnp.int32), content(4))
    _, hashed_like = insert(cache(), jnp.zeros(3, jnp.int32), content(5))
    forged = here.hashes.at[1].set(insert(cache(), jnp.zeros(3, jnp.int32), content(5))[0].hashes[hashed_like])
    here, place = insert(mask_cache.replace(here, hashes=forged), jnp.ones(3, jnp.int32), content(5))
    assert int(place) == 2 and (mask_cache.read(here, jnp.int32(1), WORDS) == content(4)).all()


def test_a_mask_of_a_full_bucket_gives_way() -> None:
    here = cache()
    many = [(i, j, 0) for i in range(WAYS) for j in range(4)]
    for key in many:
        here, _ = insert(here, jnp.asarray(key, jnp.int32), content(1))
    assert held(here, many[-1]) is not None
    assert 1 <= sum(held(here, key) is not None for key in many) <= BUCKETS * WAYS


def test_a_pool_without_room_is_emptied() -> None:
    here = cache()
    for value in range(1, 5):
        here, _ = insert(make_room(here), jnp.full(3, value, jnp.int32), content(value))
    assert here.used[0] == 5 and held(here, (1, 1, 1)) is not None
    here = make_room(here)
    assert here.used[0] == 1 and all(held(here, (i, i, i)) is None for i in range(1, 5))
