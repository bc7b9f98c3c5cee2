"""One byte of a grammar on the device, for many configurations at once. `AutomatonTables.image` lays the cells out."""

from typing import NamedTuple, Protocol

import jax
import jax.numpy as jnp
import numpy as np

from backend.grammar.automaton.tables import (
    ACCEPTING,
    ARGUMENT,
    CLOSING,
    CLOSING_DEPTH_SHIFT,
    COMPACT,
    COUNT,
    DEAD,
    FINISHED,
    FLAT,
    FLAT_POP,
    FRAME,
    HEADER,
    IN_REASONING,
    INDENT,
    INDENTATION,
    INDENTED,
    LOOSEN,
    META,
    OPEN,
    POP,
    PUSH,
    RESET,
    RESETS,
    SEPARATE,
    SHIFT,
    WIDEST,
)

NOWHERE = HEADER
"""The state after a byte that is not allowed, and the only state of grammar 0, which rows without a grammar have."""
TRAP = NOWHERE + META + 256
"""A state that every byte leads back to: where `plain_move` sends what it cannot follow."""
RESERVED = 4096


def reserved_cells() -> np.ndarray:
    """int32 [RESERVED], what stands before all grammars."""
    cells = np.full(RESERVED, DEAD, np.int32)
    cells[0], cells[1:HEADER] = 0, META
    cells[NOWHERE : NOWHERE + META] = cells[TRAP : TRAP + META] = 0
    cells[TRAP + META : TRAP + META + 256] = TRAP
    return cells


class Place(NamedTuple):
    """Where some configurations are but for their stack, int32 [...] each: the state and the registers."""

    state: jax.Array
    characters: jax.Array
    layout: jax.Array
    items: jax.Array


def where(chosen: jax.Array, a: Place, b: Place) -> Place:
    """`a` where `chosen` bool [...], else `b`."""
    return jax.tree.map(lambda x, y: jnp.where(chosen, x, y), a, b)


class Top(NamedTuple):
    """The end of their stacks, int32 [...] each.

    frame, items: the last entry; without meaning where there is none. depth, room: how many frames there are, and how
    many more there may be.
    """

    frame: jax.Array
    items: jax.Array
    depth: jax.Array
    room: jax.Array


class Move(NamedTuple):
    """What a byte does: the next place; int32 and bool [...], which frame it pushes or whether it pops.

    The state is NOWHERE for a byte that is not allowed; push and pop tell what the byte wanted in either case.
    """

    place: Place
    frame: jax.Array
    push: jax.Array
    pop: jax.Array


class Loads(Protocol):
    """Cells that are not an array: those of a kernel."""

    def load(self, at: jax.Array) -> jax.Array:
        """cells[at], any shape; `at` must be within bounds."""
        ...


def read(cells: jax.Array | Loads, at: jax.Array) -> jax.Array:
    """cells[at], any shape; `at` must be within bounds. Unsigned, as a signed index is first looked at for its sign."""
    if not isinstance(cells, jax.Array):
        return cells.load(at)
    return cells.at[at.astype(jnp.uint32)].get(mode="promise_in_bounds")


def columns_of(cells: jax.Array, grammar: jax.Array) -> jax.Array:
    """int32 [256], where the codes of the bytes stand in a state's record, for one grammar."""
    return jax.lax.dynamic_slice(cells, (grammar + 1,), (256,))


def plain_move(cells: jax.Array | Loads, state: jax.Array, column: jax.Array) -> jax.Array:
    """The next state, int32 [...], where neither the stack nor the count is used, TRAP where one is.

    column: int32 [...], where the byte's code stands in a state's record.
    """
    code = read(cells, state + column)
    return jnp.where(code < 0, NOWHERE, jnp.where(code <= ARGUMENT, code, TRAP))


def counting_move(cells: jax.Array | Loads, at: Place, depth: jax.Array, column: jax.Array) -> Place:
    """The next place where the stack, `depth` int32 [...] frames deep, is not used.

    column: int32 [...], where the byte's code stands in a state's record.
    """
    code = read(cells, at.state + column)
    kind, argument = code >> SHIFT, code & ARGUMENT
    counts = (kind == COUNT) | (kind == SEPARATE) | (kind == INDENT)
    record = jnp.where(counts, argument, 0)
    registers, offset, refused = _registers(kind, read(cells, record), at, depth)
    target = jnp.where(counts, read(cells, record + offset), argument)
    return registers._replace(state=jnp.where((code < 0) | (target < 0) | refused, NOWHERE, target))


