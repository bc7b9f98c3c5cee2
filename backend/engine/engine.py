"""The engine as its users see it: submit a request, iterate over its tokens, cancel. One thread drives the device."""

import asyncio
import logging
import queue
import threading
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

import numpy as np

from backend.engine.adapter_slots import AdapterSlots
from backend.engine.adapters import AdapterLibrary, StoredAdapter
from backend.engine.compilations import compilations
from backend.engine.hosts import Leader
from backend.engine.media import CACHE_BYTES, MediaEncoder, held, most_held
from backend.engine.model_runner import ModelRunner
from backend.engine.places import Places, most_together
from backend.engine.request_state import RequestState, SequenceState
from backend.engine.scheduler import Scheduler
from backend.engine.stats import EngineStats
from backend.engine.watchdog import Watchdog
from backend.grammar.device.state import begins
from backend.request import Admission, EngineFailed, PromptLogprobs, QueueFull, Request, TokenEvent, UnknownAdapter

log = logging.getLogger(__name__)

End = Exception | None
Sink = Callable[[list[TokenEvent] | End], None]
"""Takes events; then once None when every choice has ended, or what ended them. Called by the engine's thread."""


class Engine:
    """Decodes requests in one thread of its own. `submit` and `generate` may be called from any thread.

    adapters: those that requests may name, None where the runner takes none.
    failure: why it can never draw again, None while it can. constraint_unsupported_reason: why no grammar can be
    enforced with this model, None where one can. media: what it sees and hears with, None for a model of text.
    pooling: what texts are pooled to, None where tokens are drawn.
    media_cache_bytes: see `MediaEncoder`. leader: of the processes that repeat what `runner` does, None for none.
    """

    def __init__(
        self,
        runner: ModelRunner,
        media_cache_bytes: int = CACHE_BYTES,
        adapters: AdapterLibrary | None = None,
        leader: Leader | None = None,
    ) -> None:
        assert (adapters is None) == (runner.adapters is None)
        self.context_length, self.vocab_size = runner.config.context, runner.vocab
        self.pooling = runner.config.pooling
        self.max_choices = runner.config.max_queue
        self.max_choices_together = most_together(runner.config.max_queue)
        self.media = None if runner.media is None else MediaEncoder(runner, runner.media, media_cache_bytes)
        self.failure: str | None = None
        self._hangs = False
        self.constraint_unsupported_reason = None if runner.knows_tokens else "what its tokens write is not known"
        self._config, self._spelled = runner.config, runner.spelled
        self._commands: queue.SimpleQueue[Callable[[Scheduler], None] | None] = queue.SimpleQueue()
        self._open: dict[RequestState, Sink] = {}
        self._places = Places(runner.config.max_queue)
        self._most_held = most_held()
        self._media_places = Places(self._most_held)
        self._lock = threading.Lock()
        self._adapters = adapters
        self._scheduler = Scheduler(runner, self._adapter_slots(runner))
        self._compiled_before = compilations()
        self._watchdog = Watchdog(runner.config.stall_seconds, self._stalled)
        self._thread = threading.Thread(target=self._run, name="engine", daemon=True)
        self._thread.start()
        self._leader = leader
        if leader is not None:
            leader.watch(self._lost)

    @property
    def adapter_names(self) -> tuple[str, ...]:
        """The adapters that requests may name."""
        return () if self._adapters is None else self._adapters.names

    def load_adapter(self, name: str, folder: Path) -> None:
        """Let requests name an adapter, which is read meanwhile; from any thread but the engine's own.

        Raises CheckpointError where it cannot be served, AdapterExists where the name is taken.
        """
        assert self._adapters is not None
        self._adapters.add(name, folder)

    def unload_adapter(self, name: str) -> None:
        """Let no more requests name an adapter; those that have begun keep it. Raises UnknownAdapter."""
        if self._adapters is None:
            raise UnknownAdapter(name)
        self._adapters.remove(name)

    def submit(self, request: Request) -> "Generation":
        """Queue a request from a running event loop. Raises QueueFull, UnknownAdapter, EngineFailed."""
        generation = Generation(self, asyncio.get_running_loop())
        generation.state = self._enqueue(request, generation.receive)
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

    def measure(self) -> float:
        """Tokens per second that one choice is decoded at, from a few warm steps. Only before the first request."""
        seconds: Future[float] = Future()

        def run(scheduler: Scheduler) -> None:
            try:
                seconds.set_result(scheduler.measure())
            except Exception as error:
                seconds.set_exception(error)
                raise

        self._commands.put(run)
        return 1 / seconds.result()

    def cancel(self, sequences: list[SequenceState]) -> None:
        """End these sequences without further events; takes effect before the next dispatch."""
        self._commands.put(partial(self._cancel, sequences))

    def allows(self, request: Request) -> bool:
        """Whether what is written of a request is the beginning of what its grammar, which is compiled, can go on to.

        Takes a microsecond per byte; may be called from any thread.
        """
        if request.grammar is None:
            return True
        written, may_end = self._spelled(request.written), bool(request.sampling.end_tokens)
        return begins(request.grammar.tables.result(), written, may_end)

    def stats(self) -> EngineStats:
        """The engine's figures now; cheap, from any thread, and not quite of the same moment."""
        scheduler, config, library = self._scheduler, self._config, self._adapters
        return EngineStats(
            rows=config.groups * config.rows,
            running=scheduler.running,
            waiting=scheduler.waiting,
            pages=config.groups * config.pages,
            page_tokens=config.page_tokens,
            pages_used=scheduler.pages_used,
            pages_cached=scheduler.pages_cached,
            compilations=compilations() - self._compiled_before,
            adapters=len(self.adapter_names),
            adapter_slots=config.adapter_slots,
            adapters_resident=scheduler.adapters.resident,
            adapter_bytes=0 if library is None else library.bytes,
            adapters_placed=scheduler.adapters.placed,
            adapters_read=0 if library is None else library.reads,
            **asdict(scheduler.totals),
        )

    def close(self) -> None:
        """Stop the engine's thread and wait for it, unless it hangs; open requests end with EngineFailed."""
        self._watchdog.stop()
        if self._adapters is not None:
            self._adapters.close()
        self._commands.put(None)
        if not self._hangs:
            self._thread.join()
        if self._leader is not None:
            self._leader.close()

    def _enqueue(self, request: Request, sink: Sink) -> RequestState:
        assert len(request.prompt) + request.sampling.max_tokens <= self.context_length
        spans = request.prompt.spans
        assert self._config.prompt_embeddings or not spans, "the programs take token ids alone"
        assert all(span.length <= self._config.both_ways for span in spans if span.both_ways)
        assert request.pooled == (self.pooling is not None), "an engine either draws tokens or pools"
        assert self._config.prompt_logprobs or not request.prompt_logprobs, "no program scores prompts"
        adapter = self._find_adapter(request.adapter)
        if adapter is not None:  # what is computed with it depends on its numbers, not on its name
            request = replace(request, namespace=(adapter.serial, request.namespace))
        with self._lock:
            if self.failure is not None:
                raise EngineFailed(self.failure)
            self._take_places(request)
            state = RequestState(
                request,
                lambda events: self._emit(state, events),
                lambda error: self._close_request(state, error),
                adapter=adapter,
            )
            self._open[state] = sink
        self._commands.put(lambda scheduler: scheduler.add(state))
        if request.grammar is not None:
            request.grammar.tables.add_done_callback(lambda _: self._commands.put(lambda scheduler: None))
        return state

    def _take_places(self, request: Request) -> None:
        """For the choices of a request, and for what it holds of media. Raises QueueFull."""
        if units := self._units(request):
            self._media_places.take(request.client, units)
        try:
            self._places.take(request.client, len(request.seeds))
        except QueueFull:
            if units:
                self._media_places.give_back(request.client, units)
            raise

    def _give_places_back(self, request: Request) -> None:
        self._places.give_back(request.client, len(request.seeds))
        if units := self._units(request):
            self._media_places.give_back(request.client, units)

    def _units(self, request: Request) -> int:
        """What a request holds of media; one that needs more than there are has them to itself."""
        return min(held(request.prompt), self._most_held)

    def _find_adapter(self, name: str | None) -> StoredAdapter | None:
        if name is not None and self._adapters is None:
            raise UnknownAdapter(name)
        return None if name is None or self._adapters is None else self._adapters.find(name)

    def _adapter_slots(self, runner: ModelRunner) -> AdapterSlots:
        if self._adapters is None or runner.adapters is None:
            return AdapterSlots()
        fetch = partial(self._adapters.fetch, done=partial(self._commands.put, lambda scheduler: None))
        return AdapterSlots(runner.config.adapter_slots, fetch, runner.adapters.place)

    def _run(self) -> None:
        try:
            idle = True
            while self._receive(wait=idle) and not self._hangs:
                self._watchdog.begin()
                idle = not self._scheduler.step()
                self._watchdog.end()
            self._fail("the engine was closed")
        except BaseException as error:  # of whatever kind: nobody else would say that the thread is gone
            self._watchdog.stop()
            log.exception("the engine stopped")
            self._fail(f"the engine stopped: {str(error) or type(error).__name__}")

    def _stalled(self) -> None:
        """The device gives nothing: whoever waits is told, in the watchdog's thread, since the engine's own hangs."""
        self._lost(f"the device has computed for {self._config.stall_seconds:g} s at one step without an end")

    def _lost(self, reason: str) -> None:
        """A device, or one of the hosts, gives nothing any more."""
        self._hangs = True
        log.critical("the engine stopped: %s", reason)
        self._fail(f"the engine stopped: {reason}")

    def _receive(self, wait: bool) -> bool:
        """Run the commands that are there, waiting for one if nothing else is to be done. False: close."""
        while wait or not self._commands.empty():
            command = self._commands.get()
            if command is None:
                return False
            command(self._scheduler)
            wait = False
        return True

    def _emit(self, state: RequestState, events: list[TokenEvent]) -> None:
        self._open[state](events)
        self._close_if_ended(state)

    def _cancel(self, sequences: list[SequenceState], scheduler: Scheduler) -> None:
        for sequence in sequences:
            scheduler.cancel(sequence)
        for state in {sequence.parent for sequence in sequences}:
            self._close_if_ended(state)

    def _close_if_ended(self, state: RequestState) -> None:
        if all(sequence.ended for sequence in state.sequences):
            self._close_request(state, None)

    def _close_request(self, state: RequestState, end: End) -> None:
        with self._lock:
            sink = self._open.pop(state, None)
            if sink is not None:
                self._give_places_back(state.request)
        if sink is not None:
            sink(end)

    def _fail(self, reason: str) -> None:
        with self._lock:
            self.failure = self.failure or reason
            sinks, self._open = list(self._open.values()), {}
        for sink in sinks:
            sink(EngineFailed(reason))


