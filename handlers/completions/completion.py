"""One request's completions: texts folded from deltas, or the chunks of a stream made of the same deltas."""

import time
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from handlers.chat.completion import Counts
from handlers.completions.logprobs import logprobs_of
from handlers.completions.plan import TokenizedPrompt
from handlers.generation.deltas import Delta, DrawnToken
from handlers.http.sse import Chunks

KIND = "text_completion"


@dataclass(frozen=True)
class Completion:
    """Makes the answer to one request of its deltas: one object with all choices, or the chunks of a stream.

    prompts, seeds: in order, and of each prompt the same number of choices. logprobs, include_usage, echo: as asked
    for. forced: how many tokens the whole of an answer has, where it is known. cached_tokens: it is told how much of
    the prompts was cached. model, id, created: repeated by every chunk.
    """

    model: str
    prompts: Sequence[TokenizedPrompt]
    seeds: tuple[int, ...]
    logprobs: bool
    include_usage: bool
    echo: bool = False
    forced: int | None = None
    cached_tokens: bool = True
    id: str = field(default_factory=lambda: f"cmpl-{uuid4().hex}")
    created: int = field(default_factory=lambda: int(time.time()))

    async def result(self, deltas: AsyncIterator[Delta]) -> dict[str, Any]:
        """The whole answer as plain values (schema ContainerCompletionsSuccess)."""
        choices: list[list[Delta]] = [[] for _ in self.seeds]
        counts = Counts()
        async for delta in deltas:
            counts.add(delta)
            choices[delta.choice].append(delta)
        return {
            **self._head(),
            "created": int(time.time()),
            "choices": [self._choice(index, parts) for index, parts in enumerate(choices)],
            "usage": self._usage(counts),
        }

    async def chunks(self, deltas: AsyncIterator[Delta]) -> Chunks:
        """The chunks of a stream as plain values (schema CompletionChunk): of every token that is drawn, one."""
        counts, drawn = Counts(), [-1] * len(self.seeds)
        async for delta in deltas:
            counts.add(delta)
            if drawn[delta.choice] < 0:
                drawn[delta.choice] = 0
                if self.echo:
                    yield self._chunk(delta.choice, self._prompt_of(delta.choice).text)
            drawn[delta.choice] += len(delta.drawn)
            for text, token, reason in _pieces(delta):
                yield self._chunk(delta.choice, text, token, self._finish_reason(reason, drawn[delta.choice]))
        if self.include_usage:
            yield {**self._head(), "choices": [], "usage": self._usage(counts)}

    def _head(self) -> dict[str, Any]:
        return {"id": self.id, "object": KIND, "created": self.created, "model": self.model}

    def _choice(self, index: int, parts: list[Delta]) -> dict[str, Any]:
        drawn = [token for delta in parts for token in delta.drawn]
        return {
            "index": index,
            "text": self._echoed(index) + "".join(delta.content for delta in parts),
            "tokens": [token.id for token in drawn],
            "finish_reason": self._finish_reason(parts[-1].finish_reason, len(drawn)),
            "logprobs": logprobs_of(drawn, len(self._echoed(index))) if self.logprobs else None,
            "seed": self.seeds[index],
        }

    def _chunk(
        self, index: int, text: str, token: DrawnToken | None = None, finish_reason: str | None = None
    ) -> dict[str, Any]:
        logprobs = logprobs_of([token], len(self._echoed(index))) if token is not None and self.logprobs else None
        choice = {
            "index": index,
            "text": text,
            "token": None if token is None else token.id,
            "finish_reason": finish_reason,
            "logprobs": logprobs,
            "seed": self.seeds[index],
        }
        return {**self._head(), "choices": [choice], "usage": None}

    def _finish_reason(self, reason: str | None, tokens: int) -> str | None:
        """That of a choice with so many tokens; what was forced and is all there is not cut."""
        return "stop" if reason == "length" and tokens == self.forced else reason

    def _prompt_of(self, index: int) -> TokenizedPrompt:
        return self.prompts[index * len(self.prompts) // len(self.seeds)]

    def _echoed(self, index: int) -> str:
        return self._prompt_of(index).text if self.echo else ""

    def _usage(self, counts: Counts) -> dict[str, Any]:
        prompt_tokens = sum(len(prompt.tokens) for prompt in self.prompts)
        usage: dict[str, Any] = {
            "prompt_tokens": prompt_tokens,
            "completion_tokens": counts.tokens,
            "total_tokens": prompt_tokens + counts.tokens,
        }
        if self.cached_tokens:
            usage["prompt_tokens_details"] = {"cached_tokens": counts.cached}
        return usage


def _pieces(delta: Delta) -> Iterator[tuple[str, DrawnToken | None, str | None]]:
    """Text, token and finish reason of each chunk that a delta makes: the last token completes its text."""
    *before, last = delta.drawn or (None,)
    for token in before:
        yield "", token, None
    yield delta.content, last, delta.finish_reason
