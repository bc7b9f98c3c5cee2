"""Deltas -> the items of a response's output and the events of its stream: one machine makes both."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

from handlers.chat.logprobs import logprob_entry
from handlers.generation.deltas import Delta
from handlers.responses.custom_input import InputReader
from handlers.responses.reasoning import encrypted

Event = dict[str, Any]
"""An event of a stream as plain values, without its sequence number."""
Status = Literal["in_progress", "completed", "incomplete"]


@dataclass(frozen=True)
class ToolTarget:
    """What a call's name stands for in the request. custom: a custom tool, else a function."""

    name: str
    namespace: str | None = None
    custom: bool = False


@dataclass(frozen=True)
class OutputForm:
    """How a response shows its output.

    id: letters and digits that no other response has; the ids of its items are made of it. tools: what the names of
    calls stand for; those that are not in it are functions of that name. summary: reasoning is given as a summary.
    encrypted: and as encrypted content. logprobs: texts have log-probabilities.
    """

    id: str
    tools: Mapping[str, ToolTarget] = field(default_factory=lambda: MappingProxyType({}))
    summary: bool = False
    encrypted: bool = False
    logprobs: bool = False


class OutputItems:
    """The output of one response while it is generated. items: those that are complete, as plain values.

    An item is open while deltas of its kind come; another kind closes it.
    """

    def __init__(self, form: OutputForm) -> None:
        self.items: list[dict[str, Any]] = []
        self._form = form
        self._open: _Item | None = None

    def feed(self, delta: Delta) -> Iterator[Event]:
        """The events of a delta; its last delta ends the response's output."""
        kind = _kind(delta)
        if kind is not None:
            if self._open is None or self._open.kind != kind:
                yield from self._close("completed")
                self._open = self._new(kind, delta)
                yield from self._open.begin()
            yield from self._open.add(delta)
        if delta.finish_reason is not None:
            yield from self._finish(delta)

    def _finish(self, delta: Delta) -> Iterator[Event]:
        cut = delta.finish_reason == "length"
        yield from self._close("incomplete" if cut else "completed")
        if delta.finish_reason == "stop" and not any(item["type"] == "message" for item in self.items):
            self._open = self._new("message", delta)  # an answer of no text is still one
            yield from self._open.begin()
            yield from self._close("completed")

    def _close(self, status: Status) -> Iterator[Event]:
        if self._open is not None:
            item, self._open = self._open, None
            yield from item.end(status)
            self.items.append(item.shown(status))

    def _new(self, kind: "_Kind", delta: Delta) -> "_Item":
        index, form = len(self.items), self._form
        if kind == "message":
            return _Message(form, index, kind)
        if kind == "reasoning":
            return (_Summary if form.summary else _Reasoning)(form, index, kind)
        assert delta.call is not None
        target = form.tools.get(delta.call.name or "", ToolTarget(delta.call.name or ""))
        return (_CustomCall if target.custom else _FunctionCall)(form, index, kind, target, delta.call.id or "")


_Kind = str | int
"""Of the item to which a delta adds: "message", "reasoning", or the index of a call."""


def _kind(delta: Delta) -> _Kind | None:
    if delta.call is not None:
        return delta.call.index
    if delta.reasoning:
        return "reasoning"
    return "message" if delta.content else None


class _Item(ABC):
    """An item that is open. index: of it in the output. prefix: of its id."""

    prefix: str

    def __init__(self, form: OutputForm, index: int, kind: _Kind) -> None:
        self.form, self.index, self.kind = form, index, kind
        self.id = f"{self.prefix}_{form.id}{index:04x}"
        self.text = ""

    @abstractmethod
    def shown(self, status: Status) -> dict[str, Any]:
        """It as it is now."""

    @abstractmethod
    def add(self, delta: Delta) -> Iterator[Event]:
        """The events of a delta of its kind."""

    def begin(self) -> Iterator[Event]:
        """The events before all others of it."""
        item = self.shown("in_progress")
        yield {"type": "response.output_item.added", "output_index": self.index, "item": item}

    def end(self, status: Status) -> Iterator[Event]:
        """The events that close it."""
        yield {"type": "response.output_item.done", "output_index": self.index, "item": self.shown(status)}

    def event(self, kind: str, **fields: Any) -> Event:
        """An event about it."""
        return {"type": f"response.{kind}", "item_id": self.id, "output_index": self.index, **fields}


