"""What goes into the engine and what comes out: plain values, no arrays, no HTTP."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

from backend.grammar import MAX_CLOSING_TOKENS, Grammar

FinishReason = Literal["stop", "length"]


@dataclass(frozen=True)
class SamplingParams:
    """How one choice is drawn. The defaults leave the model's distribution as it is.

    temperature: 0 is greedy. top_k: 0 is off. min_p, xtc_*: 0 is off. Penalties as in the API document.
    logit_bias: token id to the value added to its logit.
    end_tokens: ids that end a choice; they are counted but carry no text.
    min_tokens: end tokens are masked until this many tokens were drawn.
    max_tokens: tokens drawn at most, an end token included.
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


@dataclass(frozen=True)
class ReasoningLimit:
    """How many tokens may be drawn where the grammar says that what is written is reasoning, and those that end it."""

    tokens: int
    closing: tuple[int, ...]

    def __post_init__(self) -> None:
        assert self.tokens >= 0 and 1 <= len(self.closing) <= MAX_CLOSING_TOKENS


@dataclass(frozen=True)
class Request:
    """One prompt and its choices: choice i draws with `seeds[i]`.

    prompt: token ids, at least one. `len(prompt) + sampling.max_tokens` fits the engine's context.
    top_logprobs: None for no log-probabilities, else how many of the likeliest tokens go with each token (0..20).
    grammar: None where any text will do. reasoning_limit: needs a grammar.
    """

    prompt: tuple[int, ...]
    sampling: SamplingParams
    seeds: tuple[int, ...]
    top_logprobs: int | None = None
    grammar: Grammar | None = None
    reasoning_limit: ReasoningLimit | None = None

    def __post_init__(self) -> None:
        assert self.prompt and self.seeds and self.sampling.max_tokens >= 1
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
class Admission:
    """How a request got from the queue into the batch.

    queued_seconds: from submission until the first of its prompt was computed. cached_tokens: of the prompt, those
    whose keys and values were still in the cache and were not computed again.
    """

    queued_seconds: float
    cached_tokens: int


class QueueFull(Exception):
    """The engine has no room for the request now; the same request may be taken later."""


class RequestFailed(Exception):
    """This request cannot be served, through a fault of ours; the engine and all other requests go on."""


class EngineFailed(Exception):
    """The engine's thread has ended; no request can be served until the process is started anew."""
