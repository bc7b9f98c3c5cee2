"""Processes that compile, so that a compilation holds no lock of the server and can be stopped at any point."""

import hashlib
import json
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from backend.grammar.alphabet import COMPLETE, Alphabet
from backend.grammar.constraint import Constraint
from backend.grammar.errors import GrammarError
from backend.grammar.limits import DEFAULT_LIMITS, Limits
from backend.grammar.service import protocol
from backend.grammar.service.turns import Abandoned, Job, Turns

log = logging.getLogger(__name__)

WORKER = "backend.grammar.service.worker"
TARGET = "backend.grammar.compile:compile_constraint"
START_SECONDS = 60.0
MOST_STARTS, MOST_CRASHES = 4, 2
"""How often one compilation waits for a worker that does not start, or is given to one that ends meanwhile."""


class WorkerEnded(Exception):
    """A worker ended while it compiled."""


class StartFailed(RuntimeError):
    """A worker ended before it could compile anything."""


class CompilerUnavailable(RuntimeError):
    """No worker can be started now, which is no fault of any constraint."""


class WorkerPool:
    """A fixed number of worker processes. A worker that ends, for whatever reason, is replaced.

    target: the function that compiles, as "module:name", importable by a fresh interpreter.
    limits: the time that one compilation may take, and the memory that it may use (enforced on Linux).
    alphabet: what the words of all constraints are written in. One client has half of the workers at most, or one.
    """

    def __init__(
        self, processes: int, target: str = TARGET, limits: Limits = DEFAULT_LIMITS, alphabet: Alphabet = COMPLETE
    ) -> None:
        self._target, self._limits, self._alphabet = target, limits, alphabet
        self._closed = False
        self._lock = threading.Lock()
        self._workers: set[Worker] = set()
        self._turns: Turns[Worker] = Turns(max(1, processes // 2))
        for _ in range(processes):
            self._turns.give(self._start())

    def run(self, constraint: Constraint, job: Job | None = None) -> bytes:
        """The tables of a constraint, as bytes. Waits for a worker, then at most the time of the limits.

        Raises GrammarError for what cannot be compiled, passes a limit or makes the compiler fail, CompilerUnavailable
        where no worker starts, Abandoned once `job` is.
        """
        request, job, starts, crashes = protocol.encode(constraint), job or Job(), 0, 0
        while starts < MOST_STARTS:
            try:
                return self._read(self._ask(request, job), constraint)
            except StartFailed as error:
                starts += 1
                log.error("%s", error)
            except WorkerEnded as error:
                # A process that somebody else ended is no fault of the constraint; one that ends twice may be.
                crashes += 1
                log.error("%s, %s", error, named(constraint))
                if crashes == MOST_CRASHES:
                    message = f"the grammar compiler crashed on this {MOST_CRASHES} times; simplify it"
                    raise GrammarError(message) from error
        raise CompilerUnavailable(f"no grammar compiler could be started, {MOST_STARTS} times in a row")

    def abandon(self, job: Job) -> None:
        """Nobody waits for `job` any more: it is dropped where it waits, and its worker ended where it runs."""
        self._turns.abandon(job)

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
        self._turns.close()

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
        """The worker, or a new one if it has ended; also a dead one, which is replaced once somebody has taken it."""
        if used.alive or self._closed:
            return used
        try:
            return self._replace(used)
        except (OSError, RuntimeError) as error:
            log.error("a grammar compiler could not be started: %s", error)
            return used

    def _ask(self, request: bytes, job: Job) -> bytes:
        """The answer of a worker. Raises StartFailed, WorkerEnded, Abandoned, and GrammarError if it took too long."""
        taken = self._turns.take(job)
        try:
            return taken.ask(request)
        except (StartFailed, WorkerEnded) as error:
            if self._closed:
                raise RuntimeError("the grammar compiler is closed") from error
            if job.abandoned:  # which has ended the process
                raise Abandoned from error
            raise
        finally:
            self._turns.done(job)
            self._turns.give(self._revived(taken))

    def _read(self, answer: bytes, constraint: Constraint) -> bytes:
        kind, rest = answer[:1], answer[1:]
        if kind == protocol.REFUSED:
            raise GrammarError(*json.loads(rest))
        if kind == protocol.MEMORY:
            raise GrammarError(f"grammar compilation exceeded {self._limits.memory_bytes / 2**30:g} GiB of memory")
        if kind == protocol.FAULT:
            pointer, trace = json.loads(rest)
            log.error("the grammar compiler failed, %s, at %r:\n%s", named(constraint), pointer, trace)
            raise GrammarError("this could not be compiled, through a fault of the grammar compiler", pointer)
        return rest


def named(constraint: Constraint) -> str:
    """What a log calls a constraint, whose text may be confidential."""
    digest = hashlib.sha256(constraint.text.encode(errors="surrogatepass")).hexdigest()
    return f"constraint of kind {constraint.kind}, SHA-256 of its text {digest}"


class Worker:
    """One process, used by one thread at a time."""

    def __init__(self, target: str, limits: Limits, alphabet: Alphabet) -> None:
        self._seconds = limits.seconds
        self._ready = False
        self._timed_out = False
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
        # In a thread: an alphabet may be more than a pipe holds, and a process that is stopped takes nothing.
        self._starting = threading.Thread(
            target=self._greet, args=(alphabet, START_SECONDS), name="grammar-start", daemon=True
        )
        self._starting.start()

    @property
    def alive(self) -> bool:
        """Whether the process still runs."""
        return self.process.poll() is None

    def wait_until_ready(self) -> None:
        """Returns once the process takes requests; raises StartFailed where it does not, or takes too long."""
        self._starting.join()
        if not self._ready:
            self.kill()
            raise StartFailed(f"a grammar compiler did not start; it ended with status {self.process.returncode}")

    def ask(self, request: bytes) -> bytes:
        """The answer. Raises StartFailed where the process did not start or had ended before, WorkerEnded where it
        ended meanwhile, GrammarError where it was ended because it took too long."""
        if not self.alive:
            raise StartFailed(f"a grammar compiler had ended, with status {self.process.returncode}")
        self.wait_until_ready()
        try:
            with self._limited(self._seconds):
                protocol.write_frame(self._stdin, request)
                answer = protocol.read_frame(self._stdout)
        except OSError:
            answer = None
        if answer is None or answer[:1] == protocol.LAST:
            self.kill()
        if answer is not None:
            return answer[1:]
        if self._timed_out:
            raise GrammarError(f"grammar compilation exceeded {self._seconds:g} s")
        raise WorkerEnded(f"a grammar compiler ended with status {self.process.returncode} while it compiled")

    def stop(self) -> None:
        """Ends the process, without waiting for its end; whoever waits for its answer is told that it ended."""
        self.process.kill()

    def kill(self) -> None:
        """Ends the process, if it has not ended, and waits for its end."""
        self.process.kill()
        self.process.wait()

    def _greet(self, alphabet: Alphabet, seconds: float) -> None:
        with suppress(OSError), self._limited(seconds):
            protocol.write_frame(self._stdin, protocol.encode_alphabet(alphabet))
            self._ready = protocol.read_frame(self._stdout) == protocol.READY

    @contextmanager
    def _limited(self, seconds: float) -> Iterator[None]:
        """Ends the process where the block takes longer."""
        timer = threading.Timer(seconds, self._time_out)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def _time_out(self) -> None:
        # One that somebody has stopped has done nothing with its time: then the constraint is not at fault.
        self._timed_out = not is_stopped(self.process.pid)
        self.process.kill()


def is_stopped(process: int) -> bool:
    """Whether a process was stopped by a signal, where the system says so."""
    try:
        status = Path(f"/proc/{process}/stat").read_text()
    except OSError:
        return False
    return status.rpartition(")")[2].split()[0] in ("T", "t")
