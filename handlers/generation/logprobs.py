"""Log-probabilities of tokens, with the tokens as text and as bytes."""

from dataclasses import dataclass

from backend import TokenEvent
from handlers.loaded import ChatTokenizer


@dataclass(frozen=True)
class TokenLogprob:
    """A token that was drawn, or might have been, with its log-probability.

    text: as it is shown, incomplete characters as U+FFFD. bytes: what it adds to the text, None for a special token.
    logprob: natural logarithm of its probability under the model itself; may be minus infinity.
    top: the likeliest tokens in its place, likeliest first; theirs are empty.
    """

    text: str
    bytes: bytes | None
    logprob: float
    top: tuple["TokenLogprob", ...] = ()


def token_logprob(event: TokenEvent, tokenizer: ChatTokenizer) -> TokenLogprob:
    """The log-probability of the token of `event`, which must have it, and of the likeliest tokens in its place."""
    assert event.logprob is not None
    top = tuple(token_of(token, logprob, tokenizer) for token, logprob in event.top_logprobs)
    return token_of(event.token, event.logprob, tokenizer, top)


def token_of(token: int, logprob: float, tokenizer: ChatTokenizer, top: tuple[TokenLogprob, ...] = ()) -> TokenLogprob:
    """A token with its log-probability, and the likeliest in its place."""
    return TokenLogprob(tokenizer.token_text(token), tokenizer.token_bytes(token), logprob, top)
