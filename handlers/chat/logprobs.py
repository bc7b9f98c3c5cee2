"""Log-probabilities of tokens as the API shows them."""

from typing import Any

from backend.request import TokenEvent
from handlers.service import ChatTokenizer

FLOOR = -9999.0  # stands for minus infinity, which JSON cannot write


def logprob_entry(event: TokenEvent, tokenizer: ChatTokenizer) -> dict[str, Any]:
    """One member of `logprobs.content` (ChatLogprobsContent). The event must have its `logprob`."""
    assert event.logprob is not None
    alternatives = [_token(token, logprob, tokenizer) for token, logprob in event.top_logprobs]
    return {**_token(event.token, event.logprob, tokenizer), "top_logprobs": alternatives}


def _token(token: int, logprob: float, tokenizer: ChatTokenizer) -> dict[str, Any]:
    raw = tokenizer.token_bytes(token)
    return {
        "token": tokenizer.token_text(token),
        "logprob": logprob if logprob > FLOOR else FLOOR,
        "bytes": None if raw is None else list(raw),
    }
