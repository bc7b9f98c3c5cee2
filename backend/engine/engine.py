"""The engine as its users see it: submit a request, iterate over its tokens, cancel. One thread drives the device."""

import asyncio
import logging
import queue
import threading
from collections.abc import AsyncIterator, Callable
from dataclasses import asdict
from functools import partial

from backend.engine.compilations import compilations
from backend.engine.job import Choice, Job
from backend.engine.programs import Programs
from backend.engine.scheduler import Scheduler
from backend.engine.stats import EngineStats
from backend.request import Admission, EngineFailed, QueueFull, Request, TokenEvent

log = logging.getLogger(__name__)

End = Exception | None
Sink = Callable[[list[TokenEvent] | End], None]
"""Takes events; then once None when every choice has ended, or what ended them. Called by the engine's thread."""


class Engine:
    """Decodes requests in one thread of its own. `submit` and `generate` may be called from any thread.

    failure: why it can never draw again. unconstrainable: why no grammar can be enforced; None where one can.
    """

    def __init__(self, programs: Programs) -> None:
        self.context_length, self.vocab_size = programs.config.context, programs.vocab
        self.max_choices = programs.config.rows
        self.failure: str | None = None
        self.unconstrainable = _why_unconstrainable(programs.missing_bytes)
        self._config = programs.config
        self._commands: queue.SimpleQueue[Callable[[Scheduler], None] | None] = queue.SimpleQueue()
        self._open: dict[Job, Sink] = {}
        self._lock = threading.Lock()
        self._scheduler = Scheduler(programs)
        self._compiled_before = compilations()
        self._thread = threading.Thread(target=self._run, name="engine", daemon=True)
        self._thread.start()

    def submit(self, request: Request) -> "Generation":
        """Queue a request from a running event loop. Raises QueueFull, EngineFailed."""
        generation = Generation(self, asyncio.get_running_loop())
        generation.job = self._enqueue(request, generation.receive)
        return generation

    def generate(self, request: Request) -> list[TokenEvent]:
        """Decode a request and wait for all of its events: for scripts and tests."""
        received: queue.SimpleQueue[list[TokenEvent] | End] = queue.SimpleQueue()
        self._enqueue(request, received.put)
        events: list[TokenEvent] = []
        while isinstance(item := received.get(), list):
            events += item
        if item is not None:
            raise item
        return events

    def cancel(self, choices: list[Choice]) -> None:
        """End choices without further events; takes effect before the next dispatch."""
        self._commands.put(partial(self._cancel, choices))

    def stats(self) -> EngineStats:
        """How things stand; cheap, and not quite the same moment for all figures."""
        scheduler, config = self._scheduler, self._config
        return EngineStats(
            rows=config.rows,
            running=scheduler.running,
            waiting=scheduler.waiting,
            pages=config.pages,
            page_tokens=config.page_tokens,
            pages_used=scheduler.cache.used,
            pages_cached=scheduler.cache.unused,
            compilations=compilations() - self._compiled_before,
            **asdict(scheduler.totals),
        )

    def close(self) -> None:
        """Stop the thread; open requests end with EngineFailed."""
        self._commands.put(None)
        self._thread.join()

    def _enqueue(self, request: Request, sink: Sink) -> Job:
        assert len(request.prompt) + request.sampling.max_tokens <= self.context_length
        with self._lock:
            if self.failure is not None:
                raise EngineFailed(self.failure)
            if sum(len(job.choices) for job in self._open) + len(request.seeds) > self._config.max_queue:
                raise QueueFull(f"{self._config.max_queue} choices are queued or running")
            job = Job(request, lambda events: self._emit(job, events), lambda error: self._close_job(job, error))
            self._open[job] = sink
        self._commands.put(lambda scheduler: scheduler.add(job))
        if request.grammar is not None:
            request.grammar.tables.add_done_callback(lambda _: self._commands.put(lambda scheduler: None))
        return job

    def _run(self) -> None:
        try:
            idle = True
            while self._receive(wait=idle):
                idle = not self._scheduler.step()
            self._fail("the engine was closed")
        except Exception as error:
            log.exception("the engine stopped")
            self._fail(f"the engine stopped: {error}")

    def _receive(self, wait: bool) -> bool:
        """Run the commands that are there, waiting for one if nothing else is to be done. False: close."""
        while wait or not self._commands.empty():
            command = self._commands.get()
            if command is None:
                return False
            command(self._scheduler)
            wait = False
        return True

    def _emit(self, job: Job, events: list[TokenEvent]) -> None:
        self._open[job](events)
        self._close_if_ended(job)

    def _cancel(self, choices: list[Choice], scheduler: Scheduler) -> None:
        for choice in choices:
            scheduler.cancel(choice)
        for job in {choice.job for choice in choices}:
            self._close_if_ended(job)

    def _close_if_ended(self, job: Job) -> None:
        if all(choice.ended for choice in job.choices):
            self._close_job(job, None)

    def _close_job(self, job: Job, end: End) -> None:
        with self._lock:
            sink = self._open.pop(job, None)
        if sink is not None:
            sink(end)

    def _fail(self, reason: str) -> None:
        with self._lock:
            self.failure = reason
            sinks, self._open = list(self._open.values()), {}
        for sink in sinks:
            sink(EngineFailed(reason))


def _why_unconstrainable(missing: list[int]) -> str | None:
    """A grammar may ask for any byte; where no token writes it alone, an output could get stuck."""
    if not missing:
        return None
    listed = ", ".join(f"0x{byte:02x}" for byte in missing[:4])
    return f"its vocabulary has no token for {len(missing)} of the 256 bytes ({listed}{', ...' if missing[4:] else ''})"


class Generation:
    """The events of one request, in the order drawn; events of different choices interleave.

    Iterate once; it ends when every choice has ended. `aclose` (or `cancel` of every choice) frees the rows.
    """

    def __init__(self, engine: Engine, loop: asyncio.AbstractEventLoop) -> None:
        self.job: Job | None = None
        self._engine, self._loop = engine, loop
        self._received: asyncio.Queue[list[TokenEvent] | End] = asyncio.Queue()

    @property
    def admission(self) -> Admission | None:
        """How the request got into the batch; set before its first event comes."""
        return None if self.job is None else self.job.admission

    def receive(self, item: list[TokenEvent] | End) -> None:
        """The engine's side; called in its thread."""
        try:
            self._loop.call_soon_threadsafe(self._received.put_nowait, item)
        except RuntimeError:
            log.info("the event loop of a request is gone; the request is cancelled")
            self._engine.cancel(self._choices())

    def cancel(self, choice: int) -> None:
        """No further events for this choice; those already on their way are dropped."""
        self._engine.cancel([self._choices()[choice]])

    async def aclose(self) -> None:
        """Cancel every choice. May be called again, and after the end."""
        self._engine.cancel(self._choices())

    async def __aiter__(self) -> AsyncIterator[TokenEvent]:
        while isinstance(item := await self._received.get(), list):
            for event in item:
                yield event
        if item is not None:
            raise item

    def _choices(self) -> list[Choice]:
        return self.job.choices if self.job is not None else []
