"""From token events to typed deltas: the one thing that the streamed and the whole answer are both made of."""

from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from backend.request import FinishReason, TokenEvent
from handlers.logprobs import logprob_entry
from handlers.service import ChatTokenizer, Generation, TextStream


@dataclass(frozen=True)
class Delta:
    """What is added to one choice.

    content: text, "" for none. logprobs: entries of the tokens that `content` completes, none where not asked for.
    tokens: how many tokens were drawn since this choice's previous delta. finish_reason: set on the choice's last
    delta only, which has no content. cached_tokens: of the prompt, how many were in the cache; on the request's first
    delta only.
    """

    choice: int
    content: str = ""
    logprobs: tuple[dict[str, Any], ...] = ()
    tokens: int = 0
    finish_reason: FinishReason | None = None
    cached_tokens: int = 0


class ChoiceDecoder:
    """The state of one choice: text not certain yet, log-probabilities not sent yet, tokens not counted yet.

    Text passes through `_split` on its way out: what is not plain content, such as reasoning or tool calls, is to be
    told apart there.
    """

    def __init__(self, choice: int, text: TextStream, tokenizer: ChatTokenizer, *, logprobs: bool) -> None:
        self._choice, self._text, self._tokenizer, self._logprobs = choice, text, tokenizer, logprobs
        self._held: list[dict[str, Any]] = []
        self._tokens = 0
        self.finished = False

    def feed(self, event: TokenEvent) -> Iterator[Delta]:
        """The deltas that this token makes certain; none after the last."""
        self._tokens += 1
        text = "" if event.is_end else self._read(event)
        reason = "stop" if self._text.stopped else event.finish_reason
        if reason is not None and not self._text.stopped:
            text += self._text.finish()
        if text:
            yield from self._split(text)
        if reason is not None:
            self.finished = True
            yield self._take(finish_reason=reason)

    def _read(self, event: TokenEvent) -> str:
        """The text that is certain with this token. The end token never comes here: it has no text."""
        if self._logprobs and self._tokenizer.token_bytes(event.token) is not None:
            self._held.append(logprob_entry(event, self._tokenizer))
        return self._text.feed(event.token)

    def _split(self, text: str) -> Iterator[Delta]:
        held, self._held = self._held, []
        yield self._take(content=text, logprobs=tuple(held))

    def _take(self, **fields: Any) -> Delta:
        tokens, self._tokens = self._tokens, 0
        return Delta(self._choice, tokens=tokens, **fields)


async def decode(generation: Generation, choices: Sequence[ChoiceDecoder]) -> AsyncIterator[Delta]:
    """The deltas of all choices, interleaved as they come. A choice that found its stop string is cancelled.

    The caller closes the generation. Raises RuntimeError where it ends before its choices.
    """
    running, started = set(range(len(choices))), False
    async for event in generation:
        if event.choice not in running:
            continue  # drawn before the engine saw the cancellation
        deltas = list(choices[event.choice].feed(event))
        if choices[event.choice].finished:
            running.discard(event.choice)
            if event.finish_reason is None:
                generation.cancel(event.choice)
        if deltas and not started:
            started, deltas[0] = True, replace(deltas[0], cached_tokens=_cached_tokens(generation))
        for delta in deltas:
            yield delta
        if not running:
            return
    raise RuntimeError(f"the engine ended while the choices {sorted(running)} were unfinished")


def _cached_tokens(generation: Generation) -> int:
    """Of a generation that has given its first event."""
    assert generation.admission is not None, "an event came before its request was admitted"
    return generation.admission.cached_tokens
