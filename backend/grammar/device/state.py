"""Where each row stands in its grammar, and how much longer it may reason."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from backend.grammar.automaton.run import Runner
from backend.grammar.automaton.tables import OPEN, AutomatonTables
from backend.grammar.device.arena import Placement
from backend.grammar.device.machine import NOWHERE
from backend.grammar.device.packing import pack_flags
from backend.grammar.limits import MAX_CLOSING_TOKENS
from backend.grammar.structural.control import CUT

DEPTH = 64
"""Containers that may be open at the same time."""
NO_TOKEN = -1
UNLIMITED = int(np.iinfo(np.int32).max)


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class GrammarState:
    """One entry per row; on the host a row's scalars, on the device B or all R of them. All int32 [B] but where noted.

    grammar: where the grammar's image begins, 0 for a row without one. serial: which upload that was.
    state: NOWHERE without a grammar. depth: frames on the stack. characters, layout, items: registers, see
    backend/grammar/automaton/tables.py.
    stack, counts: int32 [B, DEPTH], the frames, the last at depth - 1, and the items that stand with each.
    ends: uint32 [B, W], the row's end tokens, packed.
    budget: tokens that may still be drawn inside reasoning, UNLIMITED for any number.
    closing: int32 [B, MAX_CLOSING_TOKENS], the tokens that end it and lead on to the answer, NO_TOKEN behind the last.
    The first of them is drawn when there is no budget any more; closed: how many of them have been drawn.
    """

    grammar: Any
    serial: Any
    state: Any
    depth: Any
    characters: Any
    layout: Any
    items: Any
    stack: Any
    counts: Any
    ends: Any
    budget: Any
    closing: Any
    closed: Any

    @property
    def constrained(self) -> jax.Array:
        """bool [B], rows with a grammar."""
        return self.grammar > 0


def empty(rows: int, words: int) -> GrammarState:
    """The state of `rows` rows without a grammar. words: 32-bit words of a token mask, W."""
    one = row(None, np.zeros(0, bool), words)
    return jax.tree.map(lambda x: jnp.broadcast_to(jnp.asarray(x), (rows, *x.shape)), one)


def row(
    placement: Placement | None,
    is_end: np.ndarray,
    words: int,
    budget: int | None = None,
    closing: Sequence[int] = (),
) -> GrammarState:
    """One row at the start of its grammar, as numpy arrays without the leading axis. is_end: bool [V], end tokens.

    budget, closing: how many tokens of reasoning there may be, None for any number, and the tokens that end it and lead
    on, fewer than MAX_CLOSING_TOKENS.
    """
    grammar, serial, state, layout = (0, 0, NOWHERE, OPEN) if placement is None else placement
    return GrammarState(
        grammar=np.asarray(grammar, np.int32),
        serial=np.asarray(serial, np.int32),
        state=np.asarray(state, np.int32),
        depth=np.asarray(0, np.int32),
        characters=np.asarray(0, np.int32),
        layout=np.asarray(layout, np.int32),
        items=np.asarray(0, np.int32),
        stack=np.zeros(DEPTH, np.int32),
        counts=np.zeros(DEPTH, np.int32),
        ends=pack_flags(is_end, words),
        budget=np.asarray(UNLIMITED if budget is None else min(budget, UNLIMITED), np.int32),
        closing=np.asarray([*closing, *[NO_TOKEN] * (MAX_CLOSING_TOKENS - len(closing))], np.int32),
        closed=np.asarray(0, np.int32),
    )


def begins(tables: AutomatonTables, string: bytes, may_end: bool = True) -> bool:
    """Whether a string of the grammar begins like this, and goes on or, if it `may_end`, is complete."""
    runner = Runner(tables, DEPTH)
    at = runner.run(string)
    return at is not None and (may_end or any(runner.step(at, byte) for byte in range(256)))


def after(start: GrammarState, tables: AutomatonTables, strings: Sequence[bytes], written: bytes = b"") -> GrammarState:
    """One row, from the `start` of the grammar of `tables`, after tokens of these bytes, which it must allow.

    written: bytes before those of the first token, of which none counts as reasoning.
    """
    runner, budget, closed = Runner(tables, DEPTH), int(start.budget), 0
    begun = runner.run(written)
    assert begun is not None
    at = begun
    for string in strings:
        reasoning = bool(tables.in_reasoning[at.state])
        forced = budget <= 0 and (reasoning or (closed > 0 and start.closing[closed] != NO_TOKEN))
        if forced and closed == 0:
            at = runner.run(bytes([CUT]), at) or at
        closed = closed + 1 if forced else 0
        budget -= reasoning and 0 < budget < UNLIMITED
        following = runner.run(string, at)
        assert following is not None
        at = following
    stack, counts = np.zeros(DEPTH, np.int32), np.zeros(DEPTH, np.int32)
    counts[: len(at.counts)] = at.counts
    stack[: len(at.stack)] = tables.frames_at(int(start.grammar), at.stack)
    return replace(
        start,
        state=np.asarray(tables.state_at(int(start.grammar), at.state), np.int32),
        depth=np.asarray(len(at.stack), np.int32),
        characters=np.asarray(at.characters, np.int32),
        layout=np.asarray(at.layout, np.int32),
        items=np.asarray(at.items, np.int32),
        stack=stack,
        counts=counts,
        budget=np.asarray(budget, np.int32),
        closed=np.asarray(closed, np.int32),
    )
