"""A grammar run over a few tokens, each on its own and with a stack of its own."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from backend.grammar.device.machine import NOWHERE, Place, Top, min_closing_depth, move, read, where
from backend.grammar.device.vocabulary import Vocabulary

Carry = tuple[jax.Array, Place, jax.Array, jax.Array, jax.Array, jax.Array]


class Start(NamedTuple):
    """Where all lanes begin: the place, int32; depth, room: int32, of the stack; columns: int32 [256], see
    `columns_of`.

    window, counts: int32 [closers], the last frames of the stack, the top one last, and the items that stand with them.
    """

    place: Place
    depth: jax.Array
    room: jax.Array
    columns: jax.Array
    window: jax.Array
    counts: jax.Array


def run_lanes(
    cells: jax.Array, vocabulary: Vocabulary, start: Start, tokens: jax.Array, count: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Whether each of the first `count` of `tokens` int32 [lanes] is allowed, bool [lanes], False for the rest; and
    whether one of them looked at the window, bool.
    """
    closers, slots = vocabulary.closers, jnp.arange(vocabulary.closers + vocabulary.openers)
    lengths = jnp.where(jnp.arange(tokens.size) < count, vocabulary.lengths[tokens], 0)
    offsets = vocabulary.offsets[tokens]

    def going(i: jax.Array, at: Place) -> jax.Array:
        return (i < lengths) & (at.state != NOWHERE)

    def body(carry: Carry) -> Carry:
        i, at, height, frames, counts, used = carry
        go = going(i, at)
        byte = read(vocabulary.spelling, jnp.where(go, offsets + i, 0)).astype(jnp.int32)
        last = jnp.maximum(height - 1, 0)[:, None]
        frame, items = (jnp.take_along_axis(stack, last, 1)[:, 0] for stack in (frames, counts))
        above = height - closers
        to = move(cells, at, read(start.columns, byte), Top(frame, items, start.depth + above, start.room - above))
        push, pop = go & to.push, go & to.pop
        pushed = push[:, None] & (slots == height[:, None])
        frames = jnp.where(pushed, to.frame[:, None], frames)
        counts = jnp.where(pushed, at.items[:, None], counts)
        used = used | (pop & (height <= closers)).any()
        return i + 1, where(go, to.place, at), height + push - pop, frames, counts, used

    def each(value: jax.Array) -> jax.Array:
        return jnp.broadcast_to(value, (tokens.size, *value.shape))

    frames, counts = (jnp.concatenate([x, jnp.zeros(vocabulary.openers, jnp.int32)]) for x in start[-2:])
    carry = (jnp.int32(0), *jax.tree.map(each, (start.place, jnp.int32(closers), frames, counts)), jnp.array(False))
    _, at, height, _, _, used = jax.lax.while_loop(lambda c: going(c[0], c[1]).any(), body, carry)
    fits = min_closing_depth(cells, at.state) <= start.room + closers - height
    return (lengths > 0) & (at.state != NOWHERE) & fits, used
