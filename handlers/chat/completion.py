"""One completion's answers: a message folded from deltas, or the chunks of a stream made of the same deltas."""

import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from handlers.chat.logprobs import logprob_entry
from handlers.generation.deltas import CallDelta, Delta
from handlers.http.sse import Chunks


@dataclass
class Counts:
    """Tokens of one request over all its choices: drawn, drawn as reasoning, and cached of the prompt."""

    tokens: int = 0
    reasoning: int = 0
    cached: int = 0

    def add(self, delta: Delta) -> None:
        """Adds the tokens that a delta counts."""
        self.tokens += delta.tokens
        self.reasoning += delta.reasoning_tokens
        self.cached += delta.cached_tokens


@dataclass(frozen=True)
class Completion:
    """Makes the answer to one chat request of its deltas: one ChatResult, or the chunks of a stream.

    seeds: one per choice. logprobs, include_usage: as asked for. reasoning: it is told apart, and its tokens are
    counted apart. functions: a call is given in the old form, `function_call`, of which there is one at most.
    cached_tokens: it is told how much of the prompt was cached. model, id, created: repeated by every chunk.
    """

    model: str
    prompt_tokens: int
    seeds: tuple[int, ...]
    logprobs: bool
    include_usage: bool
    reasoning: bool = False
    functions: bool = False
    cached_tokens: bool = True
    id: str = field(default_factory=lambda: f"chatcmpl-{uuid4().hex}")
    created: int = field(default_factory=lambda: int(time.time()))

    async def result(self, deltas: AsyncIterator[Delta]) -> dict[str, Any]:
        """The whole answer as plain values (schema ChatResult)."""
        choices: list[list[Delta]] = [[] for _ in self.seeds]
        counts = Counts()
        async for delta in deltas:
            counts.add(delta)
            if self._is_given(delta):
                choices[delta.choice].append(delta)
        return {
            **self._head("chat.completion"),
            "created": int(time.time()),
            "choices": [self._choice(index, parts) for index, parts in enumerate(choices)],
            "usage": self._usage(counts),
        }

    async def chunks(self, deltas: AsyncIterator[Delta]) -> Chunks:
        """The chunks of a stream as plain values (schema ChatCompletionChunk).

        The role comes with a choice's first chunk, its finish reason in a chunk of its own.
        """
        started: set[int] = set()
        counts = Counts()
        async for delta in deltas:
            counts.add(delta)
            if not self._is_given(delta):
                continue
            if delta.choice not in started:
                started.add(delta.choice)
                head = {"role": "assistant", **_first_message(delta)}
                if not _needs_a_head(delta):
                    yield self._chunk(delta, head)
                    continue
                yield self._chunk(Delta(delta.choice), head)
            yield self._chunk(delta, self._message(delta))
        if self.include_usage:
            yield {**self._head("chat.completion.chunk"), "choices": [], "usage": self._usage(counts)}

    def _is_given(self, delta: Delta) -> bool:
        """Whether the answer has a place for it: the old form has none for calls behind the first."""
        return not self.functions or delta.call is None or delta.call.index == 0

    def _finish_reason(self, delta: Delta) -> str | None:
        called = self.functions and delta.finish_reason == "tool_calls"
        return "function_call" if called else delta.finish_reason

    def _message(self, delta: Delta) -> dict[str, Any]:
        """What a chunk adds to the message; nothing at the end."""
        if delta.call is None:
            return _text_message(delta)
        return _function_delta(delta.call) if self.functions else {"tool_calls": [_call_delta(delta.call)]}

    def _whole_message(self, parts: list[Delta]) -> dict[str, Any]:
        """The message without its role; content is null where the model only called tools."""
        content = "".join(delta.content for delta in parts)
        reasoning = "".join(delta.reasoning for delta in parts)
        calls = list(_whole_calls(parts))
        message: dict[str, Any] = {"content": content or None if calls else content}
        if reasoning:
            message["reasoning_content"] = reasoning
        if calls:
            message |= {"function_call": calls[0]["function"]} if self.functions else {"tool_calls": calls}
        return message

    def _head(self, kind: str) -> dict[str, Any]:
        return {"id": self.id, "object": kind, "created": self.created, "model": self.model}

    def _choice(self, index: int, parts: list[Delta]) -> dict[str, Any]:
        return {
            "index": index,
            "message": {"role": "assistant", **self._whole_message(parts)},
            "finish_reason": self._finish_reason(parts[-1]),
            "logprobs": _logprobs(parts) if self.logprobs else None,
            "seed": self.seeds[index],
        }

    def _chunk(self, delta: Delta, message: dict[str, Any]) -> dict[str, Any]:
        choice = {
            "index": delta.choice,
            "delta": message,
            "finish_reason": self._finish_reason(delta),
            "logprobs": _logprobs([delta]) if delta.logprobs or delta.reasoning_logprobs else None,
            "seed": self.seeds[delta.choice],
        }
        return {**self._head("chat.completion.chunk"), "choices": [choice], "usage": None}

    def _usage(self, counts: Counts) -> dict[str, Any]:
        usage: dict[str, Any] = {
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": counts.tokens,
            "total_tokens": self.prompt_tokens + counts.tokens,
        }
        if self.cached_tokens:
            usage["prompt_tokens_details"] = {"cached_tokens": counts.cached}
        if self.reasoning:
            usage["completion_tokens_details"] = {"reasoning_tokens": counts.reasoning}
        return usage


def _logprobs(parts: list[Delta]) -> dict[str, Any]:
    """Those of the answer, and apart from them those of reasoning that is sent."""
    reasoning = [logprob_entry(token) for delta in parts for token in delta.reasoning_logprobs]
    found: dict[str, Any] = {"content": [logprob_entry(token) for delta in parts for token in delta.logprobs]}
    return {**found, "reasoning_content": reasoning} if reasoning else found


def _text_message(delta: Delta) -> dict[str, Any]:
    """What a chunk without a call adds to the message; nothing at the end."""
    if delta.reasoning:
        return {"reasoning_content": delta.reasoning}
    return {} if delta.finish_reason is not None else {"content": delta.content}


def _needs_a_head(delta: Delta) -> bool:
    """Whether a chunk goes before a choice's first delta to say whose the answer is: it is the last, or a call."""
    return delta.finish_reason is not None or delta.call is not None


def _first_message(delta: Delta) -> dict[str, Any]:
    """What the first chunk says beside the role."""
    if delta.call is not None:
        return {"content": None}
    if delta.finish_reason is not None:
        return {"content": ""}
    return _text_message(delta)


def _function_delta(call: CallDelta) -> dict[str, Any]:
    """In the old form: the name with the first delta."""
    name = {} if call.name is None else {"name": call.name}
    return {"function_call": {**name, "arguments": call.arguments}}


def _call_delta(call: CallDelta) -> dict[str, Any]:
    """As both Friendli's and OpenAI's clients take it: the type with every delta, id and name with the first."""
    if call.id is None:
        return {"index": call.index, "type": "function", "function": {"arguments": call.arguments}}
    function = {"name": call.name, "arguments": call.arguments}
    return {"index": call.index, "id": call.id, "type": "function", "function": function}


def _whole_calls(parts: list[Delta]) -> Iterator[dict[str, Any]]:
    arguments: dict[int, str] = {}
    heads: dict[int, CallDelta] = {}
    for call in (delta.call for delta in parts if delta.call is not None):
        heads.setdefault(call.index, call)
        arguments[call.index] = arguments.get(call.index, "") + call.arguments
    for index, head in heads.items():
        yield {"id": head.id, "type": "function", "function": {"name": head.name, "arguments": arguments[index]}}
