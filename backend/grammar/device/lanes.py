"""A grammar run over a few tokens, each on its own and with a stack of its own."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from backend.grammar.device.machine import NOWHERE, min_closing_depth, move, read
from backend.grammar.device.vocabulary import Vocabulary

Carry = tuple[jax.Array, ...]


class Start(NamedTuple):
    """Where all lanes begin. state, characters, room: int32. columns: int32 [256], see `columns_of`.

    window: int32 [closers], the last frames of the stack, the top one last.
    """

    state: jax.Array
    characters: jax.Array
    room: jax.Array
    columns: jax.Array
    window: jax.Array


def run_lanes(
    cells: jax.Array, vocabulary: Vocabulary, start: Start, tokens: jax.Array, count: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Whether each of the first `count` of `tokens` int32 [lanes] is allowed, bool [lanes], False for the rest; and
    whether one of them looked at the window, bool.
    """
    closers, slots = vocabulary.closers, jnp.arange(vocabulary.closers + vocabulary.openers)
    lengths = jnp.where(jnp.arange(tokens.size) < count, vocabulary.lengths[tokens], 0)
    offsets = vocabulary.offsets[tokens]

    def going(i: jax.Array, at: jax.Array) -> jax.Array:
        return (i < lengths) & (at != NOWHERE)

    def body(carry: Carry) -> Carry:
        i, at, counted, height, stack, used = carry
        go = going(i, at)
        byte = read(vocabulary.spelling, jnp.where(go, offsets + i, 0)).astype(jnp.int32)
        top = jnp.take_along_axis(stack, jnp.maximum(height - 1, 0)[:, None], 1)[:, 0]
        to = move(cells, at, counted, read(start.columns, byte), top, start.room + closers - height)
        push, pop = go & to.push, go & to.pop
        stack = jnp.where(push[:, None] & (slots == height[:, None]), to.frame[:, None], stack)
        used = used | (pop & (height <= closers)).any()
        at, counted = jnp.where(go, to.state, at), jnp.where(go, to.characters, counted)
        return i + 1, at, counted, height + push - pop, stack, used

    def each(value: jax.Array) -> jax.Array:
        return jnp.broadcast_to(value, (tokens.size, *value.shape))

    stack = jnp.concatenate([start.window, jnp.zeros(vocabulary.openers, jnp.int32)])
    height = jnp.int32(closers)
    carry = (jnp.int32(0), *map(each, (start.state, start.characters, height, stack)), jnp.array(False))
    _, at, _, height, _, used = jax.lax.while_loop(lambda c: going(c[0], c[1]).any(), body, carry)
    return (lengths > 0) & (at != NOWHERE) & (min_closing_depth(cells, at) <= start.room + closers - height), used
