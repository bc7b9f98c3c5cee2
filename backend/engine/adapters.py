"""Adapters by name, in host memory as far as that goes; read and made ready for the device in a thread of their own."""

import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import count
from pathlib import Path

from jax.sharding import Mesh

from backend.models.adapters.checkpoint import WEIGHTS, Adapter, AdapterBase, read_adapter
from backend.models.adapters.config import CONFIG
from backend.models.adapters.placing import on_devices, slot_arrays, stack_shardings
from backend.models.adapters.stack import AdapterStacks
from backend.models.errors import CheckpointError
from backend.request import AdapterExists, UnknownAdapter

Signature = tuple[tuple[int, int], ...]
_serials = count()


class StoredAdapter:
    """An adapter that was loaded: its name, its folder, and a number that no other has, not even one of that name.

    It goes on being served to requests that have begun when its name is given away.
    """

    def __init__(self, name: str, folder: Path) -> None:
        self.name, self.folder, self.serial = name, folder, next(_serials)
        self.signature = _signature(folder)


class AdapterLibrary:
    """All adapters that requests may name. May be used from any thread.

    base: what they are read for. rank: the largest that is served. memory: bytes of host memory that hold adapters;
    those that were used longest ago are read again when they are wanted. empty: the stacks whose slots they will fill,
    or their shapes. mesh: the devices over which these are split, None for one; where some are of other hosts, what a
    slot is filled with stays on this one, from which all are told.
    """

    def __init__(
        self, base: AdapterBase, empty: AdapterStacks, rank: int, memory: int, mesh: Mesh | None = None
    ) -> None:
        self._base, self._empty, self._rank, self._memory = base, empty, rank, memory
        self._shardings = stack_shardings(base, empty, mesh)[1]
        self._ahead = mesh is None or not mesh.is_multi_process
        self._by_name: dict[str, StoredAdapter] = {}
        self._held: OrderedDict[StoredAdapter, Adapter] = OrderedDict()
        self._lock = threading.Lock()
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="adapters")
        self.reads = 0

    @property
    def names(self) -> tuple[str, ...]:
        """The names that requests may give, in the order in which they were loaded."""
        with self._lock:
            return tuple(self._by_name)

    @property
    def bytes(self) -> int:
        """Host memory that adapters take."""
        with self._lock:
            return self._bytes()

    def add(self, name: str, folder: Path) -> None:
        """Read an adapter. Raises CheckpointError where it cannot be served, AdapterExists where the name is taken."""
        with self._lock:
            self._check_free(name)
        stored = StoredAdapter(name, folder)
        adapter = self._read(stored)
        with self._lock:
            self._check_free(name)
            self._by_name[name] = stored
            self._hold(stored, adapter)

    def remove(self, name: str) -> None:
        """Forget a name; requests that have begun keep their adapter. Raises UnknownAdapter."""
        with self._lock:
            stored = self._find(name)
            del self._by_name[name]
            self._held.pop(stored, None)

    def find(self, name: str) -> StoredAdapter:
        """The adapter that has the name now. Raises UnknownAdapter."""
        with self._lock:
            return self._find(name)

    def fetch(self, stored: StoredAdapter, done: Callable[[], None]) -> Future[AdapterStacks]:
        """What a slot is filled with, if it can be on the device; the future may fail with CheckpointError.

        done: called in another thread, once it is there.
        """
        future = self._reader.submit(self._prepare, stored)
        future.add_done_callback(lambda _: done())
        return future

    def close(self) -> None:
        """Read no more."""
        self._reader.shutdown(wait=False, cancel_futures=True)

    def _prepare(self, stored: StoredAdapter) -> AdapterStacks:
        with self._lock:
            adapter = self._held.get(stored)
            if adapter is not None:
                self._held.move_to_end(stored)
        if adapter is None:
            adapter = self._read(stored)
            with self._lock:
                if self._by_name.get(stored.name) is stored:
                    self._hold(stored, adapter)
        arrays = slot_arrays(adapter, self._base, self._empty)
        return on_devices(arrays, self._shardings) if self._ahead else arrays

    def _read(self, stored: StoredAdapter) -> Adapter:
        adapter = read_adapter(stored.folder, self._base, self._rank)
        if _signature(stored.folder) != stored.signature:
            raise CheckpointError(
                f"the files of the adapter {stored.name} have changed since it was loaded; unload it and load it again"
            )
        self.reads += 1
        return adapter

    def _find(self, name: str) -> StoredAdapter:
        if name not in self._by_name:
            raise UnknownAdapter(name)
        return self._by_name[name]

    def _check_free(self, name: str) -> None:
        if name in self._by_name:
            raise AdapterExists(name)

    def _hold(self, stored: StoredAdapter, adapter: Adapter) -> None:
        """Keep it in memory, without those that were used longest ago if there is no room."""
        self._held[stored] = adapter
        while self._bytes() > self._memory:
            self._held.popitem(last=False)

    def _bytes(self) -> int:
        return sum(adapter.bytes for adapter in self._held.values())


def _signature(folder: Path) -> Signature:
    """Tells whether files have changed."""
    try:
        found = [(folder / name).stat() for name in (CONFIG, WEIGHTS)]
    except OSError:
        return ()
    return tuple((stat.st_mtime_ns, stat.st_size) for stat in found)
