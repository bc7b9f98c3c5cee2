"""A grammar run over all strings of a trie."""

import jax
import jax.numpy as jnp

from backend.grammar.device.machine import NOWHERE, TRAP, Place, counting_move, plain_move, read, where
from backend.grammar.device.trie import Trie

Carry = tuple[jax.Array, ...]


LAYOUT_BITS = 4


def walk(
    cells: jax.Array, trie: Trie, which: jax.Array, columns: jax.Array, start: Place, depth: jax.Array
) -> jax.Array:
    """The state at each node and tail of one set, int32 [size + 1], NOWHERE where the string is not allowed and at the
    last place.

    which: int32, the set; what the others and the padding get has no meaning. columns: int32 [256], see `columns_of`.
    start: int32, at the root. No string may use the stack, which is `depth` frames deep. Loops and no conditionals, as
    these would copy all nodes: first without the registers, then with them if a string needs one.
    """
    begin, end = trie.blocks[which], trie.blocks[which + 1]
    counts = read(cells, start.state + 1) != 0

    def plain(i: jax.Array, states: jax.Array) -> jax.Array:
        parents, column = _block(trie, i, columns)
        return _put(trie, states, plain_move(cells, read(states, parents), column), i)

    def counting(i: jax.Array, carry: Carry) -> Carry:
        parents, column = _block(trie, i, columns)
        new = counting_move(cells, _unpacked(tuple(read(values, parents) for values in carry)), depth, column)
        states, characters, others = (_put(trie, *pair, i) for pair in zip(carry, _packed(new), strict=True))
        return states, characters, others

    states = jnp.full(trie.size + 1, NOWHERE, jnp.int32).at[0].set(start.state)
    states = jax.lax.fori_loop(begin, jnp.where(counts, begin, end), plain, states)
    trapped = counts | (states == TRAP).any()
    _, *registers = (jnp.full(trie.nodes, value) for value in _packed(start))
    carry = jax.lax.fori_loop(begin, jnp.where(trapped, end, begin), counting, (states, *registers))
    parents = _unpacked(tuple(read(values, trie.tail_parents) for values in carry))
    tails = _tails(cells, trie, which, columns, parents, depth)
    return jax.lax.dynamic_update_slice(carry[0], tails, (trie.nodes,))


def _packed(at: Place) -> Carry:
    """Three arrays, as all nodes have them."""
    return at.state, at.characters, at.items << LAYOUT_BITS | at.layout


def _unpacked(carry: Carry) -> Place:
    state, characters, others = carry
    return Place(state, characters, others & (1 << LAYOUT_BITS) - 1, others >> LAYOUT_BITS)


def _block(trie: Trie, i: jax.Array, columns: jax.Array) -> tuple[jax.Array, jax.Array]:
    """The parents of a block's nodes, and where the codes of their last bytes stand."""
    last_bytes = jax.lax.dynamic_index_in_dim(trie.last_bytes, i, 0, keepdims=False)
    return jax.lax.dynamic_index_in_dim(trie.parents, i, 0, keepdims=False), read(columns, last_bytes.astype(jnp.int32))


def _put(trie: Trie, nodes: jax.Array, block: jax.Array, i: jax.Array) -> jax.Array:
    return jax.lax.dynamic_update_slice(nodes, block, (1 + i * trie.parents.shape[1],))


def _tails(
    cells: jax.Array, trie: Trie, which: jax.Array, columns: jax.Array, start: Place, depth: jax.Array
) -> jax.Array:
    """The state at the end of every tail of the set, int32 [tails]. start: at their parents."""
    number = jnp.arange(trie.tail_lengths.size)
    lengths = jnp.where((number >= trie.tails[which]) & (number < trie.tails[which + 1]), trie.tail_lengths, 0)

    def going(i: jax.Array, at: Place) -> jax.Array:
        return (i < lengths) & (at.state != NOWHERE)

    def body(carry: tuple[jax.Array, Place]) -> tuple[jax.Array, Place]:
        i, at = carry
        new = counting_move(cells, at, depth, read(columns, trie.tail_bytes[:, i].astype(jnp.int32)))
        return i + 1, where(going(i, at), new, at)

    return jax.lax.while_loop(lambda c: going(*c).any(), body, (jnp.int32(0), start))[1].state
