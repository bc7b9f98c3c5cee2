"""What goes into the engine and what comes out: plain values, no HTTP."""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from types import MappingProxyType
from typing import Literal

import numpy as np

from backend.grammar import MAX_CLOSING_TOKENS, Grammar

FinishReason = Literal["stop", "length"]
MAX_BANNED_TOKENS = 1024
"""How many tokens the banned sequences of one choice may have together."""


@dataclass(frozen=True)
class SamplingParams:
    """How one choice is drawn. The defaults leave the model's distribution as it is.

    temperature: 0 is greedy. top_k: 0 is off. min_p, xtc_*: 0 is off. Penalties as in the API document.
    logit_bias: token id to the value added to its logit.
    end_tokens: ids that end a choice; they are counted but carry no text.
    min_tokens: end tokens are masked until this many tokens were drawn.
    max_tokens: tokens drawn at most, an end token included.
    banned: sequences of tokens that do not come one after the other; of all together at most MAX_BANNED_TOKENS.
    no_repeat_ngram: no sequence of so many tokens comes twice, 0 is off. Both look at prompt and output, and where they
    leave no token they have no effect.
    forced: the first tokens of the output, whatever the filters say.
    """

    max_tokens: int
    end_tokens: tuple[int, ...]
    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.0
    xtc_threshold: float = 0.0
    xtc_probability: float = 0.0
    repetition_penalty: float = 1.0
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    logit_bias: Mapping[int, float] = field(default_factory=lambda: MappingProxyType({}))
    min_tokens: int = 0
    banned: tuple[tuple[int, ...], ...] = ()
    no_repeat_ngram: int = 0
    forced: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        assert all(self.banned) and sum(map(len, self.banned)) <= MAX_BANNED_TOKENS


@dataclass(frozen=True)
class ReasoningLimit:
    """Most tokens that a choice may spend on reasoning, told by its grammar, and the token ids that then close it.

    closing: fewer than MAX_CLOSING_TOKENS, and all that the grammar must allow there; what leads on to the answer too.
    """

    tokens: int
    closing: tuple[int, ...]

    def __post_init__(self) -> None:
        assert self.tokens >= 0 and 1 <= len(self.closing) < MAX_CLOSING_TOKENS


@dataclass(frozen=True, eq=False)
class Span:
    """Positions of a prompt whose content is not what their token ids say, such as the placeholders of a picture.

    start: the first position. length: how many. key: equal where the content is equal, such as a digest of it.
    embeddings: float32 [length, D], what the model is given there in place of the embeddings of the ids. both_ways:
    each of the positions sees all of them, not only those before it; no prefill call has a part of them at its end.
    features: float32 [S, length, D], what is added to what each of the first S layers gives there; None for nothing.
    """

    start: int
    length: int
    key: Hashable
    embeddings: np.ndarray
    both_ways: bool = False
    features: np.ndarray | None = None


@dataclass(frozen=True)
class Prompt:
    """What an answer follows: token ids, at least one, and the spans that something else fills, in order.

    The last token is fed by its id: it is in no span. places: int32 [3, length], time, height and width by which rotary
    embeddings with sections turn each position; what follows turns by one more each. None where a position is itself.
    """

    tokens: tuple[int, ...]
    spans: tuple[Span, ...] = ()
    places: np.ndarray | None = None

    def __post_init__(self) -> None:
        assert self.tokens
        ends = [(span.start, span.start + span.length) for span in self.spans]
        assert all(0 <= start < end < len(self.tokens) for start, end in ends)
        assert all(end <= start for (_, end), (start, _) in pairwise(ends))
        assert all(len(span.embeddings) == span.length for span in self.spans)

    def __len__(self) -> int:
        return len(self.tokens)

    @property
    def place_offset(self) -> int:
        """What a position behind the prompt turns by, less the position."""
        return 0 if self.places is None else int(self.places[0, -1]) - (len(self) - 1)

    def turned(self, start: int, end: int) -> np.ndarray:
        """int32 [3, end - start], what rotary embeddings turn these positions by, of the prompt or behind it."""
        known = np.tile(np.arange(start, end, dtype=np.int32), (3, 1))
        if self.places is None:
            return known
        within = self.places[:, start:end]
        return np.concatenate([within, known[:, within.shape[1] :] + self.place_offset], axis=1)

    def cut(self, end: int) -> int:
        """The last position at or before `end` where a prefill call may end: outside of what sees both ways."""
        for span in self.spans:
            if span.both_ways and span.start < end < span.start + span.length:
                return span.start
        return end

    def uncut(self, end: int) -> int:
        """The first position at or behind `end` where a prefill call may end."""
        for span in self.spans:
            if span.both_ways and span.start < end < span.start + span.length:
                return span.start + span.length
        return end


