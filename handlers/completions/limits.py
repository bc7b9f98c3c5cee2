"""What a request for completions may not say although its schema allows it: APIError 422 naming the field."""

from collections.abc import Sequence

from backend import MAX_BANNED_TOKENS
from generated.models import ContainerCompletionsBody, ResponseFormatText
from handlers.completions.request import CompletionRequest
from handlers.generation.lengths import answer_length
from handlers.generation.sampling import check_sampling, check_token_ids
from handlers.http.errors import invalid
from handlers.loaded import ChatTokenizer, Engine, LoadedModel

REFUSED = {
    "suffix": "this model continues texts and cannot fill a gap before a suffix",
    "embedding_to_replace": "embeddings cannot be given in place of those of tokens",
    "token_index_to_replace": "embeddings cannot be given in place of those of tokens",
}


def check_request(request: CompletionRequest, loaded: LoadedModel, strict: bool) -> None:
    """Raises APIError 422, naming the field, for all that can be refused before the prompts are known.

    strict: what the vendored document's prose excludes of a chat is refused too.
    """
    engine, body = loaded.engine, request.body
    for name, reason in REFUSED.items():
        if getattr(body, name) not in (None, ""):
            raise invalid(f"{reason}; leave {name} out", name)
    if strict and body.stream_options is not None and not body.stream:
        raise invalid("stream_options needs a stream; set stream to true", "stream_options")
    check_sampling(body, engine)
    _check_prompts(request, loaded)
    _check_counts(request, engine)
    _check_lengths(body)
    _check_form(body, engine)
    _check_sequences(body, engine)
    _check_words(body, loaded.tokenizer)


def wants_form(body: ContainerCompletionsBody) -> bool:
    """Whether the body's response_format restricts the answer."""
    return body.response_format is not None and not isinstance(body.response_format, ResponseFormatText)


def lengths(
    body: ContainerCompletionsBody, prompt_tokens: int, param: str, context_length: int, clamp: bool
) -> tuple[int, int]:
    """(fewest, most) tokens that a choice may have behind a prompt of so many tokens. Raises APIError 422.

    param: where the prompt stands in the body. clamp: a number beyond what fits is not refused, but means what fits.
    """
    name, wanted = "max_tokens", body.max_tokens
    if body.max_total_tokens is not None:
        name, wanted = "max_total_tokens", body.max_total_tokens - prompt_tokens
        if wanted < 1:
            raise invalid(f"max_total_tokens is {body.max_total_tokens}, and {param} has {prompt_tokens} tokens", name)
    most = answer_length(
        wanted, prompt_tokens, context_length, param=name, prompt_param=param, prompt=param, clamp=clamp
    )
    if body.forced_output_tokens is not None and most > 0:
        most = min(most, len(body.forced_output_tokens))
    name, least = "min_tokens", body.min_tokens or 0
    if body.min_total_tokens is not None:
        name, least = "min_total_tokens", max(0, body.min_total_tokens - prompt_tokens)
    if least > most:
        raise invalid(f"{name} asks for {least} tokens behind {param}, but there may be {most}", name)
    return least, most


def check_banned(banned: Sequence[Sequence[int]], body: ContainerCompletionsBody) -> None:
    """Raises APIError 422 where the tokens of what is not to be written are more than the engine has room for."""
    count, param = sum(map(len, banned)), "bad_words" if body.bad_words else "bad_word_tokens"
    if count > MAX_BANNED_TOKENS:
        raise invalid(f"{param} has {count} tokens, but may have {MAX_BANNED_TOKENS}; leave some out", param)


def _check_prompts(request: CompletionRequest, loaded: LoadedModel) -> None:
    for prompt in request.prompts:
        if not isinstance(prompt.given, str):
            if not prompt.given:
                raise invalid(f"{prompt.param} has no tokens; give at least one", prompt.param)
            check_token_ids(prompt.given, prompt.param, loaded.engine)


def _check_counts(request: CompletionRequest, engine: Engine) -> None:
    body, prompts = request.body, len(request.prompts)
    if not prompts:
        raise invalid("prompt is empty; give at least one", "prompt")
    most = engine.max_choices if prompts == 1 else engine.max_choices_together
    if request.choices > most:
        raise invalid(
            f"prompt has {prompts} members and n is {body.n or 1}, together {request.choices} choices, but this server "
            f"answers at most {most} per request",
            "prompt",
        )
    if body.best_of is not None and body.best_of != (body.n or 1):
        raise invalid(f"best_of is {body.best_of}, but all choices that are drawn are given; use n", "best_of")


def _check_lengths(body: ContainerCompletionsBody) -> None:
    for name in ("min", "max"):
        if getattr(body, f"{name}_tokens") is not None and getattr(body, f"{name}_total_tokens") is not None:
            param = f"{name}_total_tokens"
            raise invalid(f"{param} cannot be used together with {name}_tokens; leave one of them out", param)
    if body.max_tokens == 0 and not body.echo:
        raise invalid("max_tokens is 0, which needs echo; there would be nothing to answer", "max_tokens")
    least, most = body.min_tokens, body.max_tokens
    if least is not None and most is not None and least > most:
        raise invalid(f"min_tokens is {least}, more than max_tokens, which is {most}", "min_tokens")


def _check_form(body: ContainerCompletionsBody, engine: Engine) -> None:
    if not wants_form(body):
        return
    if engine.constraint_unsupported_reason is not None:
        reason = engine.constraint_unsupported_reason
        raise invalid(
            f"response_format cannot be enforced with this model: {reason}; use 'text'", "response_format.type"
        )
    for name in ("min_tokens", "min_total_tokens", "forced_output_tokens"):
        if getattr(body, name) is not None:
            raise invalid(f"{name} cannot be used together with response_format; leave one of them out", name)


def _check_sequences(body: ContainerCompletionsBody, engine: Engine) -> None:
    for name in ("stop_tokens", "bad_word_tokens"):
        for i, sequence in enumerate(getattr(body, name) or []):
            path = f"{name}.{i}.tokens"
            if not sequence.tokens:
                raise invalid(f"{path} has no tokens; give at least one", path)
            check_token_ids(sequence.tokens, path, engine)
    check_token_ids(body.forced_output_tokens or [], "forced_output_tokens", engine)


def _check_words(body: ContainerCompletionsBody, tokenizer: ChatTokenizer) -> None:
    """Their tokens are counted only where they are not certainly too many."""
    size = sum(len(word.encode()) for word in body.bad_words or [])
    most = MAX_BANNED_TOKENS * tokenizer.longest_token
    if size > most:
        raise invalid(f"bad_words has {size} bytes, but may have {most}; leave some out", "bad_words")
