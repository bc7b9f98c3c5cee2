"""Log-probabilities as the completions API shows them: four lists side by side, in the place of one of objects."""

from collections.abc import Iterable
from typing import Any

from handlers.chat.logprobs import FLOOR
from handlers.generation.deltas import DrawnToken
from handlers.generation.logprobs import TokenLogprob


def token_name(token: TokenLogprob) -> str:
    """The text of a token; of one that is no whole characters its bytes, and of a special one its name."""
    if token.bytes is None:
        return token.text
    try:
        return token.bytes.decode()
    except UnicodeDecodeError:
        return "bytes:" + "".join(f"\\x{byte:02x}" for byte in token.bytes)


def logprobs_of(drawn: Iterable[DrawnToken], start: int) -> dict[str, Any]:
    """Of tokens that have them (schema CompletionsLogprobs). start: characters of the choice before what was drawn."""
    entries = [(start + token.start, token.logprob) for token in drawn if token.logprob is not None]
    return {
        "text_offset": [offset for offset, _ in entries],
        "token_logprobs": [_finite(token.logprob) for _, token in entries],
        "tokens": [token_name(token) for _, token in entries],
        "top_logprobs": [
            {token_name(other): _finite(other.logprob) for other in (*token.top, token)} for _, token in entries
        ],
    }


def _finite(logprob: float) -> float:
    return logprob if logprob > FLOOR else FLOOR
