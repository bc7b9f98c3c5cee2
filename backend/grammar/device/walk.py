"""A grammar run over all strings of a trie."""

import jax
import jax.numpy as jnp

from backend.grammar.device.machine import NOWHERE, TRAP, counting_move, plain_move, read
from backend.grammar.device.trie import Trie

Carry = tuple[jax.Array, ...]


def walk(
    cells: jax.Array, trie: Trie, which: jax.Array, columns: jax.Array, state: jax.Array, characters: jax.Array
) -> jax.Array:
    """The state at each node and tail of one set, int32 [size + 1], NOWHERE where the string is not allowed and at the
    last place.

    which: int32, the set; what the others and the padding get has no meaning. columns: int32 [256], see `columns_of`.
    state, characters: int32, at the root. No string may use the stack. Loops and no conditionals, as these would copy
    all nodes: first without the count of characters, then with it if a string needs it.
    """
    begin, end = trie.blocks[which], trie.blocks[which + 1]
    counts = read(cells, state + 1) > 0

    def plain(i: jax.Array, states: jax.Array) -> jax.Array:
        parents, column = _block(trie, i, columns)
        return _put(trie, states, plain_move(cells, read(states, parents), column), i)

    def counting(i: jax.Array, carry: Carry) -> Carry:
        states, counted = carry
        parents, column = _block(trie, i, columns)
        new = counting_move(cells, read(states, parents), read(counted, parents), column)
        return _put(trie, states, new[0], i), _put(trie, counted, new[1], i)

    states = jnp.full(trie.size + 1, NOWHERE, jnp.int32).at[0].set(state)
    states = jax.lax.fori_loop(begin, jnp.where(counts, begin, end), plain, states)
    trapped = counts | (states == TRAP).any()
    counted = jnp.full(trie.nodes, characters)
    states, counted = jax.lax.fori_loop(begin, jnp.where(trapped, end, begin), counting, (states, counted))
    tails = _tails(cells, trie, which, columns, (read(states, trie.tail_parents), read(counted, trie.tail_parents)))
    return jax.lax.dynamic_update_slice(states, tails, (trie.nodes,))


def _block(trie: Trie, i: jax.Array, columns: jax.Array) -> tuple[jax.Array, jax.Array]:
    """The parents of a block's nodes, and where the codes of their last bytes stand."""
    last_bytes = jax.lax.dynamic_index_in_dim(trie.last_bytes, i, 0, keepdims=False)
    return jax.lax.dynamic_index_in_dim(trie.parents, i, 0, keepdims=False), read(columns, last_bytes.astype(jnp.int32))


def _put(trie: Trie, nodes: jax.Array, block: jax.Array, i: jax.Array) -> jax.Array:
    return jax.lax.dynamic_update_slice(nodes, block, (1 + i * trie.parents.shape[1],))


def _tails(cells: jax.Array, trie: Trie, which: jax.Array, columns: jax.Array, start: Carry) -> jax.Array:
    """The state at the end of every tail of the set, int32 [tails]. start: states and counts at their parents."""
    number = jnp.arange(trie.tail_lengths.size)
    lengths = jnp.where((number >= trie.tails[which]) & (number < trie.tails[which + 1]), trie.tail_lengths, 0)

    def going(i: jax.Array, at: jax.Array) -> jax.Array:
        return (i < lengths) & (at != NOWHERE)

    def body(carry: Carry) -> Carry:
        i, at, counted = carry
        go = going(i, at)
        new = counting_move(cells, at, counted, read(columns, trie.tail_bytes[:, i].astype(jnp.int32)))
        return i + 1, jnp.where(go, new[0], at), jnp.where(go, new[1], counted)

    return jax.lax.while_loop(lambda c: going(c[0], c[1]).any(), body, (jnp.int32(0), *start))[1]
