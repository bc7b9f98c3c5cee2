"""A grammar run over all strings of a trie."""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from backend.grammar.device.machine import NOWHERE, TRAP, counting_move, plain_move, read
from backend.grammar.device.trie import Trie

Place = tuple[jax.Array, ...]
Step = Callable[[Place, jax.Array], Place]


def walk(
    cells: jax.Array, trie: Trie, which: jax.Array, places: jax.Array, state: jax.Array, characters: jax.Array
) -> jax.Array:
    """The state at each node and tail of one set, int32 [size], NOWHERE where the string is not allowed.

    which: int32, the set; what the others and the padding get has no meaning. places: int32 [256], see `classes_of`.
    state, characters: int32, at the root. No string may use the stack. The count of characters is carried along only
    if a string needs it.
    """
    plain = jax.lax.cond(
        read(cells, state + 1) > 0,
        lambda: jnp.full(trie.size, TRAP, jnp.int32),
        lambda: _walk(trie, which, places, (state,), lambda at, place: (plain_move(cells, *at, place),)),
    )
    return jax.lax.cond(
        (plain == TRAP).any(),
        lambda: _walk(trie, which, places, (state, characters), lambda at, place: counting_move(cells, *at, place)),
        lambda: plain,
    )


def _walk(trie: Trie, which: jax.Array, places: jax.Array, root: Place, step: Step) -> jax.Array:
    """Block by block, then along the tails. root: int32 scalars, the state first."""
    size = trie.parents.shape[1]

    def body(i: jax.Array, nodes: Place) -> Place:
        parents = jax.lax.dynamic_index_in_dim(trie.parents, i, 0, keepdims=False)
        last_bytes = jax.lax.dynamic_index_in_dim(trie.last_bytes, i, 0, keepdims=False)
        new = step(tuple(read(x, parents) for x in nodes), read(places, last_bytes.astype(jnp.int32)))
        return tuple(jax.lax.dynamic_update_slice(x, y, (1 + i * size,)) for x, y in zip(nodes, new, strict=True))

    start = tuple(jnp.zeros(trie.nodes, jnp.int32).at[0].set(x) for x in root)
    nodes = jax.lax.fori_loop(trie.blocks[which], trie.blocks[which + 1], body, start)
    tails = _tails(trie, which, places, tuple(read(x, trie.tail_parents) for x in nodes), step)
    return jnp.concatenate([nodes[0], tails])


def _tails(trie: Trie, which: jax.Array, places: jax.Array, start: Place, step: Step) -> jax.Array:
    """The state at the end of every tail of the set, int32 [X]."""
    number = jnp.arange(trie.tail_lengths.size)
    lengths = jnp.where((number >= trie.tails[which]) & (number < trie.tails[which + 1]), trie.tail_lengths, 0)

    def going(i: jax.Array, at: Place) -> jax.Array:
        return (i < lengths) & (at[0] != NOWHERE)

    def body(carry: tuple[jax.Array, Place]) -> tuple[jax.Array, Place]:
        i, at = carry
        moved = step(at, read(places, trie.tail_bytes[:, i].astype(jnp.int32)))
        return i + 1, tuple(jnp.where(going(i, at), new, old) for new, old in zip(moved, at, strict=True))

    return jax.lax.while_loop(lambda carry: going(*carry).any(), body, (jnp.int32(0), start))[1][0]
