"""How long texts and answers may be, by the context of the model."""

from handlers.http.errors import APIError
from handlers.loaded import Model

TOO_LONG = "context_length_exceeded"
"""The code of errors about the context, which agents know and answer by shortening their history."""
READ_CLOSELY = 6
"""Bytes of text per token of context above which tokens are counted before the text is encoded; it has about four."""


def answer_length(
    wanted: int | None,
    prompt_tokens: int,
    context_length: int,
    *,
    param: str,
    prompt_param: str,
    prompt: str,
    clamp: bool = False,
) -> int:
    """The tokens that a choice may have: those `wanted`, or all that fit the context. Raises APIError 422.

    param, prompt_param: what the API calls the wanted number, and what the prompt is made of. prompt: the latter in
    words. clamp: a number beyond what fits is not refused, but means what fits.
    """
    room = context_length - prompt_tokens
    if room < (1 if wanted is None else min(wanted, 1)):
        raise too_long(
            f"the prompt has {prompt_tokens} tokens, which leaves no room for an answer in the model's maximum context "
            f"length of {context_length} tokens; shorten {prompt}",
            prompt_param,
        )
    if wanted is None:
        return room
    if wanted > room and not clamp:
        raise too_long(
            f"the prompt has {prompt_tokens} tokens and {param} is {wanted}, together {prompt_tokens + wanted}, but "
            f"the model's maximum context length is {context_length} tokens; use {param} of at most {room}",
            param,
        )
    return min(wanted, room)


def check_text(text: str, param: str, loaded: Model) -> None:
    """Raises APIError 422 where a text is longer than the context, in time in proportion to the context."""
    context, tokenizer = loaded.engine.context_length, loaded.tokenizer
    size, most = len(text.encode()), context * tokenizer.longest_token
    if size > most or (size > READ_CLOSELY * context and tokenizer.exceeds([text], context)):
        raise too_long(
            f"{param} has {size} bytes, more than the model's maximum context length of {context} tokens; shorten it",
            param,
        )


def too_long(message: str, param: str) -> APIError:
    """422 for what the context has no room for."""
    return APIError(422, message, param=param, code=TOO_LONG)
