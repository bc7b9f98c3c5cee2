"""One request's completions: texts folded from deltas, or the chunks of a stream made of the same deltas."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from handlers.chat.completion import Counts
from handlers.completions.logprobs import joined, logprobs_of, prompt_logprobs_of
from handlers.completions.plan import TokenizedPrompt
from handlers.generation.deltas import Delta, DrawnToken
from handlers.http.sse import Chunks
from handlers.loaded import ChatTokenizer

KIND = "text_completion"


@dataclass(frozen=True)
class Completion:
    """Makes the answer to one request of its deltas: one object with all choices, or the chunks of a stream.

    tokenizer: of the model. prompts, seeds: in order, and of each prompt the same number of choices. logprobs,
    include_usage, echo: as asked for. forced: how many tokens the whole of an answer has, where it is known.
    cached_tokens: it is told how much of the prompts was cached. model, id, created: repeated by every chunk.
    """

    model: str
    tokenizer: ChatTokenizer
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
        counts, scores = Counts(), Scores(self)
        async for delta in deltas:
            counts.add(delta)
            await scores.add(delta)
            choices[delta.choice].append(delta)
        return {
            **self._head(),
            "created": int(time.time()),
            "choices": [self._choice(index, parts, scores) for index, parts in enumerate(choices)],
            "usage": self._usage(counts),
        }

    async def chunks(self, deltas: AsyncIterator[Delta]) -> Chunks:
        """The chunks of a stream as plain values (schema CompletionChunk): of every token that is drawn, one."""
        counts, scores, drawn = Counts(), Scores(self), [-1] * len(self.seeds)
        async for delta in deltas:
            counts.add(delta)
            await scores.add(delta)
            if drawn[delta.choice] < 0:
                drawn[delta.choice] = 0
                if self.echo:
                    yield self._chunk(delta.choice, self._echoed(delta.choice), logprobs=scores.of(delta.choice))
            drawn[delta.choice] += len(delta.drawn)
            for text, token, reason in _pieces(delta):
                finish_reason = self._finish_reason(reason, drawn[delta.choice])
                logprobs = self._logprobs(delta.choice, [token]) if token else None
                yield self._chunk(delta.choice, text, token, finish_reason, logprobs)
        if self.include_usage:
            yield {**self._head(), "choices": [], "usage": self._usage(counts)}

    def _head(self) -> dict[str, Any]:
        return {"id": self.id, "object": KIND, "created": self.created, "model": self.model}

    def prompt_index(self, choice: int) -> int:
        """Which prompt a choice continues."""
        return choice * len(self.prompts) // len(self.seeds)

    def _choice(self, index: int, parts: list[Delta], scores: "Scores") -> dict[str, Any]:
        drawn = [token for delta in parts for token in delta.drawn]
        return {
            "index": index,
            "text": self._echoed(index) + "".join(delta.content for delta in parts),
            "tokens": [token.id for token in drawn],
            "finish_reason": self._finish_reason(parts[-1].finish_reason, len(drawn)),
            "logprobs": joined(scores.of(index), self._logprobs(index, drawn)),
            "seed": self.seeds[index],
        }

    def _chunk(
        self,
        index: int,
        text: str,
        token: DrawnToken | None = None,
        finish_reason: str | None = None,
        logprobs: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
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

    def _logprobs(self, index: int, drawn: Sequence[DrawnToken]) -> dict[str, Any] | None:
        return logprobs_of(drawn, len(self._echoed(index))) if self.logprobs else None

    def _echoed(self, index: int) -> str:
        return self.prompts[self.prompt_index(index)].text if self.echo else ""

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


class Scores:
    """The log-probabilities of the prompts of an answer, as they come: with the first delta of each."""

    def __init__(self, completion: Completion) -> None:
        self._completion = completion
        self._found: dict[int, dict[str, list[Any]]] = {}

    async def add(self, delta: Delta) -> None:
        """Notes those that come with a delta."""
        if delta.prompt_logprobs is not None:
            i = self._completion.prompt_index(delta.choice)
            prompt, tokenizer = self._completion.prompts[i], self._completion.tokenizer
            self._found[i] = await asyncio.to_thread(prompt_logprobs_of, prompt, delta.prompt_logprobs, tokenizer)

    def of(self, choice: int) -> dict[str, list[Any]] | None:
        """Those of the prompt of a choice that has begun, None where there are none."""
        return self._found.get(self._completion.prompt_index(choice))


def _pieces(delta: Delta) -> Iterator[tuple[str, DrawnToken | None, str | None]]:
    """Text, token and finish reason of each chunk that a delta makes: the last token completes its text."""
    *before, last = delta.drawn or (None,)
    for token in before:
        yield "", token, None
    yield delta.content, last, delta.finish_reason
