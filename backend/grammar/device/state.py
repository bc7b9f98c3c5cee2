"""Where each row stands in its grammar."""

from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from backend.grammar.device.arena import Placement
from backend.grammar.device.machine import NOWHERE
from backend.grammar.device.packing import pack_flags
from backend.grammar.run import Runner
from backend.grammar.tables import Tables

DEPTH = 64
"""Containers that may be open at the same time."""


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class GrammarState:
    """One entry per row; on the host one row's scalars, on the device B of them. All int32 [B] but where noted.

    grammar: where the grammar's image begins, 0 for a row without one. serial: which upload that was.
    state: NOWHERE without a grammar. depth: frames on the stack. characters: of the string that is being written.
    stack: int32 [B, DEPTH], the last frame at depth - 1. ends: uint32 [B, W], the row's end tokens, packed.
    """

    grammar: Any
    serial: Any
    state: Any
    depth: Any
    characters: Any
    stack: Any
    ends: Any

    @property
    def constrained(self) -> jax.Array:
        """bool [B], rows with a grammar."""
        return self.grammar > 0


def empty(rows: int, words: int) -> GrammarState:
    """`rows` rows without a grammar; words: W."""
    one = row(None, np.zeros(0, bool), words)
    return jax.tree.map(lambda x: jnp.broadcast_to(jnp.asarray(x), (rows, *x.shape)), one)


def row(placement: Placement | None, is_end: np.ndarray, words: int) -> GrammarState:
    """One row at the start of its grammar, as numpy arrays without the leading axis. is_end: bool [V], end tokens."""
    grammar, serial, state = (0, 0, NOWHERE) if placement is None else placement
    return GrammarState(
        grammar=np.asarray(grammar, np.int32),
        serial=np.asarray(serial, np.int32),
        state=np.asarray(state, np.int32),
        depth=np.asarray(0, np.int32),
        characters=np.asarray(0, np.int32),
        stack=np.zeros(DEPTH, np.int32),
        ends=pack_flags(is_end, words),
    )


def after(start: GrammarState, tables: Tables, word: bytes) -> GrammarState:
    """One row, at the start of the grammar of `tables`, after `word`, which must begin a word of it."""
    at = Runner(tables, DEPTH).run(word)
    assert at is not None
    stack = np.zeros(DEPTH, np.int32)
    stack[: len(at.stack)] = tables.frames_at(int(start.grammar), at.stack)
    return replace(
        start,
        state=np.asarray(tables.state_at(int(start.grammar), at.state), np.int32),
        depth=np.asarray(len(at.stack), np.int32),
        characters=np.asarray(at.characters, np.int32),
        stack=stack,
    )
