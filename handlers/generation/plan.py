"""What an endpoint makes of a request: all that the engine is asked for, and how what it draws is read."""

from collections.abc import Callable
from dataclasses import dataclass

from backend import Prompt, ReasoningLimit, Request, SamplingParams
from backend.grammar import MAX_CLOSING_TOKENS
from handlers.formats.parser import OutputParser
from handlers.generation.constraint import OutputConstraint
from handlers.generation.output import OutputPlan
from handlers.generation.prefill import Prefill
from handlers.http.errors import invalid
from handlers.loaded import ChatTokenizer


@dataclass(frozen=True)
class GenerationPlan:
    """One prompt and the choices that continue it. Holds nothing of the body that it was made of.

    prompt: with `sampling.max_tokens` tokens more it fits the engine's context.
    seeds: one per choice. parser: makes the parser of one choice's text. constraint: None where any text will do.
    is_whole: whether a text, control tokens shown in it, is an answer in the form that was asked for; None for no form.
    prefill: the beginning of the answers, which the prompt has already; None where it has none. begun: its content.
    reasoning_limit: needs a constraint. top_logprobs: None for no log-probabilities, else how many of the likeliest
    tokens go with each token. prompt_logprobs: the first delta has those of the prompt. stop, stop_tokens: texts and
    sequences of token ids that end a choice and are no part of it. every_token: deltas have every token that was drawn,
    with its id. markers: texts in which special tokens are shown to the parser. include_reasoning: deltas of reasoning
    are given, not only counted. client: for whom it is, by which the engine's rows are shared out. namespace: among
    whose prompts this one may be found.
    adapter: the name of the one that changes the model, None for none.
    """

    prompt: Prompt
    sampling: SamplingParams
    seeds: tuple[int, ...]
    parser: Callable[[], OutputParser]
    constraint: OutputConstraint | None = None
    is_whole: Callable[[str], bool] | None = None
    prefill: Prefill | None = None
    begun: str = ""
    reasoning_limit: ReasoningLimit | None = None
    top_logprobs: int | None = None
    stop: tuple[str, ...] = ()
    stop_tokens: tuple[tuple[int, ...], ...] = ()
    prompt_logprobs: bool = False
    every_token: bool = False
    markers: tuple[str, ...] = ()
    include_reasoning: bool = True
    client: str | None = None
    namespace: str | None = None
    adapter: str | None = None

    def request(self) -> Request:
        """The part of the plan that the engine needs, as its request."""
        return Request(
            prompt=self.prompt,
            sampling=self.sampling,
            seeds=self.seeds,
            top_logprobs=self.top_logprobs,
            grammar=None if self.constraint is None else self.constraint.grammar,
            written=() if self.constraint is None or self.prefill is None else self.prefill.tokens,
            reasoning_limit=self.reasoning_limit,
            client=self.client,
            prompt_logprobs=self.prompt_logprobs,
            namespace=self.namespace,
            adapter=self.adapter,
        )


def reasoning_limit(output: OutputPlan, tokenizer: ChatTokenizer) -> ReasoningLimit | None:
    """The most tokens of reasoning and the token ids that close it and lead on to the answer, None for no limit.

    Raises APIError 422 where the limit cannot be enforced with this model.
    """
    reasoning, budget = output.format.reasoning, output.budget
    if budget is None or reasoning is None:
        return None
    try:
        text = reasoning.close + reasoning.behind
        closing = tokenizer.marker_tokens(text)
        if len(closing) >= MAX_CLOSING_TOKENS:
            raise ValueError(f"{text!r} takes {len(closing)} tokens, more than {MAX_CLOSING_TOKENS - 1}")
        if not output.end_tokens.keys().isdisjoint(closing):
            raise ValueError(f"{text!r} takes a token that {output.end_param} lets end the answer")
        return ReasoningLimit(budget.tokens, closing)
    except ValueError as error:
        message = f"{budget.param} cannot be enforced with this model: {error}; leave it out"
        raise invalid(message, budget.param) from error
