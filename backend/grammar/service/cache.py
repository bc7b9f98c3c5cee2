"""Compiled grammars that are kept, the latest in memory, more of them on disk; and for a while, why there are none."""

import logging
import math
import os
import tempfile
import threading
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

from backend.grammar.automaton.tables import AutomatonTables
from backend.grammar.errors import GrammarError

log = logging.getLogger(__name__)

FAILURE_SECONDS = 120.0
MOST_FAILURES = 1000
LONGEST_FAILURE = 10_000


class MemoryCache:
    """The tables that were used last, at most `size` bytes of them. Safe to use from several threads."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._used = 0
        self._tables: OrderedDict[str, AutomatonTables] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: str) -> AutomatonTables | None:
        """The tables under `key`, None where they are not kept or not any more."""
        with self._lock:
            if key in self._tables:
                self._tables.move_to_end(key)
            return self._tables.get(key)

    def put(self, key: str, tables: AutomatonTables) -> None:
        """Keeps `tables`, and drops those unused for longest. Tables above the whole size are not kept."""
        with self._lock:
            old = self._tables.pop(key, None)
            self._used += tables.nbytes - (old.nbytes if old else 0)
            self._tables[key] = tables
            while self._used > self._size:
                self._used -= self._tables.popitem(last=False)[1].nbytes


class FailureCache:
    """Why constraints were refused in the last FAILURE_SECONDS, of the latest MOST_FAILURES of them.

    Not for longer: what took too long or too much may fit when there is less to do. clock: seconds. Safe to use from
    several threads.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._errors: OrderedDict[str, tuple[float, str, str]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: str) -> GrammarError | None:
        """The error that the constraint under `key` had, to be raised once; None where none is remembered."""
        with self._lock:
            until, message, pointer = self._errors.get(key, (-math.inf, "", ""))
        return GrammarError(message, pointer) if self._clock() < until else None

    def put(self, key: str, error: GrammarError) -> None:
        """Remembers an error of usual length, and forgets the oldest where there are too many."""
        if len(error.message) + len(error.pointer) > LONGEST_FAILURE:
            return
        with self._lock:
            self._errors.pop(key, None)
            self._errors[key] = (self._clock() + FAILURE_SECONDS, error.message, error.pointer)
            while len(self._errors) > MOST_FAILURES:
                self._errors.popitem(last=False)


class DiskCache:
    """One file per key in a folder, at most about `size` bytes; those unused for longest go first.

    Several servers may share the folder: files appear whole or not at all. A disk that fails costs time, not answers:
    it is logged, and the grammar is compiled.
    """

    SUFFIX = ".tables"

    def __init__(self, folder: Path, size: int) -> None:
        self._folder, self._size = folder, size
        self._used: int | None = None
        self._lock = threading.Lock()

    def get(self, key: str) -> AutomatonTables | None:
        """The tables under `key`; a file that does not hold tables is removed."""
        path = self._path(key)
        try:
            data = path.read_bytes()
            os.utime(path)
        except FileNotFoundError:
            return None
        except OSError as error:
            log.warning("cannot read the compiled grammar %s: %s", path, error)
            return None
        try:
            return AutomatonTables.from_bytes(data)
        except ValueError as error:
            log.warning("removed %s: %s", path, error)
            self._remove(path)
            return None

    def put(self, key: str, data: bytes) -> None:
        """Keeps `AutomatonTables.to_bytes()` under `key`."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._write(self._path(key), data)
            self._shrink(len(data))
        except OSError as error:
            log.warning("cannot keep a compiled grammar in %s: %s", self._folder, error)

    def _path(self, key: str) -> Path:
        return self._folder / f"{key}{self.SUFFIX}"

    def _write(self, path: Path, data: bytes) -> None:
        handle, name = tempfile.mkstemp(dir=self._folder)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
            Path(name).replace(path)
        except OSError:
            self._remove(Path(name))
            raise

    def _shrink(self, added: int) -> None:
        with self._lock:
            if self._used is not None and self._used + added <= self._size:
                self._used += added
                return
            found = [(file, file.stat()) for file in self._folder.glob(f"*{self.SUFFIX}")]
            self._used = sum(stat.st_size for _, stat in found)
            for file, stat in sorted(found, key=lambda entry: entry[1].st_mtime_ns):
                if self._used <= self._size:
                    return
                self._remove(file)
                self._used -= stat.st_size

    def _remove(self, path: Path) -> None:
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            log.warning("cannot remove %s: %s", path, error)
