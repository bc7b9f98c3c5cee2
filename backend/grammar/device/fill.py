"""Which tokens may come next: the whole vocabulary run from one configuration."""

import jax
import jax.numpy as jnp

from backend.grammar.device.machine import (
    NOWHERE,
    TRAP,
    classes_of,
    counting_move,
    move,
    need,
    plain_move,
    read,
)
from backend.grammar.device.vocabulary import Vocabulary

Carry = tuple[jax.Array, ...]


def fill(
    cells: jax.Array,
    vocabulary: Vocabulary,
    grammar: jax.Array,
    state: jax.Array,
    characters: jax.Array,
    room: jax.Array,
    window: jax.Array,
) -> tuple[jax.Array, jax.Array]:
    """The packed row of a configuration, uint32 [W], and whether it depended on `window` (bool).

    grammar, state, characters, room: int32; `window`: int32 [closers], the last frames of the stack, the top one last,
    0 where there is none. Token t is bit t // W of word t % W.
    """
    places = classes_of(cells, grammar)
    nodes = _nodes(cells, vocabulary, places, state, characters)
    ample = room >= read(cells, grammar) + vocabulary.openers
    fits = jax.lax.cond(ample, lambda: nodes != NOWHERE, lambda: (nodes != NOWHERE) & (need(cells, nodes) <= room))
    lanes, used = _lanes(cells, vocabulary, places, state, characters, room, window)
    allowed = jnp.concatenate([fits, lanes, jnp.zeros(1, bool)])
    return pack(allowed[vocabulary.places]), used


def pack(flags: jax.Array) -> jax.Array:
    """bool [..., 32 * W] to uint32 [..., W]: flag i is bit i // W of word i % W."""
    planes = flags.reshape(*flags.shape[:-1], 32, -1).astype(jnp.uint32)
    return (planes << jnp.arange(32, dtype=jnp.uint32)[:, None]).sum(-2, dtype=jnp.uint32)


def _nodes(
    cells: jax.Array, vocabulary: Vocabulary, places: jax.Array, state: jax.Array, characters: jax.Array
) -> jax.Array:
    """The state at every node and tail, int32 [N + X]; NOWHERE where the path is not allowed.

    The count of characters is carried along only if a path needs it.
    """
    size = sum(map(len, vocabulary.level_bytes)) + len(vocabulary.tail_parents)
    plain = jax.lax.cond(
        read(cells, state + 1) > 0,
        lambda: jnp.full(size, TRAP, jnp.int32),
        lambda: _walk(vocabulary, places, (state,), lambda at, place: (plain_move(cells, *at, place),)),
    )
    return jax.lax.cond(
        (plain == TRAP).any(),
        lambda: _walk(vocabulary, places, (state, characters), lambda at, place: counting_move(cells, *at, place)),
        lambda: plain,
    )


def _walk(vocabulary: Vocabulary, places: jax.Array, start: Carry, step) -> jax.Array:
    """Down the trie and along the tails. start: int32 scalars, the state first; step: (carry, place) -> carry."""
    level = tuple(x[None] for x in start)
    states = []
    for last_byte, parent in zip(vocabulary.level_bytes, vocabulary.level_parents, strict=True):
        level = step(tuple(read(x, parent) for x in level), read(places, last_byte))
        states.append(level[0])
    tails = tuple(read(x, vocabulary.tail_parents) for x in level)
    return jnp.concatenate([*states, _tails(vocabulary, places, tails, step)])


def _tails(vocabulary: Vocabulary, places: jax.Array, start: Carry, step) -> jax.Array:
    """The state at the end of every tail, int32 [X]."""

    def going(i: jax.Array, at: Carry) -> jax.Array:
        return (i < vocabulary.tail_lengths) & (at[0] != NOWHERE)

    def body(carry: tuple[jax.Array, Carry]) -> tuple[jax.Array, Carry]:
        i, at = carry
        moved = step(at, read(places, vocabulary.tail_bytes[:, i].astype(jnp.int32)))
        return i + 1, tuple(jnp.where(going(i, at), new, old) for new, old in zip(moved, at, strict=True))

    if vocabulary.tail_lengths.size == 0:
        return start[0]
    return jax.lax.while_loop(lambda c: going(*c).any(), body, (jnp.int32(0), start))[1][0]


def _lanes(
    cells: jax.Array,
    vocabulary: Vocabulary,
    places: jax.Array,
    state: jax.Array,
    characters: jax.Array,
    room: jax.Array,
    window: jax.Array,
) -> tuple[jax.Array, jax.Array]:
    """Whether each token with brackets is allowed, bool [K], and whether one of them looked at `window`.

    Each lane has a stack of its own: the window, and room for what the token pushes.
    """
    count, closers = vocabulary.lane_lengths.size, vocabulary.closers
    slots = jnp.arange(closers + vocabulary.openers)

    def going(i: jax.Array, at: jax.Array) -> jax.Array:
        return (i < vocabulary.lane_lengths) & (at != NOWHERE)

    def body(carry: Carry) -> Carry:
        i, at, counted, height, stack, used = carry
        go = going(i, at)
        top = jnp.take_along_axis(stack, jnp.maximum(height - 1, 0)[:, None], 1)[:, 0]
        place = read(places, vocabulary.lane_bytes[:, i].astype(jnp.int32))
        to = move(cells, at, counted, place, top, room + closers - height)
        push, pop = go & to.push, go & to.pop
        stack = jnp.where(push[:, None] & (slots == height[:, None]), to.frame[:, None], stack)
        used = used | (pop & (height <= closers)).any()
        at, counted = jnp.where(go, to.state, at), jnp.where(go, to.characters, counted)
        return i + 1, at, counted, height + push - pop, stack, used

    full = jnp.broadcast_to(jnp.concatenate([window, jnp.zeros(vocabulary.openers, jnp.int32)]), (count, slots.size))
    start = (
        jnp.int32(0),
        jnp.full(count, state),
        jnp.full(count, characters),
        jnp.full(count, closers, jnp.int32),
        full,
        jnp.array(False),
    )
    _, at, _, height, _, used = jax.lax.while_loop(lambda c: going(c[0], c[1]).any(), body, start)
    return (at != NOWHERE) & (need(cells, at) <= room + closers - height), used
