"""Which choice holds which row, and what the device does next. Runs in the engine's thread; owns the decode state."""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

import jax
import numpy as np

from backend.engine.config import bucket
from backend.engine.programs import Programs
from backend.engine.state import Block
from backend.grammar.device.arena import ArenaFull
from backend.request import FinishReason, Request, TokenEvent

Emit = Callable[[list[TokenEvent]], None]


@dataclass(eq=False)
class Job:
    """A request in the engine. emit: takes the events of one block, in order."""

    request: Request
    emit: Emit
    choices: list["Choice"] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.choices = [Choice(self, index) for index in range(len(self.request.seeds))]


@dataclass(eq=False)
class Choice:
    """One choice of a job. prefilled: prompt tokens whose keys are in its row's cache, all but the last in the end."""

    job: Job
    index: int
    prefilled: int = 0
    decoding: bool = False
    ended: bool = False

    @property
    def remaining_prompt(self) -> int:
        """Prompt tokens to prefill; the last one is fed by the first decoding step."""
        return len(self.job.request.prompt) - 1 - self.prefilled

    @property
    def compiled(self) -> bool:
        """Its grammar, if it has one, is there."""
        grammar = self.job.request.grammar
        return grammar is None or (grammar.tables.done() and grammar.tables.exception() is None)


@dataclass(frozen=True)
class InFlight:
    """A dispatched block and who held which row at that time."""

    block: Block
    holders: dict[int, Choice]
    dispatched: float