def move(cells: jax.Array | Loads, at: Place, column: jax.Array, top: Top) -> Move:
    """One byte. column: int32 [...], where the byte's code stands in a state's record."""
    code = read(cells, at.state + column)
    kind, argument = code >> SHIFT, code & ARGUMENT
    push, pop = kind == PUSH, (kind == POP) | (kind == FLAT_POP)
    counts = (kind == COUNT) | (kind == SEPARATE) | (kind == INDENT)
    record = jnp.where(push | counts, argument, 0)
    first = read(cells, record)
    registers, offset, refused = _registers(kind, first, at, top.depth)
    start = FRAME - 3 + (at.layout > OPEN) + (at.layout >= INDENTED)
    second = read(cells, jnp.where(pop, top.frame + FRAME + argument, record + jnp.where(push, start, offset)))
    target = jnp.where(push | pop | counts, second, argument)
    refused |= (code < 0) | (target < 0) | (push & (first > top.room)) | ((kind == FLAT_POP) & (at.layout >= INDENTED))
    place = registers._replace(
        state=jnp.where(refused, NOWHERE, target),
        layout=jnp.where(push & (at.layout == OPEN), FLAT, registers.layout),
        items=jnp.where(push, 0, jnp.where(pop, top.items, registers.items)),
    )
    return Move(place, argument, push, pop)


def _registers(kind: jax.Array, first: jax.Array, at: Place, depth: jax.Array) -> tuple[Place, jax.Array, jax.Array]:
    """The registers after a byte of some kind that does not use the stack; where the next state stands in the record
    that begins with `first`; whether the layout refuses the byte. All int32 [...] and bool [...]."""
    indents = kind == INDENT
    characters = at.characters + ((kind == COUNT) | indents)
    characters = jnp.where((kind == RESET) | (indents & (first & RESETS != 0)), 0, characters)
    separates = kind == SEPARATE
    items = at.items + (separates & (first >= 0))
    width = (at.layout - INDENTED) * (depth - (first & CLOSING))
    by_layout = jnp.maximum(jnp.minimum(at.layout, INDENTED) - COMPACT, 0)
    offset = 1 + jnp.where(separates, by_layout + 4 * (items == first), jnp.where(indents, width, first) == characters)
    layout = jnp.where(separates & (at.layout == FLAT), COMPACT, at.layout + (kind == LOOSEN))
    refused = (indents & (at.layout < INDENTED)) | (layout > WIDEST)
    return Place(at.state, characters, layout, items), offset, refused


def character_limit(cells: jax.Array | Loads, state: jax.Array, layout: jax.Array, depth: jax.Array) -> jax.Array:
    """int32 [...], the count of characters that states watch for, 0 for none, at this layout and depth of the stack."""
    limit = read(cells, state + 1)
    return jnp.where(limit < 0, (layout - INDENTED) * (depth + limit - INDENTATION), limit)


def min_closing_depth(cells: jax.Array | Loads, state: jax.Array) -> jax.Array:
    """int32 [...], frames that the stack must still take before the container that each `state` is in can end."""
    return (read(cells, state) >> CLOSING_DEPTH_SHIFT) & 255


def in_reasoning(cells: jax.Array | Loads, state: jax.Array) -> jax.Array:
    """bool [...], whether what is being written in `state` int32 [...] is reasoning."""
    return read(cells, state) & IN_REASONING != 0


def accepting(cells: jax.Array | Loads, state: jax.Array, depth: jax.Array) -> jax.Array:
    """bool [...], whether the output may end in `state` with `depth` frames on the stack, both int32 [...]."""
    return (depth == 0) & (read(cells, state) & ACCEPTING != 0)


def finished(cells: jax.Array | Loads, state: jax.Array, depth: jax.Array) -> jax.Array:
    """bool [...], whether the output must end in `state` with `depth` frames on the stack, both int32 [...]."""
    return (depth == 0) & (read(cells, state) & FINISHED != 0)
