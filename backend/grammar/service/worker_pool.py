"""Processes that compile, so that a compilation holds no lock of the server and can be stopped at any point."""

import json
import logging
import os
import queue
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

from backend.grammar.alphabet import COMPLETE, Alphabet
from backend.grammar.constraint import Constraint
from backend.grammar.errors import GrammarError
from backend.grammar.limits import DEFAULT_LIMITS, Limits
from backend.grammar.service import protocol

log = logging.getLogger(__name__)

WORKER = "backend.grammar.service.worker"
TARGET = "backend.grammar.compile:compile_constraint"


class WorkerPool:
    """A fixed number of worker processes. A worker that ends, for whatever reason, is replaced.

    target: the function that compiles, as "module:name", importable by a fresh interpreter.
    limits: the time that one compilation may take, and the memory that it may use (enforced on Linux).
    alphabet: what the words of all constraints are written in.
    """

    def __init__(
        self, processes: int, target: str = TARGET, limits: Limits = DEFAULT_LIMITS, alphabet: Alphabet = COMPLETE
    ) -> None:
        self._target, self._limits, self._alphabet = target, limits, alphabet
        self._closed = False
        self._lock = threading.Lock()
        self._workers: set[Worker] = set()
        # The worker that was used last comes first: what it has cached is the warmest.
        self._idle: queue.LifoQueue[Worker] = queue.LifoQueue()
        for _ in range(processes):
            self._idle.put(self._start())

    def run(self, constraint: Constraint) -> bytes:
        """The tables of a constraint, as bytes. Waits for a worker, then at most the time of the limits.

        Raises GrammarError for what cannot be compiled or passes a limit, RuntimeError for a fault of ours.
        """
        request = protocol.encode(constraint)
        # A process that somebody else ended is no fault of the constraint; one that ends twice may be.
        answer = self._ask(request) or self._ask(request)
        if answer is None:
            raise GrammarError("the grammar compiler crashed on this twice; simplify it")
        return self._read(answer)

    def warm(self) -> None:
        """Waits until every worker is ready. Raises RuntimeError where one does not start."""
        for each in tuple(self._workers):
            each.wait_until_ready()

    def close(self) -> None:
        """Ends all workers; compilations that run fail."""
        with self._lock:
            self._closed = True
            for each in self._workers:
                each.kill()

    @property
    def processes(self) -> list[int]:
        """The process ids of the workers that run."""
        return [each.process.pid for each in self._workers]

    def _start(self) -> "Worker":
        with self._lock:
            if self._closed:
                raise RuntimeError("the grammar compiler is closed")
            started = Worker(self._target, self._limits, self._alphabet)
            self._workers.add(started)
            return started

    def _replace(self, dead: "Worker") -> "Worker":
        started = self._start()
        with self._lock:
            self._workers.discard(dead)
        dead.kill()
        return started

    def _revived(self, used: "Worker") -> "Worker":
        """The worker, or a new one if it has ended; also a dead one, which the next who takes it replaces."""
        if used.alive or self._closed:
            return used
        try:
            return self._replace(used)
        except (OSError, RuntimeError) as error:
            log.error("a grammar compiler could not be started: %s", error)
            return used

    def _ask(self, request: bytes) -> bytes | None:
        """The answer of a worker, None where its process ended instead. Raises GrammarError if it took too long."""
        taken = self._idle.get()
        try:
            if not taken.alive:
                taken = self._replace(taken)
            answer = taken.ask(request)
        finally:
            self._idle.put(self._revived(taken))
        if self._closed:
            raise RuntimeError("the grammar compiler is closed")
        if answer is None and taken.timed_out:
            raise GrammarError(f"grammar compilation exceeded {self._limits.seconds:g} s")
        if answer is None:
            log.error("a grammar compiler ended with status %s while it compiled", taken.process.returncode)
        return answer

    def _read(self, answer: bytes) -> bytes:
        kind, rest = answer[:1], answer[1:]
        if kind == protocol.REFUSED:
            raise GrammarError(*json.loads(rest))
        if kind == protocol.MEMORY:
            raise GrammarError(f"grammar compilation exceeded {self._limits.memory_bytes / 2**30:g} GiB of memory")
        if kind == protocol.FAULT:
            raise RuntimeError(f"the grammar compiler failed:\n{rest.decode()}")
        return rest


class Worker:
    """One process, used by one thread at a time. timed_out: it was ended because it took too long."""

    def __init__(self, target: str, limits: Limits, alphabet: Alphabet) -> None:
        self._seconds = limits.seconds
        self._ready = False
        self._starting = threading.Lock()
        self.timed_out = False
        # Not multiprocessing: its children import the server's main module again, and with it all of the server.
        self.process = subprocess.Popen(
            [sys.executable, "-m", WORKER, target, str(limits.memory_bytes)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=Path(__file__).parents[3],
            env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
            start_new_session=True,  # an interrupt at the terminal is for the server, which then ends its workers
        )
        assert self.process.stdin is not None and self.process.stdout is not None
        self._stdin, self._stdout = self.process.stdin, self.process.stdout
        with suppress(OSError):  # whoever waits for a process that has ended already is told so
            protocol.write_frame(self._stdin, protocol.encode_alphabet(alphabet))

    @property
    def alive(self) -> bool:
        """Whether the process still runs."""
        return self.process.poll() is None

    def wait_until_ready(self) -> None:
        """Returns once the process takes requests; raises RuntimeError where it does not start."""
        with self._starting:
            if not self._ready and protocol.read_frame(self._stdout) != protocol.READY:
                raise RuntimeError(f"a grammar compiler did not start; it ended with status {self.process.wait()}")
            self._ready = True

    def ask(self, request: bytes) -> bytes | None:
        """The answer; None where the process ended instead, or was ended because it took too long."""
        self.wait_until_ready()
        timer = threading.Timer(self._seconds, self._time_out)
        timer.start()
        try:
            protocol.write_frame(self._stdin, request)
            answer = protocol.read_frame(self._stdout)
        except OSError:
            answer = None
        finally:
            timer.cancel()
        if answer is None or answer[:1] == protocol.LAST:
            self.process.wait()
        return answer and answer[1:]

    def kill(self) -> None:
        """Ends the process, if it has not ended; whoever waits for its answer gets None."""
        self.process.kill()
        self.process.wait()

    def _time_out(self) -> None:
        self.timed_out = True
        self.process.kill()