class Scheduler:
    """First come, first served. Each `step` admits, prefills one chunk of prompt, dispatches and reads one behind."""

    def __init__(self, programs: Programs) -> None:
        self._programs, self._config = programs, programs.config
        self._state = programs.init_state()
        self._rows: list[Choice | None] = [None] * self._config.rows
        self._waiting: deque[Choice] = deque()
        self._in_flight: InFlight | None = None
        self._step_seconds = self._config.block_seconds / self._config.max_steps
        self._read_at = 0.0

    @property
    def idle(self) -> bool:
        """Nothing is in flight and nothing can go on before a further command."""
        if self._in_flight is not None or (self._waiting and None in self._rows):
            return False
        held = [choice for choice in self._rows if choice is not None]
        prefilling = any(choice.remaining_prompt and choice is self._first(choice) for choice in held)
        return not prefilling and not any(choice.compiled for choice in (*held, *self._waiting))

    def _first(self, choice: Choice) -> Choice:
        """The first of the choices of one job that hold rows: it prefills the prompt, the others copy."""
        return min((c for c in self._rows if c is not None and c.job is choice.job), key=lambda c: c.index)

    def add(self, job: Job) -> None:
        """Queue every choice of a job."""
        self._waiting.extend(job.choices)

    def cancel(self, choice: Choice) -> None:
        """End a choice without a further event and free its row. Does nothing if it has ended."""
        choice.ended = True
        if choice in self._rows:
            self._rows[self._rows.index(choice)] = None
            grammar = choice.job.request.grammar
            if grammar is not None and choice.decoding:
                self._programs.arena.release(grammar.key)

    def step(self) -> None:
        """One round: afterwards at most one block is in flight."""
        self._admit()
        self._prefill(self._config.chunk)
        self._compact()
        behind, self._in_flight = self._in_flight, self._dispatch()
        if behind is not None:
            self._deliver(behind)

    def _admit(self) -> None:
        """Give rows to those who wait. Whoever cannot decode yet has one only while nobody else wants it."""
        self._waiting = deque(choice for choice in self._waiting if not choice.ended)
        compiled = [choice for choice in self._waiting if choice.compiled]
        self._make_room(len(compiled) - self._rows.count(None))
        for choice in [*compiled, *(choice for choice in self._waiting if not choice.compiled)]:
            if None not in self._rows:
                break
            self._waiting.remove(choice)
            self._rows[self._rows.index(None)] = choice

    def _make_room(self, wanted: int) -> None:
        """Take up to `wanted` rows back from choices whose grammar is not there yet; their prefill is lost."""
        for row, choice in enumerate(self._rows):
            if wanted > 0 and choice is not None and not choice.compiled:
                self._rows[row], choice.prefilled = None, 0
                self._waiting.appendleft(choice)
                wanted -= 1

    def _prefill(self, budget: int) -> None:
        """Bring rows to decoding, with `budget` prompt tokens at most."""
        for row, choice in enumerate(self._rows):
            if choice is None or choice.decoding:
                continue
            siblings = (r for r, c in enumerate(self._rows) if c is not None and c.job is choice.job and c.decoding)
            source = next(siblings, None)
            if source is not None:
                # The source's cache may go on after the prompt; that is overwritten here before it can be seen.
                self._state = self._programs.copy_row(self._state, source, row)
                choice.prefilled += choice.remaining_prompt
            elif choice is self._first(choice):
                budget -= self._prefill_chunk(row, choice, budget)
            if choice.remaining_prompt == 0 and choice.compiled:
                self._start(row, choice)

    def _prefill_chunk(self, row: int, choice: Choice, budget: int) -> int:
        """Prefill one piece of the choice's prompt; returns its length."""
        size = min(choice.remaining_prompt, budget)
        if size > 0:
            piece = choice.job.request.prompt[choice.prefilled : choice.prefilled + size]
            self._state = self._programs.prefill(self._state, row, piece, choice.prefilled)
            choice.prefilled += size
        return size

    def _start(self, row: int, choice: Choice) -> None:
        """Let the choice decode; not yet if its grammar must wait for room."""
        request = choice.job.request
        grammar = request.grammar
        try:
            placed = None if grammar is None else self._programs.arena.acquire(grammar.key, grammar.tables.result())
        except ArenaFull:
            return
        self._state = self._programs.admit(self._state, row, request, choice.index, placed)
        choice.decoding = True

    def _compact(self) -> None:
        """Move rows down where the batch then fits a smaller bucket."""
        held = [row for row, choice in enumerate(self._rows) if choice is not None]
        while held and bucket(self._config.row_buckets, held[-1] + 1) > bucket(self._config.row_buckets, len(held)):
            highest, free = held.pop(), self._rows.index(None)
            self._state = self._programs.copy_row(self._state, highest, free)
            self._rows[free], self._rows[highest] = self._rows[highest], None
            held = sorted([*held, free])

    def _dispatch(self) -> InFlight | None:
        """Start a block for every row that decodes; None if there is none."""
        holders = {row: choice for row, choice in enumerate(self._rows) if choice is not None and choice.decoding}
        if not holders:
            return None
        live = np.zeros(bucket(self._config.row_buckets, max(holders) + 1), bool)
        live[list(holders)] = True
        steps = int(np.clip(self._config.block_seconds / self._step_seconds, 1, self._config.max_steps))
        self._state, block = self._programs.decode(
            self._state, live, steps, leave=any(c.compiled for c in self._waiting)
        )
        return InFlight(block, holders, time.monotonic())

    def _deliver(self, behind: InFlight) -> None:
        """Read a block and hand its events out; frees the rows that ended."""
        block = self._read(behind)
        events: dict[Job, list[TokenEvent]] = {}
        for row, choice in behind.holders.items():
            if choice.ended:
                continue
            events.setdefault(choice.job, []).extend(_events(choice, block, row))
            if block.done[row]:
                self.cancel(choice)
        for job, of_job in events.items():
            if of_job:
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


def _events(choice: Choice, block: Block, row: int) -> list[TokenEvent]:
    """The tokens that `row` drew in a block, the last with its finish reason if the row is done."""
    request, count = choice.job.request, int(block.count[row])
    tokens = block.tokens[row, :count].tolist()
    reasons: list[FinishReason | None] = [None] * count
    is_end = [False] * count
    if count and block.done[row]:
        is_end[-1] = tokens[-1] in request.sampling.end_tokens
        reasons[-1] = "stop" if is_end[-1] or block.finished[row] else "length"
    if request.top_logprobs is None:
        return [
            TokenEvent(choice.index, token, finish_reason=reason, is_end=end)
            for token, reason, end in zip(tokens, reasons, is_end, strict=True)
        ]
    kept = slice(request.top_logprobs)
    return [
        TokenEvent(
            choice=choice.index,
            token=token,
            logprob=float(block.logprobs[row, i]),
            top_logprobs=tuple(
                zip(block.top_ids[row, i, kept].tolist(), block.top_logprobs[row, i, kept].tolist(), strict=True)
            ),
            finish_reason=reason,
            is_end=end,
        )
        for i, (token, reason, end) in enumerate(zip(tokens, reasons, is_end, strict=True))
    ]
