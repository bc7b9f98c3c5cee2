"""Which adapters are on the device, and whose turn it is to have a slot there."""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from itertools import count
from typing import Any, NamedTuple

from backend.engine.adapters import StoredAdapter
from backend.engine.request_state import RequestState, SequenceState
from backend.engine.waiting import Client, WaitingLine
from backend.models.adapters.stack import AdapterStacks

Fetch = Callable[[StoredAdapter], Future[AdapterStacks]]
Place = Callable[[int, AdapterStacks], None]


class Brought(NamedTuple):
    """Whether an adapter was placed, and the requests whose adapter cannot be had, each with the reason."""

    placed: bool
    failed: dict[RequestState, Exception]


def _nothing(*_: Any) -> Any:
    raise AssertionError("there are no slots for adapters")


class AdapterSlots:
    """Which adapter is in which slot on the device; in the engine's thread alone.

    An adapter has a slot before a sequence with it gets a row, and as long as any holds one. Slots that nobody holds go
    to those that wait, in their order, the least recently used first. Where there is none, the one that has been held
    for longest lets no more sequences in until it is free: so every adapter has its turn, whatever the others' load.

    slots: how many there are. fetch: has an adapter made ready for a slot. place: puts that into a slot. Both are never
    called where there are no slots, and no adapters.
    """

    def __init__(self, slots: int = 0, fetch: Fetch = _nothing, place: Place = _nothing) -> None:
        self.slots, self._fetch, self._place = slots, fetch, place
        self._free = list(range(slots))
        self._resident: OrderedDict[StoredAdapter, int] = OrderedDict()
        self._since: dict[StoredAdapter, int] = {}
        self._ticks = count()
        self._fetched: dict[StoredAdapter, Future[AdapterStacks]] = {}
        self._leaving: set[StoredAdapter] = set()
        self.placed = 0

    @property
    def resident(self) -> int:
        """How many adapters are on the device."""
        return len(self._resident)

    def slot(self, holder: SequenceState | None) -> int:
        """Where the adapter of a sequence is that holds a row, -1 for none."""
        adapter = None if holder is None else holder.parent.adapter
        return -1 if adapter is None else self._resident[adapter]

    def admits(self, adapter: StoredAdapter | None) -> bool:
        """Whether a sequence with that adapter may have a row now."""
        return adapter is None or (adapter in self._resident and adapter not in self._leaving)

    def used(self, adapter: StoredAdapter | None) -> None:
        """A sequence with that adapter has got a row."""
        if adapter is not None:
            self._resident.move_to_end(adapter)
            self._since.setdefault(adapter, next(self._ticks))

    def bring(self, waiting: WaitingLine, holders: Sequence[SequenceState], rows: Mapping[Client, int]) -> Brought:
        """Have adapters of those who wait on the device, as far as there is room.

        holders: of rows; rows: how many each client holds.
        """
        lacking = any(not self.admits(sequence.parent.adapter) for sequence in waiting)
        in_order = waiting.in_order(rows) if lacking else []
        wanted = dict.fromkeys(sequence.parent.adapter for sequence in in_order if sequence.parent.adapter)
        held = {sequence.parent.adapter for sequence in holders if sequence.parent.adapter}
        placed, failed = self._bring(wanted, held)
        ended = {sequence.parent for sequence in waiting if sequence.parent.adapter in failed}
        return Brought(placed, {request: failed[request.adapter] for request in ended if request.adapter})

    def _bring(
        self, wanted: Iterable[StoredAdapter], held: set[StoredAdapter]
    ) -> tuple[bool, dict[StoredAdapter, Exception]]:
        """Whether something was placed, and what cannot be had.

        wanted: adapters of those who wait, each once, in the order in which they are served. held: those of rows.
        """
        self._since = {adapter: since for adapter, since in self._since.items() if adapter in held}
        self._leaving = set()
        failed: dict[StoredAdapter, Exception] = {}
        kept, missing, placed = set(held), 0, self.placed
        ahead: dict[StoredAdapter, Future[AdapterStacks]] = {}
        first: set[StoredAdapter] = set()
        for adapter in wanted:
            if adapter in self._resident:
                kept.add(adapter)
                first.add(adapter)
                continue
            missing += 1
            if missing > self.slots:
                break
            future = self._fetched.get(adapter) or self._fetch(adapter)
            ahead[adapter] = future
            if not future.done():
                continue
            if (error := future.exception()) is not None:
                failed[adapter] = error if isinstance(error, Exception) else RuntimeError(str(error))
            elif (slot := self._take_slot(kept)) is not None:
                self._place(slot, future.result())
                self._resident[adapter] = slot
                self.placed += 1
                kept.add(adapter)
            else:
                self._ask_to_leave(first)
        self._fetched = {a: f for a, f in ahead.items() if a not in self._resident and a not in failed}
        return self.placed > placed, failed

    def _take_slot(self, kept: set[StoredAdapter]) -> int | None:
        if self._free:
            return self._free.pop()
        unused = next((adapter for adapter in self._resident if adapter not in kept), None)
        return None if unused is None else self._resident.pop(unused)

    def _ask_to_leave(self, first: set[StoredAdapter]) -> None:
        """Whoever has been held for longest, but for those who are wanted before who waits for a slot."""
        candidates = (adapter for adapter in self._since if adapter not in first and adapter not in self._leaving)
        longest = min(candidates, key=lambda adapter: self._since[adapter], default=None)
        if longest is not None:
            self._leaving.add(longest)