@dataclass(frozen=True)
class Request:
    """One prompt and its choices: choice i draws with `seeds[i]`, -2**63 .. 2**64 - 1.

    `len(prompt) + sampling.max_tokens` fits the engine's context.
    namespace: what else the keys and values depend on, or for whom they are; prompts of two never share what is
    computed. adapter: the name of the adapter that changes the model for it, None for the model itself; its prompts are
    found again by requests with the same adapter only. client: for whom it is, by which rows and places in line are
    shared out; all without one are one client.
    top_logprobs: None for no log-probabilities, else how many of the likeliest tokens go with each token (0..20).
    prompt_logprobs: those of the prompt's tokens are given too; needs `top_logprobs`. With `sampling.max_tokens` 0 they
    are all that is.
    pooled: what the hidden states of the whole prompt are pooled to is all that is; nothing is drawn.
    grammar: what every choice must match, None for any text. written: tokens that stand for the beginning of what must
    match, which the prompt has already; the grammar must allow them. reasoning_limit: needs a grammar; what is written
    does not count.
    """

    prompt: Prompt
    sampling: SamplingParams
    seeds: tuple[int, ...]
    top_logprobs: int | None = None
    grammar: Grammar | None = None
    written: tuple[int, ...] = ()
    reasoning_limit: ReasoningLimit | None = None
    namespace: Hashable = None
    adapter: str | None = None
    client: str | None = None
    prompt_logprobs: bool = False
    pooled: bool = False

    def __post_init__(self) -> None:
        assert self.seeds and self.sampling.max_tokens >= 0
        assert not self.pooled or (self.sampling.max_tokens == 0 and len(self.seeds) == 1)
        assert self.top_logprobs is not None or not self.prompt_logprobs
        assert self.reasoning_limit is None or self.grammar is not None


@dataclass(frozen=True)
class TokenEvent:
    """One token drawn for one choice.

    logprob: natural log of the token's probability under the model itself, before every filter; None if not asked for.
    top_logprobs: (token id, log-probability), likeliest first.
    finish_reason: set on a choice's last event only.
    is_end: the token is an end token, which has no text; a choice whose grammar is complete stops without one.
    """

    choice: int
    token: int
    logprob: float | None = None
    top_logprobs: tuple[tuple[int, float], ...] = ()
    finish_reason: FinishReason | None = None
    is_end: bool = False


@dataclass(frozen=True)
class PromptLogprobs:
    """Of the tokens of a prompt but the first, under the model behind those before each; natural logarithms.

    logprobs: float32 [P - 1] for P tokens. top_ids: int32 [P - 1, top], the likeliest in each place, likeliest first.
    top_logprobs: float32 [P - 1, top].
    """

    logprobs: np.ndarray
    top_ids: np.ndarray
    top_logprobs: np.ndarray


@dataclass(frozen=True)
class Admission:
    """How a request got from the queue into the batch.

    queued_seconds: from submission until the first of its prompt was computed. cached_tokens: of the prompt, those
    whose keys and values were still in the cache and were not computed again.
    """

    queued_seconds: float
    cached_tokens: int


class QueueFull(Exception):
    """The engine has no room for the request now. retry_after: seconds after which it may have."""

    def __init__(self, retry_after: int) -> None:
        super().__init__(f"the queue is full; there may be room in {retry_after} s")
        self.retry_after = retry_after


class UnknownAdapter(LookupError):
    """No adapter has the name that a request gives, its first argument."""


class AdapterExists(ValueError):
    """An adapter has the name, the first argument, already."""


class RequestFailed(Exception):
    """This request cannot be served, through a fault of ours; the engine and all other requests go on."""


class EngineFailed(Exception):
    """The engine's thread has ended; no request can be served until the process is started anew."""
