"""A request inside the engine, and its sequences: what is to be drawn, and how far each has come."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import count

import jax
import numpy as np

from backend.engine.adapters import StoredAdapter
from backend.engine.radix_cache import PageKey
from backend.engine.state import ChunkScores
from backend.pooling import PoolingMode, joined
from backend.request import Admission, PromptLogprobs, Request, TokenEvent

Emit = Callable[[list[TokenEvent]], None]
_arrivals = count()


@dataclass(eq=False)
class RequestState:
    """One request and a sequence for each of its choices.

    emit: takes the events of one block, in order. fail: takes what ends the request early; nothing follows it.
    admission: set when the first sequence begins to decode. started: when its first prompt tokens were computed.
    prompt_logprobs: set before the first event, where they are asked for. num_scored: how many tokens of the prompt are
    behind which the next one's was computed, from the first on; `scores` has these, chunk by chunk with their starts.
    compiled: it can decode, having no grammar or one that was compiled when `poll_grammar` was called last.
    pooled: what the prompt was pooled to, set before the end, where that is asked for; `chunks` has what its chunks
    were, each with its start, its end, and its row of what a call gave.
    adapter: the one that the request names, None for none; also once its name is another's or nobody's.
    """

    request: Request
    emit: Emit
    fail: Callable[[Exception], None]
    sequences: list["SequenceState"] = field(default_factory=list)
    arrival: int = field(default_factory=lambda: next(_arrivals))
    submitted: float = field(default_factory=time.monotonic)
    started: float | None = None
    admission: Admission | None = None
    prompt_logprobs: PromptLogprobs | None = None
    num_scored: int = 0
    scores: list[tuple[int, int, int, ChunkScores]] = field(default_factory=list)
    pooled: np.ndarray | None = None
    chunks: list[tuple[int, int, jax.Array, int]] = field(default_factory=list)
    adapter: StoredAdapter | None = None
    compiled: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        self.sequences = [SequenceState(self, choice) for choice in range(len(self.request.seeds))]
        self.poll_grammar()

    def note_scores(self, start: int, end: int, row: int, scores: ChunkScores) -> None:
        """What is behind the tokens from `start` up to `end` was scored in a row; the device may still compute it."""
        self.scores.append((start, end, row, scores))
        self.num_scored = max(self.num_scored, end)

    def read_scores(self) -> bool:
        """Makes `prompt_logprobs` of all scores, once the device has them. False: some are not finite."""
        top = (len(self.request.prompt) - 1, self.request.top_logprobs or 0)
        found = PromptLogprobs(np.zeros(top[0], np.float32), np.zeros(top, np.int32), np.zeros(top, np.float32))
        finite = True
        for start, end, row, scores in self.scores:
            host, place = jax.device_get(scores), slice(end - start)
            found.logprobs[start:end] = host.logprobs[row, place]
            found.top_ids[start:end] = host.top_ids[row, place, : top[1]]
            found.top_logprobs[start:end] = host.top_logprobs[row, place, : top[1]]
            finite &= bool(host.finite[row, place].all())
        self.scores, self.prompt_logprobs = [], found
        return finite

    def note_chunk(self, start: int, end: int, vectors: jax.Array, row: int) -> None:
        """The tokens from `start` up to `end` were pooled; the device may still compute it.

        What was known from there on is computed anew, as of who was preempted.
        """
        self.chunks = [chunk for chunk in self.chunks if chunk[0] < start] + [(start, end, vectors, row)]

    def read_chunks(self, mode: PoolingMode) -> bool:
        """Makes `pooled` of all chunks, once the device has them. False: it is not finite."""
        parts = [(end - start, jax.device_get(vectors)[row]) for start, end, vectors, row in self.chunks]
        self.chunks, self.pooled = [], joined(mode, parts)
        return bool(np.isfinite(self.pooled).all())

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
        """How many tokens are to be prefilled before it can decode; the first decoding step feeds the last one.

        Of who never decodes all are.
        """
        return len(self.tokens) - (not self.request.pooled) - self.num_computed

    @property
    def has_prompt(self) -> bool:
        """Whether the keys and values of all of the prompt that is prefilled are in its pages."""
        return self.num_computed >= self.num_prompt - 1

    @property
    def is_scored(self) -> bool:
        """Whether what is computed of it next is the prompt, and its log-probabilities are wanted."""
        return self.request.prompt_logprobs and self.parent.num_scored < self.num_prompt - 1

    @property
    def max_positions(self) -> int:
        """Most positions that the sequence can have in the cache: the last token drawn is never fed."""
        return self.num_prompt + self.request.sampling.max_tokens - (not self.request.pooled)

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
