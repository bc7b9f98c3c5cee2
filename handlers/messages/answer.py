"""The answer to one request of Anthropic's Messages API: one message, or the events of a stream."""

import base64
import hashlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import orjson
from pydantic_core import from_json

from handlers.chat.completion import Counts
from handlers.generation.deltas import Delta
from handlers.http.sse import Chunks, Event, Framing

NAMED_EVENTS = Framing(ping=b": ping\n\n", end=b"")  # a comment, since Friendli's client knows no event `ping`
STOP_REASONS = {"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use"}
Kind = str | int
"""Of a block: "text", "thinking", or the index of a call."""


@dataclass(frozen=True)
class Message:
    """Makes the answer to one request of its deltas: one message, or the events of a stream.

    seed: with which it is drawn. reasoning: it is told apart, and its tokens are counted apart. cached_tokens: it is
    told how much of the prompt was cached.
    """

    model: str
    prompt_tokens: int
    seed: int
    reasoning: bool = False
    cached_tokens: bool = True
    id: str = field(default_factory=lambda: f"msg_{uuid4().hex}")

    async def result(self, deltas: AsyncIterator[Delta]) -> dict[str, Any]:
        """The whole answer as plain values (schema ContainerMessagesSuccess)."""
        blocks: list[tuple[Kind, list[Delta]]] = []
        counts = Counts()
        last = Delta(0)
        async for last in deltas:
            counts.add(last)
            kind = _kind(last)
            if kind is not None and (not blocks or blocks[-1][0] != kind):
                blocks.append((kind, []))
            if kind is not None:
                blocks[-1][1].append(last)
        content = [_whole(kind, parts) for kind, parts in blocks]
        return {**self._head(content), **_stop(last), "usage": self._usage(counts)}

    async def chunks(self, deltas: AsyncIterator[Delta]) -> Chunks:
        """The events of a stream (schema MessagesStreamEvent), one block after the other."""
        counts, open_block, started = Counts(), OpenBlock(), False
        async for delta in deltas:
            counts.add(delta)
            if not started:
                started = True
                stop = {"stop_reason": None, "stop_sequence": None}
                head = {**self._head([]), **stop, "usage": self._usage(Counts(cached=counts.cached))}
                yield _event("message_start", message=head)
            for event in open_block.take(delta):
                yield event
            if delta.finish_reason is not None:
                yield _event("message_delta", delta=_stop(delta), usage=self._usage(counts))
        yield _event("message_stop")

    def _head(self, content: list[dict[str, Any]]) -> dict[str, Any]:
        head = {"id": self.id, "type": "message", "role": "assistant", "model": self.model}
        return {**head, "content": content, "seed": self.seed}

    def _usage(self, counts: Counts) -> dict[str, Any]:
        usage: dict[str, Any] = {"input_tokens": self.prompt_tokens, "output_tokens": counts.tokens}
        if self.cached_tokens:
            usage["input_tokens"] -= counts.cached
            usage |= {"cache_read_input_tokens": counts.cached, "cache_creation_input_tokens": 0}
        if self.reasoning:
            usage["output_tokens_details"] = {"thinking_tokens": counts.reasoning}
        return usage


class OpenBlock:
    """The block of a stream that is being written, and the events that write it."""

    def __init__(self) -> None:
        self._index, self._thought = -1, hashlib.sha256()
        self._kind: Kind | None = None

    def take(self, delta: Delta) -> list[Event]:
        """The events of a delta: the end of a block that it does not continue, the start of its own, what it adds."""
        kind, events = _kind(delta), list[Event]()
        if self._kind is not None and kind != self._kind:
            events += self._end()
        if kind is None:
            return events
        if self._kind is None:
            self._index, self._kind = self._index + 1, kind
            events.append(_event("content_block_start", index=self._index, content_block=_beginning(delta)))
        added = _added(delta)
        if added is not None:
            events.append(self._delta(added))
        self._thought.update(delta.reasoning.encode())
        return events

    def _end(self) -> list[Event]:
        signed = [self._delta({"type": "signature_delta", "signature": _signature(self._thought)})]
        events = [*(signed if self._kind == "thinking" else []), _event("content_block_stop", index=self._index)]
        self._kind, self._thought = None, hashlib.sha256()
        return events

    def _delta(self, delta: dict[str, Any]) -> Event:
        return _event("content_block_delta", index=self._index, delta=delta)


def _event(name: str, **fields: Any) -> Event:
    return Event(name, {"type": name, **fields})


def _kind(delta: Delta) -> Kind | None:
    """Of the block that a delta adds to; None where it adds to none."""
    if delta.call is not None:
        return delta.call.index
    if delta.reasoning:
        return "thinking"
    return "text" if delta.content else None


def _beginning(delta: Delta) -> dict[str, Any]:
    """The block that a delta begins, without what it adds."""
    if delta.call is not None:
        return {"type": "tool_use", "id": delta.call.id, "name": delta.call.name, "input": {}}
    if delta.reasoning:
        return {"type": "thinking", "thinking": "", "signature": ""}
    return {"type": "text", "text": ""}


def _added(delta: Delta) -> dict[str, Any] | None:
    if delta.call is not None:
        arguments = delta.call.arguments
        return {"type": "input_json_delta", "partial_json": arguments} if arguments else None
    if delta.reasoning:
        return {"type": "thinking_delta", "thinking": delta.reasoning}
    return {"type": "text_delta", "text": delta.content}


def _whole(kind: Kind, parts: list[Delta]) -> dict[str, Any]:
    """A block of which all deltas are there."""
    if kind == "text":
        return {"type": "text", "text": "".join(delta.content for delta in parts)}
    if kind == "thinking":
        thought = "".join(delta.reasoning for delta in parts)
        signature = _signature(hashlib.sha256(thought.encode()))
        return {"type": "thinking", "thinking": thought, "signature": signature}
    arguments = "".join(delta.call.arguments for delta in parts if delta.call is not None)
    return {**_beginning(parts[0]), "input": _input(arguments)}


def _input(arguments: str) -> Any:
    """The JSON object of a call's arguments, each number as it was written; of a text that was cut, what is there."""
    try:
        whole = from_json(arguments)
    except ValueError:
        return orjson.Fragment(json.dumps(_beginning_of(arguments)))
    return orjson.Fragment(arguments) if isinstance(whole, dict) else {}


def _beginning_of(arguments: str) -> dict[str, Any]:
    try:
        part = from_json(arguments, allow_partial=True)
    except ValueError:
        return {}
    return part if isinstance(part, dict) else {}


def _signature(thought: Any) -> str:
    """What clients keep beside reasoning, and send back: the digest of its text."""
    return base64.b64encode(thought.digest()).decode()


def _stop(last: Delta) -> dict[str, Any]:
    """Why the answer ends with this delta. Complete calls are to be run, whatever ended it behind them."""
    if last.stopped_by is not None and last.finish_reason != "tool_calls":
        return {"stop_reason": "stop_sequence", "stop_sequence": last.stopped_by}
    return {"stop_reason": STOP_REASONS[last.finish_reason or "stop"], "stop_sequence": None}
