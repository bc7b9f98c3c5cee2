"""Which choice holds which row, and what the device does next. Runs in the engine's thread; owns the decode state."""

import time
from collections import deque
from dataclasses import dataclass

import jax
import numpy as np

from backend.engine.cache import Cache
from backend.engine.config import bucket
from backend.engine.events import events_of
from backend.engine.job import Choice, Job
from backend.engine.prefill_shapes import Shape, cheapest, cost, padded
from backend.engine.programs import Piece, Programs
from backend.engine.state import Block
from backend.grammar.device.arena import ArenaFull
from backend.request import Admission, RequestFailed, TokenEvent


@dataclass(frozen=True)
class InFlight:
    """A dispatched block of at most `steps` steps, and who held which row at that time."""

    block: Block
    holders: dict[int, Choice]
    steps: int
    dispatched: float


@dataclass
class Totals:
    """What was done since the start; see `EngineStats`."""

    prompt_tokens: int = 0
    cached_tokens: int = 0
    output_tokens: int = 0
    steps: int = 0
    dispatches: int = 0
    preemptions: int = 0


class Scheduler:
    """First come, first served. Each `step` admits, prefills one chunk, dispatches one block of steps and reads one.

    Who came earlier takes pages from who came last when there are no others; that one waits and is computed again, from
    its prompt and what it has drawn. So the first always goes on, and in the end everyone is the first.
    """

    def __init__(self, programs: Programs) -> None:
        self._programs, self._config = programs, programs.config
        self._state = programs.init_state()
        self.cache, self.totals = Cache(self._config), Totals()
        self._rows: list[Choice | None] = [None] * self._config.rows
        self._waiting: list[Choice] = []
        self._in_flight: deque[InFlight] = deque()
        self._step_seconds = self._config.block_seconds  # until a block was read: one step
        self._read_at = 0.0

    @property
    def running(self) -> int:
        """Choices that hold a row."""
        return len(self._holders())

    @property
    def waiting(self) -> int:
        """Choices that hold none yet, or none any more."""
        return len(self._waiting)

    def add(self, job: Job) -> None:
        """Queue every choice of a job."""
        self._waiting.extend(choice for choice in job.choices if not choice.ended)

    def cancel(self, choice: Choice) -> None:
        """End a choice without a further event and free what it holds. Does nothing if it has ended."""
        if choice.ended:
            return
        choice.ended = True
        if choice in self._rows:
            self._vacate(choice)
        elif choice in self._waiting:
            self._waiting.remove(choice)

    def step(self) -> bool:
        """One round. False if there was nothing to do, and will not be before a further command."""
        changed = self._admit()
        changed |= self._share_prompts()
        changed |= self._prefill()
        changed |= self._start_all()
        self._compact()
        dispatched = self._dispatch()
        while len(self._in_flight) > (dispatched and self._config.read_behind):
            changed = True
            self._deliver()
        return changed or dispatched

    def _holders(self) -> list[Choice]:
        """Who holds a row, the first to be served first."""
        return sorted((choice for choice in self._rows if choice is not None), key=lambda choice: choice.priority)

    # Rows

    def _admit(self) -> bool:
        """Give rows to those who wait, in order; nobody overtakes who does not fit."""
        admitted = False
        while self._waiting and any(holder is None or not holder.job.compiled for holder in self._rows):
            if not self._place(min(self._waiting, key=lambda choice: choice.priority)):
                break
            admitted = True
        return admitted

    def _place(self, choice: Choice) -> bool:
        """Give the choice a row if it fits, also that of one whose grammar is not there yet."""
        while not (None in self._rows and self._fits(choice)):
            idle = [holder for holder in self._holders() if not holder.job.compiled]
            if not idle or not choice.job.compiled:
                return False
            self._put_back(idle[-1])
        self._waiting.remove(choice)
        self._rows[self._rows.index(None)] = choice
        if self._config.deterministic:
            self.cache.grow(choice, choice.most_positions)
        return True

    def _fits(self, choice: Choice) -> bool:
        """Whether there are pages for all its tokens, and one for each who decodes; of those it gets what is known."""
        if self._config.deterministic:
            return self.cache.has(self._config.pages_for(choice.most_positions))
        holders = self._holders()
        spare = sum(holder.decoding for holder in holders)
        if any(holder.job is choice.job for holder in holders) and not choice.drawn:
            return self.cache.has(2 + spare)
        self.cache.reuse(choice)
        if self.cache.has(self._config.pages_for(choice.length) - len(choice.pages) + spare):
            return True
        self.cache.release(choice)
        return False

    def _vacate(self, choice: Choice) -> None:
        """Take row, pages and grammar from a choice."""
        self._rows[self._rows.index(choice)] = None
        self.cache.release(choice)
        grammar = choice.job.request.grammar
        if grammar is not None and choice.decoding:
            self._programs.arena.release(grammar.key)
        choice.decoding = False

    def _put_back(self, choice: Choice) -> None:
        """Let a choice wait again; what it has drawn must have been read."""
        self.totals.preemptions += choice.decoding
        self._vacate(choice)
        self._waiting.append(choice)

    def _compact(self) -> None:
        """Move rows down where the batch then fits a smaller one."""
        held = [row for row, choice in enumerate(self._rows) if choice is not None]
        while held and bucket(self._config.batches, held[-1] + 1) > bucket(self._config.batches, len(held)):
            highest, free = held.pop(), self._rows.index(None)
            self._state = self._programs.move_row(self._state, highest, free)
            self._rows[free], self._rows[highest] = self._rows[highest], None
            held = sorted([*held, free])

    def _grow(self, choice: Choice, positions: int) -> bool:
        """Pages for so many positions, from those who come after the choice if need be. False: there are none now."""
        while not self.cache.grow(choice, positions):
            if self._in_flight:
                self._deliver()  # who ended in there frees pages, and nobody else may be put back before it is read
                if choice not in self._rows:
                    return False
                continue
            last = next(holder for holder in reversed(self._holders()) if holder.pages or holder is choice)
            if last is not choice or choice.decoding:
                self._put_back(last)
            if last is choice:
                return False
        return True

    # Prompts

    def _share_prompts(self) -> bool:
        """Choices whose sibling has the prompt in the cache take it from there."""
        shared = False
        for choice in self._holders():
            if choice.remaining > 0 and not choice.decoding and not choice.drawn:
                source = self._with_prompt(choice)
                shared |= source is not None and self._share_prompt(choice, source)
        return shared

    def _share_prompt(self, choice: Choice, source: Choice) -> bool:
        """The whole pages at once, the last one as a copy; False where there is no page for it now."""
        self.cache.share(choice, source)
        filled = len(choice.job.request.prompt) - 1
        if choice.cached < filled:
            if not self._grow(choice, filled) or source not in self._rows:
                return False
            self._state = self._programs.copy_page(self._state, *self._last_pages(source, choice, filled))
            choice.cached = filled
        return True

    def _last_pages(self, source: Choice, choice: Choice, filled: int) -> tuple[int, int]:
        page = filled // self._config.page_tokens
        return source.pages[page], choice.pages[page]

    def _with_prompt(self, choice: Choice) -> Choice | None:
        """A sibling that holds the whole prompt."""
        filled = len(choice.job.request.prompt) - 1
        siblings = (holder for holder in self._rows if holder is not None and holder.job is choice.job)
        return next((other for other in siblings if other is not choice and other.cached >= filled), None)

    def _prefill(self) -> bool:
        """Run prefill programs, of as many tokens together as the largest has: so long may a stream be delayed."""
        changed, room = False, self._config.most_prefilled
        while (tokens := self._prefill_once(room)) is not None:
            changed, room = True, room - tokens
        return changed

    def _prefill_once(self, room: int) -> int | None:
        """Run one prefill program of at most `room` tokens; None if there is nothing to run.

        Gives its tokens, padding included; 0 where the cache had all of somebody's, and others may share them first.
        """
        work = [choice for choice in self._holders() if choice.remaining > 0 and self._is_first(choice)]
        for choice in work[: self._config.widest_prefill]:
            self.cache.reuse(choice)
        if not all(choice.remaining for choice in work):
            return 0
        if not work:
            return None
        shape, chosen = self._pick(work)
        if padded(shape) > room:
            return None
        pieces: list[tuple[Choice, Piece]] = []
        for choice in chosen:
            end = choice.cached + min(choice.remaining, shape[1])
            if self._grow(choice, end):
                pieces.append((choice, Piece(choice.tokens[choice.cached : end], choice.cached, choice.pages)))
        if not pieces:
            return None
        self._state = self._programs.prefill(self._state, shape, [piece for _, piece in pieces])
        for choice, piece in pieces:
            choice.job.started = choice.job.started or time.monotonic()
            choice.cached += len(piece.tokens)
            self.cache.remember(choice)
        return padded(shape)

    def _is_first(self, choice: Choice) -> bool:
        """Of the choices of a job that hold rows, one prefills the prompt for all."""
        siblings = [c for c in self._holders() if c.job is choice.job and not c.drawn]
        return bool(choice.drawn) or siblings[0] is choice

    def _pick(self, work: list[Choice]) -> tuple[Shape, list[Choice]]:
        """A program, and whose tokens it takes: the first's, with others' where one call for all costs less."""
        first, shapes = work[0], self._config.prefills
        for shape in shapes:
            group = [choice for choice in work if choice.remaining <= shape[1]][: shape[0]]
            if first in group and cost(shape) < sum(cheapest(shapes, choice.remaining)[0] for choice in group):
                return shape, group
        return cheapest(shapes, first.remaining)[1], [first]

    def _start_all(self) -> bool:
        """Let everyone decode whose tokens are in the cache."""
        ready = [c for c in self._holders() if not c.decoding and c.remaining == 0 and c.job.compiled]
        return sum(not choice.ended and self._start(choice) for choice in ready) > 0

    def _start(self, choice: Choice) -> bool:
        """Let the choice decode; not yet if its grammar must wait for room."""
        request, grammar = choice.job.request, choice.job.request.grammar
        try:
            placed = None if grammar is None else self._programs.arena.acquire(grammar.key, grammar.tables.result())
        except ArenaFull:
            return False
        choice.decoding = True
        try:
            start = self._programs.row_state(request, choice.index, choice.drawn, placed)
        except Exception as error:
            self._fail(choice.job, error)
            return True
        self._state = self._programs.admit(self._state, self._rows.index(choice), start)
        self._note_admission(choice)
        return True

    def _fail(self, job: Job, error: Exception) -> None:
        """End one job, with what went wrong in it."""
        for choice in job.choices:
            self.cancel(choice)
        failure = RequestFailed(f"the engine could not start the request: {error!r}")
        failure.__cause__ = error
        job.fail(failure)

    def _note_admission(self, choice: Choice) -> None:
        job = choice.job
        if job.admission is None:
            began = job.started or time.monotonic()
            job.admission = Admission(began - job.submitted, choice.matched)
            self.totals.prompt_tokens += len(job.request.prompt)
            self.totals.cached_tokens += choice.matched

    # Blocks

    def _dispatch(self) -> bool:
        """Start a block for every row that decodes; False if there is none."""
        steps = int(np.clip(self._config.block_seconds / self._step_seconds, 1, self._config.max_steps))
        for choice in self._holders():
            if choice.decoding:
                ahead = steps + sum(block.steps for block in self._in_flight if choice in block.holders.values())
                self._grow(choice, min(choice.length - 1 + ahead, choice.most_positions))
        holders = {row: choice for row, choice in enumerate(self._rows) if choice is not None and choice.decoding}
        if not holders:
            return False
        live, tables = self._batch(holders)
        leave = any(choice.job.compiled for choice in self._waiting)
        dispatched = time.monotonic()  # before: where programs run synchronously, the call is the run
        self._state, block = self._programs.decode(self._state, tables, live, steps, leave)
        self._in_flight.append(InFlight(block, holders, steps, dispatched))
        self.totals.dispatches += 1
        return True

    def _batch(self, holders: dict[int, Choice]) -> tuple[np.ndarray, np.ndarray]:
        """Which rows are live, bool [B], and their pages, int32 [B, W]."""
        size = bucket(self._config.batches, max(holders) + 1)
        live, tables = np.zeros(size, bool), np.zeros((size, self._config.width), np.int32)
        for row, choice in holders.items():
            live[row], tables[row, : len(choice.pages)] = True, choice.pages
        return live, tables

    def _deliver(self) -> None:
        """Read the oldest block and hand its events out; frees what those who ended hold."""
        behind = self._in_flight.popleft()
        block = self._read(behind)
        events: dict[Job, list[TokenEvent]] = {}
        for row, choice in behind.holders.items():
            if choice.ended:
                continue
            new = events_of(choice, block, row)
            choice.drawn += [event.token for event in new]
            choice.cached += len(new)
            events.setdefault(choice.job, []).extend(new)
            if block.done[row]:
                self.cancel(choice)
        self.totals.steps += int(block.steps)
        for job, of_job in events.items():
            if of_job:
                self.totals.output_tokens += len(of_job)
                job.emit(of_job)

    def _read(self, behind: InFlight) -> Block:
        """The block as numpy arrays; log-probabilities only if somebody wants them."""
        block = behind.block
        wanted = any(choice.job.request.top_logprobs is not None for choice in behind.holders.values())
        names = ("tokens", "count", "done", "finished", "steps") + (
            ("logprobs", "top_ids", "top_logprobs") if wanted else ()
        )
        host = jax.device_get({name: getattr(block, name) for name in names})
        now = time.monotonic()
        if host["steps"]:
            seconds = (now - max(self._read_at, behind.dispatched)) / int(host["steps"])
            self._step_seconds += 0.3 * (seconds - self._step_seconds)
        self._read_at = now
        return Block(**{name: host.get(name) for name in Block.__dataclass_fields__})
