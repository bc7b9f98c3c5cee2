"""Constraints to tables for a server: compiled once, in processes of their own, and kept."""

import hashlib
import json
import logging
import threading
from collections.abc import Hashable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

from backend.grammar.alphabet import COMPLETE, Alphabet
from backend.grammar.automaton.tables import AutomatonTables
from backend.grammar.constraint import Constraint
from backend.grammar.limits import DEFAULT_LIMITS
from backend.grammar.service.cache import DiskCache, MemoryCache
from backend.grammar.service.worker_pool import WorkerPool

log = logging.getLogger(__name__)

MEMORY_BYTES = 256 << 20
DISK_BYTES = 1 << 30
MOST_PENDING = 64


@dataclass(frozen=True)
class Grammar:
    """A compiled constraint, or one that is being compiled: every choice of a request must be a string of its language.

    key: equal keys mean equal tables. tables: may still be under way; the choices are prefilled meanwhile and wait.
    They fail with GrammarError for what cannot be compiled; whoever submitted the request then cancels it.
    """

    key: Hashable
    tables: Future[AutomatonTables]


class CompilerBusy(Exception):
    """As many constraints as may wait are waiting; the same one may be taken later."""


class Compiler:
    """Compiles each constraint once, however many ask for it at the same time. Safe to use from several threads.

    folder: where compiled grammars outlive the process, None for nowhere. alphabet: what their words are written in.
    processes: how many compile at a time.
    memory, disk: bytes of compiled grammars that are kept. pool: the processes, where not the usual ones.
    """

    def __init__(
        self,
        folder: Path | None,
        alphabet: Alphabet = COMPLETE,
        processes: int = 2,
        *,
        memory: int = MEMORY_BYTES,
        disk: int = DISK_BYTES,
        pool: WorkerPool | None = None,
    ) -> None:
        self._memory = MemoryCache(memory)
        self._disk = None if folder is None else DiskCache(folder, disk)
        self._alphabet = alphabet
        self._pool = pool or WorkerPool(processes, alphabet=alphabet)
        # A thread for each that may wait, so that none found on disk waits for those that are compiled.
        self._threads = ThreadPoolExecutor(MOST_PENDING, thread_name_prefix="grammar")
        self._pending: dict[str, Future[AutomatonTables]] = {}
        self._lock = threading.Lock()
        log.info("grammars: %d compilers, kept in %s", processes, folder or "memory only")

    def compile(self, constraint: Constraint) -> Grammar:
        """The grammar, whose tables may be under way; those in memory are there at once. Raises CompilerBusy.

        The tables fail with GrammarError for what cannot be compiled. They cannot be cancelled: others may share them.
        """
        key = constraint_key(constraint, self._alphabet)
        with self._lock:
            if (shared := self._pending.get(key)) is not None:
                return Grammar(key, shared)
            future: Future[AutomatonTables] = Future()
            future.set_running_or_notify_cancel()
            if (tables := self._memory.get(key)) is not None:
                future.set_result(tables)
                return Grammar(key, future)
            if len(self._pending) == MOST_PENDING:
                raise CompilerBusy
            self._pending[key] = future
        self._threads.submit(self._resolve, key, constraint, future)
        return Grammar(key, future)

    def warm(self) -> None:
        """Waits until the processes are ready. Raises RuntimeError where one does not start."""
        self._pool.warm()

    def close(self) -> None:
        """Ends the processes; compilations that run fail."""
        self._pool.close()
        self._threads.shutdown()

    def _resolve(self, key: str, constraint: Constraint, future: Future[AutomatonTables]) -> None:
        try:
            tables = None if self._disk is None else self._disk.get(key)
            data = b"" if tables else self._pool.run(constraint)
            tables = tables or AutomatonTables.from_bytes(data)
        except BaseException as error:
            self._forget(key)
            future.set_exception(error)
            return
        self._memory.put(key, tables)
        self._forget(key)
        future.set_result(tables)
        if data and self._disk is not None:
            self._disk.put(key, data)

    def _forget(self, key: str) -> None:
        with self._lock:
            del self._pending[key]


def constraint_key(constraint: Constraint, alphabet: Alphabet = COMPLETE) -> str:
    """A name for what compiling gives: of the constraint (its text as it stands), the alphabet, the limits and the
    compiler."""
    written = [alphabet.single.hex(), alphabet.whole, alphabet.partial.hex()]
    compiler = [compiler_version(), repr(DEFAULT_LIMITS)]
    parts = [*compiler, *written, *asdict(constraint).values()]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


@cache
def compiler_version() -> str:
    """A hash of the source that compiles: any change of it makes another compiler."""
    folder = Path(__file__).parents[1]
    digest = hashlib.sha256()
    for file in sorted(folder.rglob("*.py")):
        if "device" not in file.relative_to(folder).parts:
            digest.update(file.read_bytes())
    return digest.hexdigest()