class Generation:
    """The token events of one request, in the order drawn; events of different choices interleave.

    Iterate once; it ends when every choice has ended. `aclose` (or `cancel` of every choice) frees the rows.
    """

    def __init__(self, engine: Engine, loop: asyncio.AbstractEventLoop) -> None:
        self.state: RequestState | None = None
        self._engine, self._loop = engine, loop
        self._received: asyncio.Queue[list[TokenEvent] | End] = asyncio.Queue()

    @property
    def admission(self) -> Admission | None:
        """How long the request was queued and what of it was cached; None until just before its first event."""
        return None if self.state is None else self.state.admission

    @property
    def prompt_logprobs(self) -> PromptLogprobs | None:
        """Those of the prompt's tokens, where they were asked for; None until just before the first event."""
        return None if self.state is None else self.state.prompt_logprobs

    @property
    def pooled(self) -> np.ndarray | None:
        """What the prompt was pooled to, float32 [D], or the scores of its classes, [Y]; None before the end."""
        return None if self.state is None else self.state.pooled

    def receive(self, item: list[TokenEvent] | End) -> None:
        """Hand over events, or the end of them (see `Sink`); called by the engine in its thread."""
        try:
            self._loop.call_soon_threadsafe(self._received.put_nowait, item)
        except RuntimeError:
            log.info("the event loop of a request is gone; the request is cancelled")
            self._engine.cancel(self._sequences())

    def cancel(self, choice: int) -> None:
        """End the choice of this index; events of it that were drawn meanwhile may still come."""
        self._engine.cancel([self._sequences()[choice]])

    async def aclose(self) -> None:
        """Cancel every choice. May be called again, and after the end."""
        self._engine.cancel(self._sequences())

    async def __aiter__(self) -> AsyncIterator[TokenEvent]:
        while isinstance(item := await self._received.get(), list):
            for event in item:
                yield event
        if item is not None:
            raise item

    def _sequences(self) -> list[SequenceState]:
        return self.state.sequences if self.state is not None else []
