"""Constraints to tables for a server: compiled once, in processes of their own, and kept."""

import hashlib
import json
import logging
import threading
import time
from collections.abc import Callable, Hashable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from pathlib import Path

from backend.backlog import Backlog
from backend.grammar.alphabet import COMPLETE, Alphabet
from backend.grammar.automaton.run import Runner
from backend.grammar.automaton.tables import AutomatonTables
from backend.grammar.constraint import Constraint, Whitespace
from backend.grammar.errors import GrammarError
from backend.grammar.limits import DEFAULT_LIMITS
from backend.grammar.service.cache import DiskCache, FailureCache, MemoryCache
from backend.grammar.service.turns import Job
from backend.grammar.service.worker_pool import WorkerPool
from backend.grammar.structural.control import marker_bytes
from backend.grammar.structural.terms import Marker

log = logging.getLogger(__name__)

MEMORY_BYTES = 256 << 20
DISK_BYTES = 1 << 30
MOST_PENDING = 64
MOST_OF_ONE_CLIENT = 16
"""Constraints that may be under way, of all clients and of one."""


def _nothing() -> None:
    pass


@dataclass(frozen=True)
class Grammar:
    """A compiled constraint, or one that is being compiled: every choice of a request must be a string of its language.

    key: equal keys mean equal tables. tables: may still be under way; the choices are prefilled meanwhile and wait.
    They fail with GrammarError for what cannot be compiled; whoever submitted the request then cancels it.
    release: to be called by who asked for the grammar and does not wait for it any more; may be called at any time,
    and again. What nobody waits for is not compiled, and its tables fail with Abandoned.
    """

    key: Hashable
    tables: Future[AutomatonTables]
    release: Callable[[], None] = field(default=_nothing, compare=False)

    def accepts(self, text: Marker) -> bool:
        """Whether a text is in the language. text: its control tokens told apart. For a grammar that is compiled."""
        return Runner(self.tables.result(timeout=0)).accepts(marker_bytes(text))


class CompilerBusy(Exception):
    """As many constraints as may wait are waiting, of all clients or of this one.

    retry_after: seconds after which it may be taken.
    """

    def __init__(self, retry_after: int) -> None:
        super().__init__(f"the grammar compilers are busy; there may be room in {retry_after} s")
        self.retry_after = retry_after


@dataclass(eq=False)
class Compilation:
    """A constraint that is being compiled. job: its place among those. waiting: how many wait for it."""

    job: Job
    tables: Future[AutomatonTables] = field(default_factory=Future)
    waiting: int = 0

    def __post_init__(self) -> None:
        self.tables.set_running_or_notify_cancel()


class Compiler:
    """Compiles each constraint once, however many ask for it at the same time. Safe to use from several threads.

    folder: where compiled grammars outlive the process, None for nowhere. alphabet: what their words are written in.
    processes: how many compile at a time.
    whitespace, bounded_numbers: of all constraints, see `Constraint`.
    memory, disk: bytes of compiled grammars that are kept. pool: the processes, where not the usual ones.
    clock: seconds, by which refusals are kept for a while and the pace is told.
    """

    def __init__(
        self,
        folder: Path | None,
        alphabet: Alphabet = COMPLETE,
        processes: int = 2,
        *,
        whitespace: Whitespace = "model",
        bounded_numbers: bool = True,
        memory: int = MEMORY_BYTES,
        disk: int = DISK_BYTES,
        pool: WorkerPool | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._memory = MemoryCache(memory)
        self._disk = None if folder is None else DiskCache(folder, disk)
        self._failures = FailureCache(clock)
        self._alphabet, self._whitespace, self._bounded_numbers = alphabet, whitespace, bounded_numbers
        self._pool = pool or WorkerPool(processes, alphabet=alphabet)
        # A thread for each that may wait, so that none found on disk waits for those that are compiled.
        self._threads = ThreadPoolExecutor(MOST_PENDING, thread_name_prefix="grammar")
        self._pending: dict[str, Compilation] = {}
        self._backlog = Backlog(clock)
        self._lock = threading.Lock()
        log.info("grammars: %d compilers, kept in %s", processes, folder or "memory only")

    def compile(self, constraint: Constraint, client: Hashable = None) -> Grammar:
        """The grammar, whose tables may be under way; those in memory are there at once. Raises CompilerBusy.

        The tables fail with GrammarError for what cannot be compiled, also at once where that is known from an earlier
        time. They cannot be cancelled: others may share them. client: to whose share of the compilers it counts, if
        nobody else's compilation is under way; None for nobody's.
        """
        constraint = replace(constraint, whitespace=self._whitespace, bounded_numbers=self._bounded_numbers)
        key = constraint_key(constraint, self._alphabet)
        with self._lock:
            compilation = self._pending.get(key)
            if compilation is None:
                if (known := self._known(key)) is not None:
                    return Grammar(key, known)
                compilation = self._begin(key, constraint, client)
            compilation.waiting += 1
        return Grammar(key, compilation.tables, _Once(lambda: self._release(key, compilation)))

    def warm(self) -> None:
        """Waits until the processes are ready. Raises RuntimeError where one does not start."""
        self._pool.warm()

    def close(self) -> None:
        """Ends the processes; compilations that run fail."""
        self._pool.close()
        self._threads.shutdown()

    def _known(self, key: str) -> Future[AutomatonTables] | None:
        """What is remembered of an earlier time: tables, or why there are none."""
        tables = self._memory.get(key)
        error = self._failures.get(key)
        if tables is None and error is None:
            return None
        known: Future[AutomatonTables] = Future()
        if tables is not None:
            known.set_result(tables)
        else:
            known.set_exception(error)
        return known

    def _begin(self, key: str, constraint: Constraint, client: Hashable) -> Compilation:
        of_client = sum(each.job.client == client for each in self._pending.values())
        if len(self._pending) == MOST_PENDING or (client is not None and of_client == MOST_OF_ONE_CLIENT):
            raise CompilerBusy(self._backlog.retry_after(client, 1))
        if not self._pending:
            self._backlog.began()
        compilation = self._pending[key] = Compilation(Job(client))
        self._threads.submit(self._resolve, key, constraint, compilation)
        return compilation

    def _release(self, key: str, compilation: Compilation) -> None:
        with self._lock:
            compilation.waiting -= 1
            if compilation.waiting or self._pending.get(key) is not compilation:
                return
            self._end(key)
        self._pool.abandon(compilation.job)

    def _resolve(self, key: str, constraint: Constraint, compilation: Compilation) -> None:
        try:
            tables = None if self._disk is None else self._disk.get(key)
            data = b"" if tables else self._pool.run(constraint, compilation.job)
            tables = tables or AutomatonTables.from_bytes(data)
        except BaseException as error:
            if isinstance(error, GrammarError):
                self._failures.put(key, error)
            self._forget(key, compilation)
            compilation.tables.set_exception(error)
            return
        self._memory.put(key, tables)
        self._forget(key, compilation)
        compilation.tables.set_result(tables)
        if data and self._disk is not None:
            self._disk.put(key, data)

    def _forget(self, key: str, compilation: Compilation) -> None:
        with self._lock:
            if self._pending.get(key) is compilation:
                self._end(key)

    def _end(self, key: str) -> None:
        """A place has come free. Only with the lock."""
        del self._pending[key]
        self._backlog.ended()


class _Once:
    """Calls a function the first time that it is called, and never again. Safe to use from several threads."""

    def __init__(self, function: Callable[[], None]) -> None:
        self._functions = [function]

    def __call__(self) -> None:
        try:
            function = self._functions.pop()
        except IndexError:
            return
        function()


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
