"""A request for completions as plans for the engine, one for each prompt."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from backend import Prompt
from generated.models import ContainerCompletionsBody
from handlers.chat.output import SCHEMA, answer_form
from handlers.chat.plan import is_whole
from handlers.completions.limits import check_banned, lengths
from handlers.completions.request import CompletionRequest, GivenPrompt
from handlers.formats.parser import OutputParser
from handlers.formats.syntax import Format
from handlers.generation.constraint import ConstraintBuilder, OutputConstraint
from handlers.generation.lengths import check_text
from handlers.generation.output import EndTokens, OutputRequest, plan_output
from handlers.generation.plan import GenerationPlan
from handlers.generation.sampling import choice_seeds, sampling_params
from handlers.http.client import current_cache_namespace, current_client
from handlers.http.errors import invalid
from handlers.http.threads import in_prompt_thread
from handlers.http.validation import parse_exact
from handlers.loaded import ChatTokenizer, LoadedModel, MediaEncoder
from handlers.service import Acceptance

PLAIN = Format()
"""Of texts, in which nothing is reasoning or a call."""


@dataclass(frozen=True)
class TokenizedPrompt:
    """One prompt: its token ids, its text, and where it stands in the body."""

    tokens: tuple[int, ...]
    text: str
    param: str


async def plan_completions(
    request: CompletionRequest, loaded: LoadedModel, acceptance: Acceptance
) -> tuple[list[GenerationPlan], list[TokenizedPrompt]]:
    """The plans that the engine is given for a valid request, and the prompts that they are of.

    Raises APIError 422, and 429 where too many grammars are being compiled.
    """
    body = request.body
    prompts = await in_prompt_thread(encode_prompts, request.prompts, loaded)
    banned = await in_prompt_thread(banned_sequences, body, loaded.tokenizer)
    constraint = await constrain(request, loaded)

    def plans() -> list[GenerationPlan]:
        return [_plan(body, prompt, banned, constraint, loaded, acceptance) for prompt in prompts]

    return await in_prompt_thread(plans), prompts


def encode_prompts(prompts: Sequence[GivenPrompt], loaded: LoadedModel) -> list[TokenizedPrompt]:
    """The prompts as token ids. Raises APIError 422 where one has none, too many, or what stands for media."""
    encoded = [_encoded(prompt, loaded) for prompt in prompts]
    if loaded.encoder is not None:
        _check_placeholders(encoded, loaded.encoder, loaded.tokenizer)
    return encoded


def banned_sequences(body: ContainerCompletionsBody, tokenizer: ChatTokenizer) -> tuple[tuple[int, ...], ...]:
    """The sequences of tokens that the body does not let come. Raises APIError 422 where they are too many."""
    words = (spelled for word in body.bad_words or [] for spelled in _spellings(word, tokenizer))
    given = (tuple(sequence.tokens or ()) for sequence in body.bad_word_tokens or [])
    banned = tuple(dict.fromkeys([*words, *given]))
    check_banned(banned, body)
    return banned


async def constrain(request: CompletionRequest, loaded: LoadedModel) -> OutputConstraint | None:
    """What the answers must match, which may still be compiled; None where any text will do. Raises APIError."""
    body, text = request.body, request.json_body.take_text()

    def exact() -> Any:
        try:
            return parse_exact(text)["response_format"]
        except RecursionError as error:
            raise invalid(f"{SCHEMA} is nested too deeply", SCHEMA) from error

    form = await in_prompt_thread(answer_form, body.response_format, exact)
    ends = None if body.eos_token is None else EndTokens(tuple(body.eos_token), "eos_token")
    output = plan_output(OutputRequest(form=form, end_tokens=ends), replace(loaded, format=PLAIN), ())
    return await ConstraintBuilder(output, loaded.compiler, current_client()).build()


def _plan(
    body: ContainerCompletionsBody,
    prompt: TokenizedPrompt,
    banned: tuple[tuple[int, ...], ...],
    constraint: OutputConstraint | None,
    loaded: LoadedModel,
    acceptance: Acceptance,
) -> GenerationPlan:
    least, most = lengths(
        body, len(prompt.tokens), prompt.param, loaded.engine.context_length, acceptance.clamp_max_tokens
    )
    return GenerationPlan(
        prompt=Prompt(prompt.tokens),
        sampling=sampling_params(
            body,
            max_tokens=most,
            end_tokens=loaded.tokenizer.end_tokens,
            defaults=loaded.sampling_defaults,
            min_tokens=least,
            banned=banned,
            no_repeat_ngram=min(body.no_repeat_ngram or 0, loaded.engine.context_length),  # longer ones never repeat
            forced=tuple(body.forced_output_tokens or ()),
        ),
        seeds=choice_seeds(body),
        parser=partial(OutputParser, PLAIN, {}, new_id=str),
        constraint=constraint,
        is_whole=None if constraint is None else is_whole(constraint, loaded.tokenizer, ""),
        top_logprobs=body.logprobs,
        stop=tuple(body.stop or ()),
        stop_tokens=tuple(tuple(sequence.tokens or ()) for sequence in body.stop_tokens or []),
        every_token=True,
        prompt_logprobs=bool(body.echo) and body.logprobs is not None,
        client=current_client(),
        namespace=current_cache_namespace(),
    )


def _encoded(prompt: GivenPrompt, loaded: LoadedModel) -> TokenizedPrompt:
    given, tokenizer = prompt.given, loaded.tokenizer
    if not isinstance(given, str):
        return TokenizedPrompt(tuple(given), tokenizer.decode_tail(given, len(given)), prompt.param)
    check_text(given, prompt.param, loaded)
    tokens = tuple(tokenizer.encode_text(given))
    if not tokens:
        raise invalid(f"{prompt.param} has no tokens; give a text that is not empty", prompt.param)
    return TokenizedPrompt(tokens, given, prompt.param)


def _check_placeholders(prompts: Sequence[TokenizedPrompt], encoder: MediaEncoder, tokenizer: ChatTokenizer) -> None:
    """Raises APIError 422 where a prompt has tokens in whose place a chat has what it is shown."""
    modalities = {token: modality for modality, token in encoder.placeholders.items()}
    for prompt in prompts:
        token = next((token for token in prompt.tokens if token in modalities), None)
        if token is not None:
            raise invalid(
                f"{prompt.param} has the token {tokenizer.token_text(token)!r} ({token}), in whose place a chat has "
                f"{modalities[token]} inputs; a completion has none, so send a chat",
                prompt.param,
            )


def _spellings(word: str, tokenizer: ChatTokenizer) -> Iterator[tuple[int, ...]]:
    """The tokens of a text where it stands by itself and behind a space, as words mostly do."""
    for text in (word, f" {word}"):
        tokens = tokenizer.encode_text(text, begins=False)
        if tokens:
            yield tuple(tokens)
