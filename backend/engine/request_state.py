"""A request inside the engine, and its sequences: what is to be drawn, and how far each has come."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import count

from backend.engine.radix_cache import PageKey
from backend.request import Admission, Request, TokenEvent

Emit = Callable[[list[TokenEvent]], None]
_arrivals = count()


@dataclass(eq=False)
class RequestState:
    """One request and a sequence for each of its choices.

    emit: takes the events of one block, in order. fail: takes what ends the request early; nothing follows it.
    admission: set when the first sequence begins to decode. started: when its first prompt tokens were computed.
    compiled: it can decode, having no grammar or one that was compiled when `poll_grammar` was called last.
    """

    request: Request
    emit: Emit
    fail: Callable[[Exception], None]
    sequences: list["SequenceState"] = field(default_factory=list)
    arrival: int = field(default_factory=lambda: next(_arrivals))
    submitted: float = field(default_factory=time.monotonic)
    started: float | None = None
    admission: Admission | None = None
    compiled: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        self.sequences = [SequenceState(self, choice) for choice in range(len(self.request.seeds))]
        self.poll_grammar()

    def poll_grammar(self) -> None:
        """See whether the grammar is compiled by now, which another thread decides.

        The engine's thread asks once per round: the order of service must not change while a round is planned.
        """
        if not self.compiled:
            grammar = self.request.grammar
            self.compiled = grammar is None or (grammar.tables.done() and grammar.tables.exception() is None)


@dataclass(eq=False)
class SequenceState:
    """One choice of a request: its prompt and what was drawn after it.

    choice: its index among the request's. turn: when it was given a row first, of all that were; None before that.
    tokens: prompt and output, in order. pages: of the cache, in order; num_computed: positions of them that hold keys
    and values. num_cached: prompt positions that the radix cache had.
    decoding: the device draws for it. ended: nothing of it is left anywhere.
    """

    parent: RequestState
    choice: int
    turn: int | None = None
    tokens: list[int] = field(default_factory=list)
    pages: list[int] = field(default_factory=list)
    num_computed: int = 0
    num_cached: int = 0
    decoding: bool = False
    ended: bool = False
    _page_keys: list[PageKey] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.tokens = list(self.request.prompt.tokens)

    @property
    def request(self) -> Request:
        """The request of which this sequence is one choice."""
        return self.parent.request

    @property
    def priority(self) -> tuple[bool, int]:
        """The order of those who hold a row, lowest first: by turn, behind it whose grammar is still being compiled."""
        assert self.turn is not None
        return (not self.parent.compiled, self.turn)

    @property
    def num_prompt(self) -> int:
        """How many tokens the prompt has."""
        return len(self.request.prompt)

    @property
    def num_output_tokens(self) -> int:
        """How many tokens were drawn so far."""
        return len(self.tokens) - self.num_prompt

    @property
    def output_tokens(self) -> list[int]:
        """The ids of the tokens drawn so far, in order."""
        return self.tokens[self.num_prompt :]

    @property
    def num_uncomputed(self) -> int:
        """How many tokens are to be prefilled before it can decode; the first decoding step feeds the last one."""
        return len(self.tokens) - 1 - self.num_computed

    @property
    def has_prompt(self) -> bool:
        """Whether the keys and values of all of the prompt that is prefilled are in its pages."""
        return self.num_computed >= self.num_prompt - 1

    @property
    def max_positions(self) -> int:
        """Most positions that the sequence can have in the cache: the last token drawn is never fed."""
        return self.num_prompt + self.request.sampling.max_tokens - 1

    def page_keys(self, pages: int, page_tokens: int) -> Sequence[PageKey]:
        """The radix cache's keys of the first whole pages, of `page_tokens` tokens each, at most `pages` of them."""
        whole = min(pages, len(self.tokens) // page_tokens)
        for page in range(len(self._page_keys), whole):
            start = page * page_tokens
            self._page_keys.append(page_key(self.request, self.tokens[start : start + page_tokens], start))
        return self._page_keys[:whole]


def page_key(request: Request, tokens: Sequence[int], start: int) -> PageKey:
    """What the keys and values of `tokens` from position `start` on depend on, apart from what stands before them.

    Namespace, token ids, and of every span in reach its content key, where it begins and how long it is: two contents
    behind equal placeholder ids, or two namespaces, never have a page in common.
    """
    end = start + len(tokens)
    content = tuple(
        (span.key, span.start - start, span.length)
        for span in request.prompt.spans
        if span.start < end and start < span.start + span.length
    )
    return (request.namespace, tuple(tokens), content)
