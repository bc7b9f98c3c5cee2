"""Log-probabilities as the chat API shows them."""

from typing import Any

from handlers.generation.logprobs import TokenLogprob

FLOOR = -9999.0  # stands for minus infinity, which JSON cannot write


def logprob_entry(token: TokenLogprob) -> dict[str, Any]:
    """A token as a member of `logprobs.content` (schema ChatLogprobsContent); minus infinity is written as -9999."""
    return {**_token(token), "top_logprobs": [_token(other) for other in token.top]}


def _token(token: TokenLogprob) -> dict[str, Any]:
    return {
        "token": token.text,
        "logprob": token.logprob if token.logprob > FLOOR else FLOOR,
        "bytes": None if token.bytes is None else list(token.bytes),
    }
