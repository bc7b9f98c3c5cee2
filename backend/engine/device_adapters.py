"""The adapters on the device: arrays that every slot has its part of, which calls of programs are given as they are."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from functools import partial

import jax
import numpy as np
from jax.sharding import Mesh

from backend import native
from backend.engine.config import EngineConfig
from backend.engine.steps import GivenAdapters
from backend.grammar.device.arena import no_context
from backend.models.adapters.checkpoint import AdapterBase
from backend.models.adapters.placing import empty_stacks, on_devices, shapes_of_slot, shapes_with, stack_shardings
from backend.models.adapters.stack import AdapterStacks, place, row_adapters
from backend.models.decoder import Decoder
from backend.target import is_here

Placing = Callable[[int, AdapterStacks], AbstractContextManager[None]]


def reserved_stacks(base: AdapterBase, config: EngineConfig, mesh: Mesh | None) -> AdapterStacks:
    """The stacks of an engine, empty: what adapters are made ready for, and what the programs take."""
    by_native = mesh is None and native.unavailable_reason() is None
    return empty_stacks(base, config.adapter_slots, config.adapter_rank, by_native)


class DeviceAdapters:
    """Slots for adapters of a decoder, as many and as large as the configuration says; empty ones add nothing.

    mesh: the devices over which they are split as their base's weights are, None for one. placing: entered around each
    `place`, with what that is given.
    base: what adapters are read for. stacks: `place` donates them, so take them anew for every call; shapes of them
    where programs are only compiled (target.py).
    """

    def __init__(
        self, decoder: Decoder, config: EngineConfig, mesh: Mesh | None, placing: Placing = no_context
    ) -> None:
        self._placing = placing
        self.base = AdapterBase(decoder)
        empty = partial(reserved_stacks, self.base, config, mesh)
        self.stacks = jax.eval_shape(empty)
        whole, self._slot = stack_shardings(self.base, self.stacks, mesh)
        if not is_here():
            self.stacks = shapes_with(self.stacks, whole)
            return
        self.stacks = jax.jit(empty, out_shardings=whole)()
        shapes = (self.stacks, np.int32(0), shapes_with(shapes_of_slot(self.stacks), self._slot))
        self._put = jax.jit(place, donate_argnums=0, out_shardings=whole).lower(*shapes).compile()

    def place(self, slot: int, one: AdapterStacks) -> None:
        """Fill a slot with what `AdapterLibrary.fetch` gave; calls that were made before see what was there."""
        with self._placing(slot, one):
            if isinstance(one.ranks, np.ndarray):
                one = on_devices(one, self._slot)
            self.stacks = self._put(self.stacks, np.int32(slot), one)

    def given(self, rows: int, slots: Sequence[int], distinct: int) -> GivenAdapters:
        """What a program of so many rows and distinct adapters takes; None for a program without any.

        slots: of each row, -1 for none; rows behind the last have none.
        """
        if not distinct:
            return None
        return self.stacks, row_adapters([*slots, *[-1] * (rows - len(slots))], distinct)
