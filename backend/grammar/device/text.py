"""How much text may follow in the middle of a string: then the tokens that are nothing but text need not be run."""

import jax
import jax.numpy as jnp
import numpy as np

from backend.grammar.automaton.tables import ARGUMENT, COUNT, SHIFT
from backend.grammar.device.machine import NOWHERE, read
from backend.grammar.device.vocabulary import TEXT

SAME, REACHED = 1, 2
"""Where a counter has the state after a character below its limit, and at it."""
MIXED = -1
Carry = tuple[jax.Array, ...]

_ASCII = np.asarray(sorted(TEXT), np.int32)
_LEADS = np.arange(0xC2, 0xF5, dtype=np.int32)
_FOLLOWING = 1 + (_LEADS >= 0xE0) + (_LEADS >= 0xF0)
_CONTINUATIONS = np.arange(0x80, 0xC0, dtype=np.int32)
_LOWEST = np.full(_LEADS.size, 0x80)
_LOWEST[_LEADS == 0xE0], _LOWEST[_LEADS == 0xF0] = 0xA0, 0x90
_HIGHEST = np.full(_LEADS.size, 0xBF)
_HIGHEST[_LEADS == 0xED], _HIGHEST[_LEADS == 0xF4] = 0x9F, 0x8F
_SECOND = (_LOWEST[:, None] <= _CONTINUATIONS) & (_HIGHEST[:, None] >= _CONTINUATIONS)
"""bool [leads, continuations], the second bytes of well-formed UTF-8 (Unicode 16.0, table 3-7)."""


def text_room(cells: jax.Array, columns: jax.Array, state: jax.Array, characters: jax.Array, enough: int) -> jax.Array:
    """How many characters of text may follow, whichever they are, int32; more than `enough` is any number.

    Negative if it depends on the characters. columns: int32 [256], see `columns_of`. state, characters: int32.
    """

    def phase(carry: Carry) -> Carry:
        _, room, at, counted = carry
        limit = read(cells, at + 1)
        same, reached = _common(cells, columns, at, limit)
        left = limit - counted
        goes_on = (limit > 0) & (reached >= 0) & (reached != NOWHERE) & ((same == at) | (left == 1))
        last = jnp.where(same == NOWHERE, room, jnp.where((limit == 0) & (same == at), enough + 1, MIXED))
        return goes_on, jnp.where(goes_on, room + left, last), reached, limit

    start: Carry = (jnp.array(True), jnp.int32(0), state, characters)
    return jax.lax.while_loop(lambda c: c[0] & (c[1] <= enough), phase, start)[1]


def _common(cells: jax.Array, columns: jax.Array, state: jax.Array, limit: jax.Array) -> jax.Array:
    """The one state to which every character of text leads, below the limit and at it, int32 [2]; NOWHERE if none is
    allowed, MIXED if there is no such state.
    """
    ascii_ = _first(cells, state, columns[_ASCII], limit)
    wanted = ascii_[:, 0]
    return jax.lax.cond(
        (ascii_ == wanted[:, None]).all(),
        lambda: _beyond_ascii(cells, columns, _first(cells, state, columns[_LEADS], limit), wanted),
        lambda: jnp.full(2, MIXED),
    )


def _beyond_ascii(cells: jax.Array, columns: jax.Array, at: jax.Array, wanted: jax.Array) -> jax.Array:
    """`wanted` int32 [2], or MIXED where a character leads elsewhere. at: int32 [2, leads], after the lead bytes.

    The leads are followed side by side; each must have one and the same state after any of its continuations.
    """

    def follow(carry: Carry) -> Carry:
        position, at, good = carry
        used = position < _FOLLOWING
        valid = _SECOND | (position > 0)
        code = read(cells, at[..., None] + columns[_CONTINUATIONS])
        to = jnp.where(_is_next(code), code, NOWHERE)
        common = jnp.where(valid, to, 0).max(-1)
        good &= ~used | ((to == common[..., None]) | ~valid).all(-1)
        return position + 1, jnp.where(used, common, at), good

    start: Carry = (jnp.int32(0), at, jnp.ones(at.shape, bool))
    _, at, good = jax.lax.while_loop(lambda carry: carry[0] < 3, follow, start)
    return jnp.where((good & (at == wanted[:, None])).all(-1), wanted, MIXED)


def _first(cells: jax.Array, state: jax.Array, column: jax.Array, limit: jax.Array) -> jax.Array:
    """The states after first bytes, below the limit and at it, int32 [2, bytes]: NOWHERE after a byte that is not
    counted with the state's own limit, if it has one, or that is counted, if it has none.
    """
    code = read(cells, state + column)
    counter = jnp.where(code >> SHIFT == COUNT, code & ARGUMENT, 0)
    counts = (counter > 0) & (limit > 0) & (read(cells, counter) == limit)
    plain = (limit == 0) & _is_next(code)
    after = read(cells, counter + jnp.asarray([[SAME], [REACHED]]))
    return jnp.where(counts, after, jnp.where(plain, code, NOWHERE))


def _is_next(code: jax.Array) -> jax.Array:
    return (code >= 0) & (code <= ARGUMENT)
