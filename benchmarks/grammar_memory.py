"""How much memory a grammar can come to need on the device: its cells, and a mask for each state if all are visited."""

from collections.abc import Sequence
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from backend.grammar import Constraint, GrammarError
from backend.grammar.automaton.tables import AutomatonTables
from backend.grammar.compile import compile_constraint
from backend.grammar.device.arena import UNIT, Arena, Placement
from backend.grammar.device.state import DEPTH
from backend.grammar.device.token_mask import compute_mask
from backend.grammar.device.vocabulary import Vocabulary, build_vocabulary
from tests.grammar_suite.devset import Case

CELLS = 1 << 24
AT_ONCE = 64


@dataclass(frozen=True)
class Footprint:
    """states: S. cells: bytes of the image. masks: different masks of the S states where the stack has no part in it.
    mask_bytes: of one.
    """

    states: int
    cells: int
    masks: int
    mask_bytes: int

    @property
    def total(self) -> int:
        """Bytes."""
        return self.cells + self.masks * self.mask_bytes


def run(cases: Sequence[Case], tokens: Sequence[bytes]) -> list[Footprint]:
    """Of each schema that is accepted; objects open."""
    vocabulary = jax.device_put(build_vocabulary(tokens))
    arena = Arena(CELLS)
    masks_of = jax.jit(_masks)
    found = []
    for case in track(cases, "computing masks", console=Console(stderr=True), transient=True):
        try:
            tables = compile_constraint(Constraint("json_schema", case.text, open_objects=True))
        except GrammarError:
            continue
        placement = arena.acquire(case.name, tables)
        states = _states(tables, placement)
        rows = (masks_of(arena.cells, vocabulary, placement.grammar, states[i]) for i in range(len(states)))
        masks = len({row.tobytes() for batch in rows for row in np.asarray(batch)})
        arena.release(case.name)
        size = -(-tables.image_size // UNIT) * UNIT * 4
        found.append(Footprint(len(tables.transitions), size, masks, 4 * vocabulary.words))
    return found


def _states(tables: AutomatonTables, placement: Placement) -> np.ndarray:
    """int32 [batches, AT_ONCE]: where each state is; the last is repeated to fill the batches."""
    count = len(tables.transitions)
    first, second = (tables.state_at(placement.grammar, state) for state in (0, 1))
    states = first + (second - first) * np.arange(count)
    return np.pad(states, (0, -count % AT_ONCE), mode="edge").astype(np.int32).reshape(-1, AT_ONCE)


def _masks(cells: jax.Array, vocabulary: Vocabulary, grammar: jax.Array, states: jax.Array) -> jax.Array:
    """uint32 [AT_ONCE, W]: of each state, with an empty stack and no character counted."""
    window = jnp.zeros(vocabulary.closers, jnp.int32)

    def one(state: jax.Array) -> jax.Array:
        return compute_mask(cells, vocabulary, grammar, state, jnp.int32(0), jnp.int32(DEPTH), window)[0]

    return jax.lax.map(one, states)


def table(footprints: Sequence[Footprint]) -> Table:
    """As text."""
    shown = Table(title=f"Memory on the device with the mask of every state, {len(footprints)} schemas")
    for heading in ("", "p50", "p90", "p99", "most", "within 16 MB", "within 64 MB"):
        shown.add_column(heading, justify="right")
    columns = {
        "states": [f.states for f in footprints],
        "cells, MB": [f.cells / 1e6 for f in footprints],
        "masks": [f.masks for f in footprints],
        "both, MB": [f.total / 1e6 for f in footprints],
    }
    for name, values in columns.items():
        within = [f"{np.mean([f.total <= limit for f in footprints]):.1%}" for limit in (16e6, 64e6)]
        shown.add_row(
            name,
            *(f"{x:.2f}" if "MB" in name else f"{x:.0f}" for x in np.quantile(values, [0.5, 0.9, 0.99, 1])),
            *(within if name == "both, MB" else ("", "")),
        )
    return shown
