"""The one array on the device that holds the images of all grammars in use, and who has which piece of it."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Sharding

from backend.grammar.automaton.tables import ARGUMENT, AutomatonTables
from backend.grammar.device.machine import RESERVED, reserved_cells

UPLOAD_SIZES = (1 << 20, 1 << 16, RESERVED)
"""Cells per upload call: each size is compiled once. The last is the unit of allocation."""
UNIT = UPLOAD_SIZES[-1]


Uploading = Callable[[int, np.ndarray], AbstractContextManager[None]]


def no_context(*_: object) -> AbstractContextManager[None]:
    """Nothing around what is done."""
    return nullcontext()


class ArenaFull(Exception):
    """There is no room for a grammar beside those in use."""


class Placement(NamedTuple):
    """grammar: where the image begins. serial: a number no other upload has. state, layout: the first of each."""

    grammar: int
    serial: int
    state: int
    layout: int


@dataclass
class _Resident:
    placement: Placement
    size: int
    ref_count: int = 0


class Arena:
    """First fit; grammars that nobody uses stay until their room is needed, the longest unused go first.

    cells: int32 [capacity]. Uploads donate it: take it anew for every dispatch. Nothing is compiled after the start.
    """

    def __init__(self, capacity: int, sharding: Sharding | None = None, uploading: Uploading = no_context) -> None:
        """capacity: cells (4 bytes each), a multiple of UNIT at least. sharding: where they are, None for anywhere.

        uploading: entered around each upload of a grammar, with what `upload` is given.
        """
        capacity = -(-capacity // UNIT) * UNIT
        assert 2 * UNIT <= capacity <= ARGUMENT
        self.cells = jnp.zeros(capacity, jnp.int32, device=sharding)
        self._put = {size: _compiled_put(capacity, size, sharding) for size in UPLOAD_SIZES if size <= capacity}
        self._uploading = uploading
        self.upload(0, reserved_cells())
        self._resident: OrderedDict[Hashable, _Resident] = OrderedDict()
        self._uploads = 0

    def acquire(self, key: Hashable, tables: AutomatonTables) -> Placement:
        """Where the grammar called `key` is, uploaded if need be, and kept there until as many `release`s.

        Raises ArenaFull.
        """
        if key not in self._resident:
            size = -(-tables.image_size // UNIT) * UNIT
            base = self._make_room(size)
            self._uploads += 1
            placement = Placement(base, self._uploads, tables.state_at(base, tables.start), tables.layout)
            image = tables.image(base)
            with self._uploading(base, image):
                self.upload(base, image)
            self._resident[key] = _Resident(placement, size)
        resident = self._resident[key]
        resident.ref_count += 1
        self._resident.move_to_end(key)
        return resident.placement

    def release(self, key: Hashable) -> None:
        """One `acquire` of the grammar called `key` is over; without any, its cells may be given to another."""
        assert self._resident[key].ref_count > 0
        self._resident[key].ref_count -= 1

    def upload(self, base: int, image: np.ndarray) -> None:
        """Put an image, int32, into the cells from `base` on."""
        image = np.pad(image, (0, -image.size % UNIT))
        done = 0
        while done < image.size:
            size = next(size for size in UPLOAD_SIZES if size in self._put and size <= image.size - done)
            self.cells = self._put[size](self.cells, image[done : done + size], np.int32(base + done))
            done += size

    def _make_room(self, size: int) -> int:
        """The start of `size` free cells; drops unused grammars until there are."""
        unused = [key for key, resident in self._resident.items() if resident.ref_count == 0]
        while (base := self._first_fit(size)) is None:
            if not unused:
                raise ArenaFull(f"the grammars in use leave no room for one of {size} cells")
            del self._resident[unused.pop(0)]
        return base

    def _first_fit(self, size: int) -> int | None:
        taken = sorted((r.placement.grammar, r.size) for r in self._resident.values())
        free_from = RESERVED
        for start, length in taken:
            if start - free_from >= size:
                return free_from
            free_from = start + length
        return free_from if self.cells.size - free_from >= size else None


def _compiled_put(capacity: int, size: int, sharding: Sharding | None) -> jax.stages.Compiled:
    cells = jax.ShapeDtypeStruct((capacity,), jnp.int32, sharding=sharding)
    piece, start = jax.ShapeDtypeStruct((size,), jnp.int32), jax.ShapeDtypeStruct((), jnp.int32)
    put = jax.jit(
        lambda cells, piece, start: jax.lax.dynamic_update_slice(cells, piece, (start,)),
        donate_argnums=0,
        out_shardings=sharding,
    )
    return put.lower(cells, piece, start).compile()
