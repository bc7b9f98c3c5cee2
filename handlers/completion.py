"""One completion's answers: a message folded from deltas, or the chunks of a stream made of the same deltas."""

import time
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from handlers.deltas import Delta


@dataclass(frozen=True)
class Completion:
    """What every answer to one request repeats. seeds: one per choice. logprobs, include_usage: as asked for."""

    model: str
    prompt_tokens: int
    seeds: tuple[int, ...]
    logprobs: bool
    include_usage: bool
    id: str = field(default_factory=lambda: f"chatcmpl-{uuid4().hex}")
    created: int = field(default_factory=lambda: int(time.time()))

    async def result(self, deltas: AsyncIterator[Delta]) -> dict[str, Any]:
        """The whole answer (ChatResult)."""
        choices: list[list[Delta]] = [[] for _ in self.seeds]
        tokens = cached = 0
        async for delta in deltas:
            tokens, cached = tokens + delta.tokens, cached + delta.cached_tokens
            choices[delta.choice].append(delta)
        return {
            **self._head("chat.completion"),
            "created": int(time.time()),
            "choices": [self._choice(index, parts) for index, parts in enumerate(choices)],
            "usage": self._usage(tokens, cached),
        }

    async def chunks(self, deltas: AsyncIterator[Delta]) -> AsyncGenerator[dict[str, Any], None]:
        """The stream (ChatCompletionChunk): role with a choice's first chunk, its finish in a chunk of its own."""
        started: set[int] = set()
        tokens = cached = 0
        async for delta in deltas:
            tokens, cached = tokens + delta.tokens, cached + delta.cached_tokens
            if delta.choice not in started:
                started.add(delta.choice)
                if delta.finish_reason is not None:  # an answer without text still says whose it is
                    yield self._chunk(Delta(delta.choice), {"role": "assistant", "content": ""})
                else:
                    yield self._chunk(delta, {"role": "assistant", "content": delta.content})
                    continue
            yield self._chunk(delta, {"content": delta.content} if delta.finish_reason is None else {})
        if self.include_usage:
            yield {**self._head("chat.completion.chunk"), "choices": [], "usage": self._usage(tokens, cached)}

    def _head(self, kind: str) -> dict[str, Any]:
        return {"id": self.id, "object": kind, "created": self.created, "model": self.model}

    def _choice(self, index: int, parts: list[Delta]) -> dict[str, Any]:
        entries = [entry for delta in parts for entry in delta.logprobs]
        return {
            "index": index,
            "message": {"role": "assistant", "content": "".join(delta.content for delta in parts)},
            "finish_reason": parts[-1].finish_reason,
            "logprobs": {"content": entries} if self.logprobs else None,
            "seed": self.seeds[index],
        }

    def _chunk(self, delta: Delta, message: dict[str, Any]) -> dict[str, Any]:
        choice = {
            "index": delta.choice,
            "delta": message,
            "finish_reason": delta.finish_reason,
            "logprobs": {"content": list(delta.logprobs)} if delta.logprobs else None,
            "seed": self.seeds[delta.choice],
        }
        return {**self._head("chat.completion.chunk"), "choices": [choice], "usage": None}

    def _usage(self, completion_tokens: int, cached_tokens: int) -> dict[str, Any]:
        return {
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": completion_tokens,
            "total_tokens": self.prompt_tokens + completion_tokens,
            "prompt_tokens_details": {"cached_tokens": cached_tokens},
        }
