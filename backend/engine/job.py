"""A request inside the engine, and its choices: what is to be drawn, and how far each has come."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count

from backend.request import Admission, Request, TokenEvent

Emit = Callable[[list[TokenEvent]], None]
_arrivals = count()


@dataclass(eq=False)
class Job:
    """emit: takes the events of one block, in order. fail: takes what ends the request early; nothing follows it.

    admission: set when the first choice begins to decode. started: when its first prompt tokens were computed.
    """

    request: Request
    emit: Emit
    fail: Callable[[Exception], None]
    choices: list["Choice"] = field(default_factory=list)
    arrival: int = field(default_factory=lambda: next(_arrivals))
    submitted: float = field(default_factory=time.monotonic)
    started: float | None = None
    admission: Admission | None = None

    def __post_init__(self) -> None:
        self.choices = [Choice(self, index) for index in range(len(self.request.seeds))]

    @property
    def compiled(self) -> bool:
        """Its grammar, if it has one, is there."""
        grammar = self.request.grammar
        return grammar is None or (grammar.tables.done() and grammar.tables.exception() is None)


@dataclass(eq=False)
class Choice:
    """One choice of a job.

    drawn: the tokens handed out. pages: of the cache, in order; `cached` positions of them are filled. matched: prompt
    positions that came from the prefix tree. decoding: the device draws for it. ended: nothing of it is left anywhere.
    """

    job: Job
    index: int
    drawn: list[int] = field(default_factory=list)
    pages: list[int] = field(default_factory=list)
    cached: int = 0
    matched: int = 0
    decoding: bool = False
    ended: bool = False

    @property
    def priority(self) -> tuple[bool, int, int]:
        """The lower, the earlier served: first come, first served, after those whose grammar is still compiled."""
        return (not self.job.compiled, self.job.arrival, self.index)

    @property
    def tokens(self) -> tuple[int, ...]:
        """Prompt and what was drawn since."""
        return (*self.job.request.prompt, *self.drawn)

    @property
    def length(self) -> int:
        """Of the tokens known so far. The last of them is fed by the next decoding step, so its keys are not cached."""
        return len(self.job.request.prompt) + len(self.drawn)

    @property
    def remaining(self) -> int:
        """Tokens to prefill before it can decode."""
        return self.length - 1 - self.cached

    @property
    def most_positions(self) -> int:
        """Positions that will be cached at most: the last token drawn is never fed."""
        return len(self.job.request.prompt) + self.job.request.sampling.max_tokens - 1
