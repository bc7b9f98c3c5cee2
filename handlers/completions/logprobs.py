"""Log-probabilities as the completions API shows them: four lists side by side, in the place of one of objects."""

import codecs
from collections.abc import Iterable
from typing import Any

from backend import PromptLogprobs
from handlers.chat.logprobs import FLOOR
from handlers.completions.plan import TokenizedPrompt
from handlers.generation.deltas import DrawnToken
from handlers.generation.logprobs import TokenLogprob, token_of
from handlers.loaded import ChatTokenizer


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


def prompt_logprobs_of(
    prompt: TokenizedPrompt, found: PromptLogprobs, tokenizer: ChatTokenizer
) -> dict[str, list[Any]]:
    """Of the tokens of a prompt, as `logprobs_of` has them; of the first, which has nothing before it, null."""
    names: dict[int, str] = {}

    def name(token: int) -> str:
        if token not in names:
            names[token] = token_name(token_of(token, 0.0, tokenizer))
        return names[token]

    own = [_finite(logprob) for logprob in found.logprobs.tolist()]
    others = zip(prompt.tokens[1:], own, found.top_ids.tolist(), found.top_logprobs.tolist(), strict=True)
    top = [
        {**{name(other): _finite(value) for other, value in zip(ids, values, strict=True)}, name(token): logprob}
        for token, logprob, ids, values in others
    ]
    return {
        "text_offset": token_starts(prompt, tokenizer),
        "token_logprobs": [None, *own],
        "tokens": [name(token) for token in prompt.tokens],
        "top_logprobs": [None, *top],
    }


def joined(prompt: dict[str, list[Any]] | None, drawn: dict[str, list[Any]] | None) -> dict[str, list[Any]] | None:
    """Those of a prompt, where there are any, and of what was drawn behind it."""
    if prompt is None or drawn is None:
        return drawn
    return {name: [*values, *drawn[name]] for name, values in prompt.items()}


def token_starts(prompt: TokenizedPrompt, tokenizer: ChatTokenizer) -> list[int]:
    """At which character of the prompt's text each of its tokens begins.

    A token that the text does not have, as the one that a tokenizer begins texts with, is where the next one is.
    """
    starts, at, text = list[int](), 0, prompt.text
    utf8 = codecs.getincrementaldecoder("utf-8")("replace")
    for token in prompt.tokens:
        starts.append(min(at, len(text)))
        written = tokenizer.token_bytes(token)
        if written is None:
            shown = tokenizer.token_text(token)
            at += len(shown) if text.startswith(shown, at) else 0
        else:
            piece = utf8.decode(written)
            # SentencePiece begins a text with a space that it does not have.
            at += len(piece) - (at == 0 and piece.startswith(" ") and not text.startswith(" "))
    return starts


def _finite(logprob: float) -> float:
    return logprob if logprob > FLOOR else FLOOR
