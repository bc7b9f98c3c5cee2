"""Compilations that wait for a worker: whose turn it is, and which of them nobody waits for any more."""

import threading
from collections import Counter
from collections.abc import Hashable
from typing import Generic, Protocol, TypeVar


class Abandoned(Exception):
    """Nobody waits for this compilation any more."""


class Stoppable(Protocol):
    """A worker."""

    def stop(self) -> None:
        """Ends it, without waiting for its end."""


WorkerT = TypeVar("WorkerT", bound=Stoppable)


class Job:
    """One compilation. client: to whose share it counts, None for nobody's."""

    def __init__(self, client: Hashable = None) -> None:
        self.client = client
        self.abandoned = False


class Turns(Generic[WorkerT]):
    """Gives idle workers to jobs: the client that has fewest goes first, then whose last turn was longest ago.

    share: workers that one client may have at a time. The worker used last is given first: what it has cached is the
    warmest. Safe to use from several threads.
    """

    def __init__(self, share: int) -> None:
        self._share = share
        self._idle: list[WorkerT] = []
        self._waiting: list[Job] = []
        self._running: dict[Job, WorkerT] = {}
        self._last: dict[Hashable, int] = {}
        self._turn = 0
        self._closed = False
        self._changed = threading.Condition()

    def take(self, job: Job) -> WorkerT:
        """Waits for a worker. Raises Abandoned as soon as the job is, RuntimeError once all is closed."""
        with self._changed:
            self._waiting.append(job)
            try:
                self._changed.wait_for(lambda: self._closed or job.abandoned or self._next() is job)
                if self._closed:
                    raise RuntimeError("the grammar compiler is closed")
                if job.abandoned:
                    raise Abandoned
                self._turn += 1
                self._last[job.client] = self._turn
                worker = self._running[job] = self._idle.pop()
                return worker
            finally:
                self._waiting.remove(job)
                self._forget()
                self._changed.notify_all()

    def done(self, job: Job) -> None:
        """The job does not use its worker any more; the worker is still nobody else's."""
        with self._changed:
            self._running.pop(job, None)

    def give(self, worker: WorkerT) -> None:
        """The worker is idle."""
        with self._changed:
            self._idle.append(worker)
            self._forget()
            self._changed.notify_all()

    def abandon(self, job: Job) -> None:
        """Nobody waits for the job: it is dropped, and the worker that is at it ends."""
        with self._changed:
            job.abandoned = True
            if job in self._running:
                self._running[job].stop()
            self._changed.notify_all()

    def close(self) -> None:
        """Whoever waits gets an error, as does everybody from now on."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _next(self) -> Job | None:
        if not self._idle:
            return None
        held = Counter(job.client for job in self._running)
        able = [job for job in self._waiting if job.client is None or held[job.client] < self._share]
        return min(able, key=lambda job: (held[job.client], self._last.get(job.client, 0)), default=None)

    def _forget(self) -> None:
        """Clients of which nothing is left."""
        present = {job.client for job in (*self._waiting, *self._running)}
        self._last = {client: turn for client, turn in self._last.items() if client in present}
