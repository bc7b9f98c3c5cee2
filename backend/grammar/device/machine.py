"""One byte of a grammar on the device, for many configurations at once. `AutomatonTables.image` lays the cells out."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from backend.grammar.automaton.tables import (
    ACCEPTING,
    ARGUMENT,
    CLOSING_DEPTH_SHIFT,
    COUNT,
    DEAD,
    FINISHED,
    HEADER,
    IN_REASONING,
    POP,
    PUSH,
    RESET,
    SHIFT,
)

NOWHERE = HEADER
"""The state after a byte that is not allowed, and the only state of grammar 0, which rows without a grammar have."""
TRAP = NOWHERE + 2 + 256
"""A state that every byte leads back to: where `plain_move` sends what it cannot follow."""
RESERVED = 4096


def reserved_cells() -> np.ndarray:
    """int32 [RESERVED], what stands before all grammars."""
    cells = np.full(RESERVED, DEAD, np.int32)
    cells[0], cells[1:HEADER] = 0, 2
    cells[NOWHERE : NOWHERE + 2] = cells[TRAP : TRAP + 2] = 0
    cells[TRAP + 2 : TRAP + 2 + 256] = TRAP
    return cells


class Move(NamedTuple):
    """What a byte does, int32 and bool [...] : the next state and count, and which frame it pushes or whether it pops.

    state is NOWHERE for a byte that is not allowed; push and pop tell what the byte wanted in either case.
    """

    state: jax.Array
    characters: jax.Array
    frame: jax.Array
    push: jax.Array
    pop: jax.Array


def read(cells: jax.Array, at: jax.Array) -> jax.Array:
    """cells[at], any shape; `at` must be within bounds. Unsigned, as a signed index is first looked at for its sign."""
    return cells.at[at.astype(jnp.uint32)].get(mode="promise_in_bounds")


def columns_of(cells: jax.Array, grammar: jax.Array) -> jax.Array:
    """int32 [256], where the codes of the bytes stand in a state's record, for one grammar."""
    return jax.lax.dynamic_slice(cells, (grammar + 1,), (256,))


def plain_move(cells: jax.Array, state: jax.Array, column: jax.Array) -> jax.Array:
    """The next state, int32 [...], where neither the stack nor the count is used, TRAP where one is.

    column: int32 [...], where the byte's code stands in a state's record.
    """
    code = read(cells, state + column)
    return jnp.where(code < 0, NOWHERE, jnp.where(code <= ARGUMENT, code, TRAP))


def counting_move(
    cells: jax.Array, state: jax.Array, characters: jax.Array, column: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """The next state and count of characters, int32 [...] each, where the stack is not used.

    column: int32 [...], where the byte's code stands in a state's record.
    """
    code = read(cells, state + column)
    kind, argument = code >> SHIFT, code & ARGUMENT
    characters = jnp.where(kind == RESET, 0, characters + (kind == COUNT))
    counter = jnp.where(kind == COUNT, argument, 0)
    reached = read(cells, counter) == characters
    target = jnp.where(kind == COUNT, read(cells, counter + 1 + reached), argument)
    return jnp.where(code < 0, NOWHERE, target), characters


def move(
    cells: jax.Array, state: jax.Array, characters: jax.Array, column: jax.Array, top: jax.Array, room: jax.Array
) -> Move:
    """One byte. All int32 [...]; column: where the byte's code stands in a state's record; top: the last frame on the
    stack; room: frames that the stack still takes.
    """
    code = read(cells, state + column)
    kind, argument = code >> SHIFT, code & ARGUMENT
    push, pop, count = kind == PUSH, kind == POP, kind == COUNT
    characters = jnp.where(kind == RESET, 0, characters + count)
    record = jnp.where(push | count, argument, 0)
    first = read(cells, record)
    after = jnp.where(pop, top + 2 + argument, record + 1 + (count & (first == characters)))
    second = read(cells, after)
    target = jnp.where(push, first, jnp.where(pop | count, second, argument))
    refused = (code < 0) | (target < 0) | (push & (second > room))
    return Move(jnp.where(refused, NOWHERE, target), characters, argument, push, pop)


def min_closing_depth(cells: jax.Array, state: jax.Array) -> jax.Array:
    """int32 [...], frames that the stack must still take before the container that each `state` is in can end."""
    return (read(cells, state) >> CLOSING_DEPTH_SHIFT) & 255


def in_reasoning(cells: jax.Array, state: jax.Array) -> jax.Array:
    """bool [...], whether what is being written in `state` int32 [...] is reasoning."""
    return read(cells, state) & IN_REASONING != 0


def accepting(cells: jax.Array, state: jax.Array, depth: jax.Array) -> jax.Array:
    """bool [...], whether the output may end in `state` with `depth` frames on the stack, both int32 [...]."""
    return (depth == 0) & (read(cells, state) & ACCEPTING != 0)


def finished(cells: jax.Array, state: jax.Array, depth: jax.Array) -> jax.Array:
    """bool [...], whether the output must end in `state` with `depth` frames on the stack, both int32 [...]."""
    return (depth == 0) & (read(cells, state) & FINISHED != 0)
