"""Whether a state is the inside of a string in which any text may follow: then text tokens need not be run."""

import jax
import jax.numpy as jnp
import numpy as np

from backend.grammar.device.machine import NOWHERE, read
from backend.grammar.device.vocabulary import TEXT
from backend.grammar.tables import ARGUMENT, COUNT, SHIFT

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


def loops_on_text(cells: jax.Array, places: jax.Array, state: jax.Array, far: jax.Array) -> jax.Array:
    """bool, True only if every character of a text token leads from `state` back to it.

    places: int32 [256], see `classes_of`. far: bool, no token reaches the state's limit, so that counting is no change.
    """
    back = (_after(cells, state, places[_ASCII], far) == state).all()
    return jax.lax.cond(back, lambda: _loops_beyond_ascii(cells, places, state, far), lambda: jnp.array(False))


def _loops_beyond_ascii(cells: jax.Array, places: jax.Array, state: jax.Array, far: jax.Array) -> jax.Array:
    """Follows the leads side by side; each must have one and the same state after any of its continuations."""
    at = _after(cells, state, places[_LEADS], far)
    good = jnp.ones(_LEADS.size, bool)
    for position in range(3):
        used = position < _FOLLOWING
        valid = _SECOND if position == 0 else np.ones_like(_SECOND)
        to = _after(cells, at[:, None], places[_CONTINUATIONS], far)
        common = jnp.where(valid, to, 0).max(1)
        good &= ~used | ((to == common[:, None]) | ~valid).all(1)
        at = jnp.where(used, common, at)
    return (good & (at == state)).all()


def _after(cells: jax.Array, state: jax.Array, place: jax.Array, far: jax.Array) -> jax.Array:
    """The next state, where a counted character below the limit is one like any other; NOWHERE for all other moves."""
    code = read(cells, state + place)
    counted = far & (code >> SHIFT == COUNT)
    below = read(cells, jnp.where(counted, (code & ARGUMENT) + 1, 0))
    return jnp.where(counted, below, jnp.where((code >= 0) & (code <= ARGUMENT), code, NOWHERE))
