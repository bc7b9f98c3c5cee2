"""What the device does next for who holds a row. Runs in the engine's thread; owns the decode state."""

import time
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from itertools import count

import numpy as np

from backend.engine.adapter_slots import AdapterSlots
from backend.engine.chunks import rows_of
from backend.engine.events import events_of, failure_of, not_finite
from backend.engine.measuring import measure_step
from backend.engine.model_runner import ModelRunner
from backend.engine.prefill_shapes import padded
from backend.engine.request_state import RequestState, SequenceState
from backend.engine.rounds import InFlight, Plan, chunk_of, filled, plan_prefill, to_prefill
from backend.engine.seating import Seating
from backend.engine.state import Block
from backend.engine.stats import Totals
from backend.engine.waiting import PrefillTurns
from backend.grammar.device.arena import ArenaFull
from backend.request import Admission, RequestFailed, TokenEvent


class Scheduler:
    """Each `step` admits those whose turn it is (`Seating`), prefills, dispatches one block and reads one.

    adapters: which are on the device.
    """

    def __init__(self, runner: ModelRunner, adapters: AdapterSlots | None = None) -> None:
        self._runner, self._config, self.adapters = runner, runner.config, adapters or AdapterSlots()
        self._state = runner.init_state()
        self.totals, ticks = Totals(), count()
        self._seats = Seating(self._config, self.adapters, self.totals, runner.arena.release, ticks)
        self._rows, self._waiting, self._prefill_turns = self._seats.rows, self._seats.waiting, PrefillTurns(ticks)
        self._in_flight: deque[InFlight] = deque()
        self._blocks_read = 0
        self._step_seconds = self._config.block_seconds  # until a block was read: one step
        self._read_at = 0.0

    @property
    def running(self) -> int:
        """How many sequences hold a row."""
        return len(self._rows.holders())

    @property
    def pages_used(self) -> int:
        """How many pages sequences use, each counted once."""
        return sum(cache.num_used for cache in self._rows.caches)

    @property
    def pages_cached(self) -> int:
        """How many pages are kept for reuse and used by no sequence."""
        return sum(cache.num_evictable for cache in self._rows.caches)

    @property
    def waiting(self) -> int:
        """How many sequences wait for a row, those that were preempted included."""
        return len(self._waiting)

    def add(self, request: RequestState) -> None:
        """Queue every sequence of a request that has not ended."""
        self._waiting.add(sequence for sequence in request.sequences if not sequence.ended)

    def cancel(self, sequence: SequenceState) -> None:
        """End a sequence without a further event and free what it holds. Does nothing if it has ended."""
        if sequence.ended:
            return
        sequence.ended = True
        if sequence in self._rows:
            handed = self._seats.hand_on(sequence)
            if handed is not None:
                self._copy_prompt(*handed)
        elif sequence in self._waiting:
            self._waiting.remove(sequence)

    def measure(self) -> float:
        """Seconds of a decoding step of one row. Only before the first request."""
        self._state, self._step_seconds = measure_step(self._runner, self._state)
        return self._step_seconds

    def step(self) -> bool:
        """Admit, prefill, dispatch a block and read one; False if there is nothing to do before another command."""
        for sequence in (*self._rows.holders(), *self._waiting):
            sequence.parent.poll_grammar()
        read_before = self._blocks_read
        changed = self._bring_adapters()
        changed |= self._seats.admit()
        changed |= self._prefill()
        changed |= self._start_all()
        self._compact()
        dispatched = self._dispatch()
        changed |= self._end_undrawn()
        while len(self._in_flight) > (dispatched and self._config.read_behind):
            self._process_block()
        return changed or dispatched or self._blocks_read > read_before

    def _bring_adapters(self) -> bool:
        """Have adapters of those who wait on the device; whether anything has changed."""
        if not self.adapters.slots:
            return False
        placed, failed = self.adapters.bring(self._waiting, self._rows.holders(), self._seats.held())
        for request, error in failed.items():
            failure = RequestFailed("its adapter cannot be read any more")
            failure.__cause__ = error
            self._fail(request, failure)
        return placed or bool(failed)

    def _compact(self) -> None:
        """Move rows down where the batch then fits a smaller one."""
        for source, target in self._rows.compact():
            self._state = self._runner.move_row(self._state, source, target)

    def _reserve(self, plan: Callable[[], Plan]) -> tuple[Plan, list[SequenceState]]:
        """Pages for what is to be done next; the plan, and who of it got them, the first to be served first.

        plan: by how things stand when it is called. First blocks are read, as long as pages are wanting: who ends in
        one frees his, and nobody may be preempted before what he has drawn is read. Then those who come last are
        preempted for those who come first. After this nothing changes until the reserved pages are used.
        """
        current = plan()
        while self._in_flight and not self._rows.fits(current.demand):
            self._process_block()
            current = plan()
        in_order = sorted(current.demand, key=lambda sequence: sequence.priority)
        return current, [sequence for sequence in in_order if self._seats.allocate(sequence, current.demand[sequence])]

    # Prompts

    def _share_prompts(self) -> bool:
        """Sequences whose sibling has the prompt in the cache take it from there."""
        shared = False
        for sequence in self._rows.holders():
            shared |= self._share_prompt(sequence)
        return shared

    def _share_prompt(self, sequence: SequenceState) -> bool:
        """The whole pages at once, the last one as a copy; False where there is nothing to share, or no page now."""

        def plan() -> Plan:
            source = self._sibling_with_prompt(sequence)
            if source is None:
                return Plan({})
            self._rows.cache(sequence).share_prompt(sequence, source)
            return Plan({sequence: sequence.num_prompt - 1})

        _, reserved = self._reserve(plan)
        if not reserved:
            return False
        source = self._sibling_with_prompt(sequence)
        if source is not None:
            self._copy_prompt(sequence, source.pages)
        return True

    def _copy_prompt(self, sequence: SequenceState, pages: Sequence[int]) -> None:
        """The prompt's last page, where it is not a whole one, from that of `pages`; the others are shared already."""
        if sequence.num_uncomputed:
            last = (sequence.num_prompt - 1) // self._config.page_tokens
            self._state = self._runner.copy_page(self._state, pages[last], sequence.pages[last])
            sequence.num_computed = sequence.num_prompt - 1

    def _sibling_with_prompt(self, sequence: SequenceState) -> SequenceState | None:
        """One of the same group that holds the whole prompt, where the sequence is still without it."""
        if (
            sequence not in self._rows
            or sequence.num_uncomputed == 0
            or sequence.decoding
            or sequence.num_output_tokens
        ):
            return None
        others = (holder for holder in self._rows.holders(self._rows.group(sequence)) if holder is not sequence)
        return next((other for other in others if other.parent is sequence.parent and other.has_prompt), None)

    def _prefill(self) -> bool:
        """Run prefill programs, of as many tokens together as the largest has: so long may a stream be delayed.

        Who needs the same prompt takes it as soon as it is there, so that all begin in the same block: the first of
        them may end in it.
        """
        changed, room = self._share_prompts(), self._config.max_prefill_tokens
        while (tokens := self._prefill_once(room)) is not None:
            changed, room = True, room - tokens
            self._share_prompts()
        return changed

    def _prefill_once(self, room: int) -> int | None:
        """Run one prefill program of at most `room` tokens; None if there is nothing to run.

        Gives its tokens, padding included; 0 where the cache had all of somebody's, and others may share them first.
        """
        work = self._to_prefill()
        for of_group in work:
            for sequence in of_group[: self._config.max_prefill_rows]:
                self._rows.cache(sequence).match_prefix(sequence)
        if not all(sequence.num_uncomputed for of_group in work for sequence in of_group):
            return 0
        plan, reserved = self._reserve(partial(self._plan_prefill, room, self._prefill_turns.in_turn))
        if plan.shape is not None and not reserved:  # no pages for whose turn it is: who is before all others gets them
            plan, reserved = self._reserve(partial(self._plan_prefill, room, list))
        if plan.shape is None or not reserved:
            return None
        chunks = [chunk_of(sequence, plan.demand[sequence], self.adapters.slot(sequence)) for sequence in reserved]
        if self._config.pooling is not None:
            self._state, vectors = self._runner.pool(self._state, plan.shape, chunks)
            rows = rows_of(self._config, plan.shape, chunks)
            for (row, chunk), sequence in zip(rows.items(), reserved, strict=True):
                sequence.parent.note_chunk(chunk.start, plan.demand[sequence], vectors, row)
        elif chunks[0].targets:
            self._state, scores = self._runner.score(self._state, plan.shape, chunks[0])
            scored, row = reserved[0], self._rows.group(reserved[0])
            scored.parent.note_scores(chunks[0].start, plan.demand[scored], row, scores)
        else:
            self._state, _ = self._runner.prefill(self._state, plan.shape, chunks)
        for sequence in reserved:
            sequence.parent.started = sequence.parent.started or time.monotonic()
            sequence.num_computed = plan.demand[sequence]
            self._rows.cache(sequence).insert_prefix(sequence)
        self._prefill_turns.note(reserved, self._rows.holders())
        return padded(plan.shape)

    def _to_prefill(self) -> list[list[SequenceState]]:
        """Whose prompts are to be computed, group by group."""
        return [to_prefill(holders) for holders in self._rows.of_groups()]

    def _plan_prefill(self, room: int, ordered: Callable[[list[SequenceState]], list[SequenceState]]) -> Plan:
        """The call for whose turn it is, with what other groups have for it."""
        of_groups = self._to_prefill()
        first = ordered(sorted((s for work in of_groups for s in work), key=lambda sequence: sequence.priority))[:1]
        work, *others = sorted(map(ordered, of_groups), key=lambda work: first != work[:1])
        return filled(plan_prefill(work, self._config, room), others)

    def _start_all(self) -> bool:
        """Let everyone decode whose tokens are in the cache."""
        ready = [s for s in self._ready() if s.request.sampling.max_tokens]
        return sum(not sequence.ended and self._start(sequence) for sequence in ready) > 0

    def _ready(self) -> list[SequenceState]:
        """Who has all tokens in the cache that are there, and does not decode."""
        return [s for s in self._rows.holders() if not s.decoding and s.num_uncomputed == 0 and s.parent.compiled]

    def _end_undrawn(self) -> bool:
        """End those of which nothing is drawn, once their prompts are computed; with what is wanted of these."""
        ready = [s for s in self._ready() if not s.request.sampling.max_tokens]
        for sequence in ready:
            if not sequence.ended and self._has_results(sequence.parent):
                self._note_admission(sequence)
                self.cancel(sequence)
                sequence.parent.emit([])
        return bool(ready)

    def _has_results(self, request: RequestState) -> bool:
        """Whether what is wanted of the prompt, which is computed, is there; if it cannot be, the request ends."""
        if self._config.pooling is not None:
            well = request.read_chunks(self._config.pooling.mode)
        else:
            well = not request.request.prompt_logprobs or request.prompt_logprobs is not None or request.read_scores()
        if well:
            return True
        self._forget(request)
        self._fail(request, not_finite())
        return False

    def _start(self, sequence: SequenceState) -> bool:
        """Let the sequence decode; not yet if its grammar must wait for room."""
        request, grammar = sequence.request, sequence.request.grammar
        try:
            placed = None if grammar is None else self._runner.arena.acquire(grammar.key, grammar.tables.result())
        except ArenaFull:
            return False
        sequence.decoding = True
        try:
            start = self._runner.row_state(request, sequence.choice, sequence.output_tokens, placed)
        except Exception as error:
            failure = RequestFailed(f"the engine could not start the request: {error!r}")
            failure.__cause__ = error
            self._fail(sequence.parent, failure)
            return True
        self._state = self._runner.admit(self._state, self._rows.row(sequence), start)
        self._note_admission(sequence)
        return True

    def _fail(self, request: RequestState, failure: RequestFailed) -> None:
        """End one request, with what went wrong in it."""
        for sequence in request.sequences:
            self.cancel(sequence)
        request.fail(failure)

    def _forget(self, request: RequestState) -> None:
        """Nobody is to take over what was computed for a request."""
        for sequence in self._rows.holders():
            if sequence.parent is request:
                self._rows.cache(sequence).forget(sequence)

    def _note_admission(self, sequence: SequenceState) -> None:
        request = sequence.parent
        if request.admission is None:
            began = request.started or time.monotonic()
            request.admission = Admission(began - request.submitted, sequence.num_cached)
            self.totals.prompt_tokens += sequence.num_prompt
            self.totals.cached_tokens += sequence.num_cached

    # Blocks

    def _dispatch(self) -> bool:
        """Start a block for every row that decodes, of one step where it has a first token; False if there is none."""
        most = int(np.clip(self._config.block_seconds / self._step_seconds, 1, self._config.max_steps))
        steps = 1 if self._is_first_of_any() else most
        self._reserve(lambda: self._plan_decode(steps))
        decoding = [sequence for sequence in self._rows.holders() if sequence.decoding]
        if not decoding:
            return False
        holders, active, page_table = self._rows.batch(decoding)
        stop_on_finish = any(sequence.parent.compiled for sequence in self._waiting)
        dispatched = time.monotonic()  # before: where programs run synchronously, the call is the run
        slots = [self.adapters.slot(holders.get(row)) for row in range(active.size)]
        self._state, block = self._runner.decode(self._state, page_table, active, steps, stop_on_finish, slots)
        self._in_flight.append(InFlight(block, holders, steps, dispatched))
        self.totals.dispatches += 1
        return True

    def _is_first_of_any(self) -> bool:
        """Whether the next block draws the first token of an answer, which somebody waits for."""
        drawing = {sequence for block in self._in_flight for sequence in block.holders.values()}
        return any(s.decoding and not s.num_output_tokens and s not in drawing for s in self._rows.holders())

    def _plan_decode(self, tokens: int) -> Plan:
        """So many more tokens for everyone who decodes, behind those that are in flight."""
        demand = {}
        for sequence in self._rows.holders():
            if sequence.decoding:
                ahead = sum(block.tokens for block in self._in_flight if sequence in block.holders.values())
                demand[sequence] = min(len(sequence.tokens) - 1 + tokens + ahead, sequence.max_positions)
        return Plan(demand)

    def _process_block(self) -> None:
        """Read the oldest block and hand its events out; frees what those who ended hold."""
        in_flight = self._in_flight.popleft()
        block = self._read(in_flight)
        self._blocks_read += 1
        events: dict[RequestState, list[TokenEvent]] = {}
        failures: dict[RequestState, RequestFailed] = {}
        for row, sequence in in_flight.holders.items():
            if sequence.ended:
                continue
            new = events_of(sequence, block, row)
            sequence.tokens += [event.token for event in new]
            sequence.num_computed += len(new)
            events.setdefault(sequence.parent, []).extend(new)
            failure = failure_of(block, row)
            if failure is not None:
                failures[sequence.parent] = failure
            elif block.done[row]:
                self.cancel(sequence)
        self.totals.steps += int(block.steps.max())
        for request, of_request in events.items():
            if of_request and self._has_results(request):
                self.totals.output_tokens += len(of_request)
                request.emit(of_request)
        for request, failure in failures.items():
            self._forget(request)
            self._fail(request, failure)

    def _read(self, in_flight: InFlight) -> Block:
        """The block; how long its steps took is remembered."""
        block = in_flight.read()
        now = time.monotonic()
        if steps := int(block.steps.max()):
            seconds = (now - max(self._read_at, in_flight.dispatched)) / steps
            self._step_seconds += 0.3 * (seconds - self._step_seconds)
        self._read_at = now
        return block