class _Part(_Item):
    """An item whose text is one part. name: of the events of the text. place: the field with which they say which part.
    holder: what the names of the events of the part begin with.
    """

    name: str
    place = "content_index"
    holder = "content_part"

    def __init__(self, form: OutputForm, index: int, kind: _Kind) -> None:
        super().__init__(form, index, kind)
        self.open = False

    @abstractmethod
    def part(self) -> dict[str, Any]:
        """The part as it is now."""

    @property
    def parts(self) -> list[dict[str, Any]]:
        """All of them, as the item has them."""
        return [self.part()] if self.open else []

    def begin(self) -> Iterator[Event]:
        yield from super().begin()
        self.open = True
        yield self.event(f"{self.holder}.added", **{self.place: 0}, part=self.part())

    def end(self, status: Status) -> Iterator[Event]:
        yield self.event(f"{self.name}.done", **{self.place: 0}, text=self.text, **self.last_fields())
        yield self.event(f"{self.holder}.done", **{self.place: 0}, part=self.part())
        yield from super().end(status)

    def last_fields(self) -> dict[str, Any]:
        """Further fields of the event that has the whole text."""
        return {}

    def more(self, text: str, **fields: Any) -> Event:
        """The event of more text."""
        self.text += text
        return self.event(f"{self.name}.delta", **{self.place: 0}, delta=text, **fields)


class _Message(_Part):
    prefix, name = "msg", "output_text"

    def __init__(self, form: OutputForm, index: int, kind: _Kind) -> None:
        super().__init__(form, index, kind)
        self.logprobs: list[dict[str, Any]] = []

    def add(self, delta: Delta) -> Iterator[Event]:
        new = [logprob_entry(token) for token in delta.logprobs] if self.form.logprobs else []
        self.logprobs += new
        yield self.more(delta.content, logprobs=new)

    def last_fields(self) -> dict[str, Any]:
        return {"logprobs": list(self.logprobs)}

    def part(self) -> dict[str, Any]:
        return {"type": "output_text", "text": self.text, "annotations": [], "logprobs": list(self.logprobs)}

    def shown(self, status: Status) -> dict[str, Any]:
        head = {"id": self.id, "type": "message", "status": status, "role": "assistant"}
        return {**head, "content": self.parts}


class _Reasoning(_Part):
    prefix, name = "rs", "reasoning_text"

    def add(self, delta: Delta) -> Iterator[Event]:
        yield self.more(delta.reasoning)

    def part(self) -> dict[str, Any]:
        return {"type": "reasoning_text", "text": self.text}

    def shown(self, status: Status) -> dict[str, Any]:
        return {**self.head(status), "summary": [], "content": self.parts}

    def head(self, status: Status) -> dict[str, Any]:
        """What reasoning has beside its text."""
        head = {"id": self.id, "type": "reasoning", "status": status}
        secret = encrypted(self.text) if self.form.encrypted and status != "in_progress" else None
        return head if secret is None else {**head, "encrypted_content": secret}


class _Summary(_Reasoning):
    name, place, holder = "reasoning_summary_text", "summary_index", "reasoning_summary_part"

    def part(self) -> dict[str, Any]:
        return {"type": "summary_text", "text": self.text}

    def shown(self, status: Status) -> dict[str, Any]:
        return {**self.head(status), "summary": self.parts}


class _Call(_Item):
    """A call of a tool. name: of the events of its text. field: what the item calls the text."""

    name: str
    type: str
    field: str

    def __init__(self, form: OutputForm, index: int, kind: _Kind, target: ToolTarget, call_id: str) -> None:
        super().__init__(form, index, kind)
        self.target, self.call_id = target, call_id

    def shown(self, status: Status) -> dict[str, Any]:
        namespace = {} if self.target.namespace is None else {"namespace": self.target.namespace}
        head = {"id": self.id, "type": self.type, "status": status, "call_id": self.call_id, "name": self.target.name}
        return {**head, **namespace, self.field: self.text}

    def more(self, text: str) -> Iterator[Event]:
        """The event of more text, where there is any."""
        if text:
            self.text += text
            yield self.event(f"{self.name}.delta", delta=text)

    def end(self, status: Status) -> Iterator[Event]:
        yield self.event(f"{self.name}.done", **{self.field: self.text}, **self.last_fields())
        yield from super().end(status)

    def last_fields(self) -> dict[str, Any]:
        """Further fields of the event that has the whole text."""
        return {}


class _FunctionCall(_Call):
    prefix, name, type, field = "fc", "function_call_arguments", "function_call", "arguments"

    def add(self, delta: Delta) -> Iterator[Event]:
        assert delta.call is not None
        yield from self.more(delta.call.arguments)

    def last_fields(self) -> dict[str, Any]:
        return {"name": self.target.name}


class _CustomCall(_Call):
    prefix, name, type, field = "ctc", "custom_tool_call_input", "custom_tool_call", "input"

    def __init__(self, form: OutputForm, index: int, kind: _Kind, target: ToolTarget, call_id: str) -> None:
        super().__init__(form, index, kind, target, call_id)
        self._reader = InputReader()

    def add(self, delta: Delta) -> Iterator[Event]:
        assert delta.call is not None
        yield from self.more(self._reader.feed(delta.call.arguments))

    def end(self, status: Status) -> Iterator[Event]:
        yield from self.more(self._reader.finish())
        yield from super().end(status)
