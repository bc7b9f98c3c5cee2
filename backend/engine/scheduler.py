"""Which sequence holds which row, and what the device does next. Runs in the engine's thread; owns the decode state."""

import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from functools import partial
from itertools import count

import numpy as np

from backend.engine.adapter_slots import AdapterSlots
from backend.engine.config import bucket
from backend.engine.events import events_of, failure_of, not_finite
from backend.engine.kv_cache import KVCacheManager
from backend.engine.measuring import measure_step
from backend.engine.model_runner import ModelRunner
from backend.engine.prefill_shapes import padded
from backend.engine.request_state import RequestState, SequenceState
from backend.engine.rounds import InFlight, Plan, chunk_of, plan_prefill, to_prefill
from backend.engine.state import Block
from backend.engine.stats import Totals
from backend.engine.waiting import PrefillTurns, WaitingLine
from backend.grammar.device.arena import ArenaFull
from backend.request import Admission, RequestFailed, TokenEvent


class Scheduler:
    """Rows go to clients in turn (`WaitingLine`). Each `step` admits, prefills, dispatches one block and reads one.

    Who had its row earlier takes pages from who had its last when there are no others; that one waits and is computed
    again, from its prompt and what it has drawn. So the first always goes on, and in the end everyone is the first.

    adapters: which are on the device.
    """

    def __init__(self, runner: ModelRunner, adapters: AdapterSlots | None = None) -> None:
        self._runner, self._config, self.adapters = runner, runner.config, adapters or AdapterSlots()
        self._state = runner.init_state()
        self.cache, self.totals = KVCacheManager(self._config), Totals()
        self._rows: list[SequenceState | None] = [None] * self._config.rows
        ticks = count()
        self._waiting, self._prefill_turns = WaitingLine(ticks), PrefillTurns(ticks)
        self._in_flight: deque[InFlight] = deque()
        self._blocks_read = 0
        self._step_seconds = self._config.block_seconds  # until a block was read: one step
        self._read_at = 0.0

    @property
    def running(self) -> int:
        """How many sequences hold a row."""
        return len(self._holders())

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
            self._hand_on(sequence)
        elif sequence in self._waiting:
            self._waiting.remove(sequence)

    def measure(self) -> float:
        """Seconds of a decoding step of one row. Only before the first request."""
        self._state, self._step_seconds = measure_step(self._runner, self._state)
        return self._step_seconds

    def step(self) -> bool:
        """Admit, prefill, dispatch a block and read one; False if there is nothing to do before another command."""
        for sequence in (*self._holders(), *self._waiting):
            sequence.parent.poll_grammar()
        read_before = self._blocks_read
        changed = self._bring_adapters()
        changed |= self._admit()
        changed |= self._prefill()
        changed |= self._start_all()
        self._compact()
        dispatched = self._dispatch()
        changed |= self._end_undrawn()
        while len(self._in_flight) > (dispatched and self._config.read_behind):
            self._process_block()
        return changed or dispatched or self._blocks_read > read_before

    def _holders(self) -> list[SequenceState]:
        """Who holds a row, the first to be served first."""
        return sorted((s for s in self._rows if s is not None), key=lambda sequence: sequence.priority)

    def _bring_adapters(self) -> bool:
        """Have adapters of those who wait on the device; whether anything has changed."""
        if not self.adapters.slots:
            return False
        placed, failed = self.adapters.bring(self._waiting, self._holders(), self._held())
        for request, error in failed.items():
            failure = RequestFailed("its adapter cannot be read any more")
            failure.__cause__ = error
            self._fail(request, failure)
        return placed or bool(failed)

    # Rows

    def _admit(self) -> bool:
        """Give rows to those who wait, in order; nobody overtakes who does not fit."""
        admitted = False
        while any(holder is None or not holder.parent.compiled for holder in self._rows):
            following = self._next()
            if following is None or not self._place(following):
                break
            admitted = True
        return admitted

    def _next(self, leaving: SequenceState | None = None) -> SequenceState | None:
        """Who has the next row, once `leaving` has left its own; None where nobody who waits may have one."""
        return self._waiting.next(self._held(leaving), self.adapters.admits)

    def _held(self, leaving: SequenceState | None = None) -> Counter[str | None]:
        """The rows of each client."""
        return Counter(s.request.client for s in self._holders() if s is not leaving)

    def _seat(self, sequence: SequenceState, row: int) -> None:
        """Who waited has a row from now on."""
        self._waiting.take(sequence)
        self._rows[row] = sequence
        self.adapters.used(sequence.parent.adapter)

    def _place(self, sequence: SequenceState) -> bool:
        """Give the sequence a row if it fits, also that of one whose grammar is not there yet."""
        while not (None in self._rows and self._fits(sequence)):
            idle = [holder for holder in self._holders() if not holder.parent.compiled]
            if not idle or not sequence.parent.compiled:
                return False
            self._preempt(idle[-1])
        self._seat(sequence, self._rows.index(None))
        if self._config.deterministic:
            self.cache.allocate(sequence, sequence.max_positions)
        return True

    def _fits(self, sequence: SequenceState) -> bool:
        """Whether there are pages for all its tokens, and one for each who decodes; of those it gets what is known."""
        if self._config.deterministic:
            return self.cache.can_allocate(self._config.pages_for(sequence.max_positions))
        holders = self._holders()
        decoding = sum(holder.decoding for holder in holders)
        if any(holder.parent is sequence.parent for holder in holders) and not sequence.num_output_tokens:
            return self.cache.can_allocate(2 + decoding)
        self.cache.match_prefix(sequence)
        if self.cache.can_allocate(self.cache.missing(sequence, len(sequence.tokens)) + decoding):
            return True
        self.cache.release(sequence)
        return False

    def _hand_on(self, ended: SequenceState) -> None:
        """Free what a sequence holds that has ended; a sibling that is next in line takes its row and its prompt."""
        row, heir = self._rows.index(ended), self._next(leaving=ended)
        if heir is None or heir.parent is not ended.parent or not ended.has_prompt or heir.num_output_tokens:
            self._vacate(ended)
            return
        prompt_pages = ended.pages[: self._config.pages_for(heir.num_prompt - 1)]
        self.cache.share_prompt(heir, ended)
        self._vacate(ended)
        self._seat(heir, row)
        positions = heir.max_positions if self._config.deterministic else heir.num_prompt - 1
        if self.cache.allocate(heir, positions):
            # Nothing has been computed since the pages were released, so that they hold what they did.
            self._copy_prompt(heir, prompt_pages)

    def _vacate(self, sequence: SequenceState) -> None:
        """Take row, pages and grammar from a sequence."""
        self._rows[self._rows.index(sequence)] = None
        self.cache.release(sequence)
        grammar = sequence.request.grammar
        if grammar is not None and sequence.decoding:
            self._runner.arena.release(grammar.key)
        sequence.decoding = False

    def _preempt(self, sequence: SequenceState) -> None:
        """Let a sequence wait again; what it has drawn must have been read."""
        self.totals.preemptions += sequence.decoding
        self._vacate(sequence)
        self._waiting.add([sequence])

    def _compact(self) -> None:
        """Move rows down where the batch then fits a smaller one."""
        held = [row for row, sequence in enumerate(self._rows) if sequence is not None]
        while held and bucket(self._config.batches, held[-1] + 1) > bucket(self._config.batches, len(held)):
            highest, free = held.pop(), self._rows.index(None)
            self._state = self._runner.move_row(self._state, highest, free)
            self._rows[free], self._rows[highest] = self._rows[highest], None
            held = sorted([*held, free])

    # Pages

    def _reserve(self, plan: Callable[[], Plan]) -> tuple[Plan, list[SequenceState]]:
        """Pages for what is to be done next; the plan, and who of it got them, the first to be served first.

        plan: by how things stand when it is called. First blocks are read, as long as pages are wanting: who ends in
        one frees his, and nobody may be preempted before what he has drawn is read. Then those who come last are
        preempted for those who come first. After this nothing changes until the reserved pages are used.
        """
        current = plan()
        while self._in_flight and not self.cache.can_allocate(self._missing(current)):
            self._process_block()
            current = plan()
        in_order = sorted(current.demand, key=lambda sequence: sequence.priority)
        return current, [sequence for sequence in in_order if self._allocate(sequence, current.demand[sequence])]

    def _missing(self, plan: Plan) -> int:
        """Pages that are to be taken for it."""
        return sum(self.cache.missing(sequence, positions) for sequence, positions in plan.demand.items())

    def _allocate(self, sequence: SequenceState, positions: int) -> bool:
        """Pages for so many positions, from those who come after the sequence if need be. False: there are none now."""
        while sequence in self._rows and not self.cache.allocate(sequence, positions):
            last = next(holder for holder in reversed(self._holders()) if holder.pages or holder is sequence)
            if last is not sequence or sequence.decoding:
                self._preempt(last)
            if last is sequence:
                return False
        return sequence in self._rows

    # Prompts

    def _share_prompts(self) -> bool:
        """Sequences whose sibling has the prompt in the cache take it from there."""
        shared = False
        for sequence in self._holders():
            shared |= self._share_prompt(sequence)
        return shared

    def _share_prompt(self, sequence: SequenceState) -> bool:
        """The whole pages at once, the last one as a copy; False where there is nothing to share, or no page now."""

        def plan() -> Plan:
            source = self._sibling_with_prompt(sequence)
            if source is None:
                return Plan({})
            self.cache.share_prompt(sequence, source)
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
        """One that holds the whole prompt, where the sequence is still without it."""
        if (
            sequence not in self._rows
            or sequence.num_uncomputed == 0
            or sequence.decoding
            or sequence.num_output_tokens
        ):
            return None
        siblings = (holder for holder in self._rows if holder is not None and holder.parent is sequence.parent)
        return next((other for other in siblings if other is not sequence and other.has_prompt), None)

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
        work = to_prefill(self._holders())
        for sequence in work[: self._config.max_prefill_rows]:
            self.cache.match_prefix(sequence)
        if not all(sequence.num_uncomputed for sequence in work):
            return 0
        plan, reserved = self._reserve(partial(self._plan_prefill, room, self._prefill_turns.in_turn))
        if plan.shape is not None and not reserved:  # no pages for whose turn it is: who is before all others gets them
            plan, reserved = self._reserve(partial(self._plan_prefill, room, list))
        if plan.shape is None or not reserved:
            return None
        chunks = [chunk_of(sequence, plan.demand[sequence], self.adapters.slot(sequence)) for sequence in reserved]
        if self._config.pooling is not None:
            self._state, vectors = self._runner.pool(self._state, plan.shape, chunks)
            for row, sequence in enumerate(reserved):
                sequence.parent.note_chunk(chunks[row].start, plan.demand[sequence], vectors, row)
        elif chunks[0].targets:
            self._state, scores = self._runner.score(self._state, plan.shape, chunks[0])
            reserved[0].parent.note_scores(chunks[0].start, plan.demand[reserved[0]], scores)
        else:
            self._state, _ = self._runner.prefill(self._state, plan.shape, chunks)
        for sequence in reserved:
            sequence.parent.started = sequence.parent.started or time.monotonic()
            sequence.num_computed = plan.demand[sequence]
            self.cache.insert_prefix(sequence)
        self._prefill_turns.note(reserved, self._holders())
        return padded(plan.shape)

    def _plan_prefill(self, room: int, ordered: Callable[[list[SequenceState]], list[SequenceState]]) -> Plan:
        return plan_prefill(ordered(to_prefill(self._holders())), self._config, room)

    def _start_all(self) -> bool:
        """Let everyone decode whose tokens are in the cache."""
        ready = [s for s in self._ready() if s.request.sampling.max_tokens]
        return sum(not sequence.ended and self._start(sequence) for sequence in ready) > 0

    def _ready(self) -> list[SequenceState]:
        """Who has all tokens in the cache that are there, and does not decode."""
        return [s for s in self._holders() if not s.decoding and s.num_uncomputed == 0 and s.parent.compiled]

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
        self._state = self._runner.admit(self._state, self._rows.index(sequence), start)
        self._note_admission(sequence)
        return True

    def _fail(self, request: RequestState, failure: RequestFailed) -> None:
        """End one request, with what went wrong in it."""
        for sequence in request.sequences:
            self.cancel(sequence)
        request.fail(failure)

    def _forget(self, request: RequestState) -> None:
        """Nobody is to take over what was computed for a request."""
        for sequence in self._holders():
            if sequence.parent is request:
                self.cache.forget(sequence)

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
        holders = {row: s for row, s in enumerate(self._rows) if s is not None and s.decoding}
        if not holders:
            return False
        active, page_table = self._batch(holders)
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
        return any(s.decoding and not s.num_output_tokens and s not in drawing for s in self._holders())

    def _plan_decode(self, tokens: int) -> Plan:
        """So many more tokens for everyone who decodes, behind those that are in flight."""
        demand = {}
        for sequence in self._holders():
            if sequence.decoding:
                ahead = sum(block.tokens for block in self._in_flight if sequence in block.holders.values())
                demand[sequence] = min(len(sequence.tokens) - 1 + tokens + ahead, sequence.max_positions)
        return Plan(demand)

    def _batch(self, holders: dict[int, SequenceState]) -> tuple[np.ndarray, np.ndarray]:
        """Which rows are active, bool [B], and their pages, int32 [B, M]."""
        size = bucket(self._config.batches, max(holders) + 1)
        active, page_table = np.zeros(size, bool), np.zeros((size, self._config.max_pages_per_row), np.int32)
        for row, sequence in holders.items():
            active[row], page_table[row, : len(sequence.pages)] = True, sequence.pages
        return active, page_table

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
        self.totals.steps += int(block.steps)
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
        if block.steps:
            seconds = (now - max(self._read_at, in_flight.dispatched)) / int(block.steps)
            self._step_seconds += 0.3 * (seconds - self._step_seconds)
        self._read_at = now
        return block
