"""Items of a request as they are kept and listed: each with an id, contents as parts."""

from collections.abc import Iterator, Mapping
from typing import Any
from uuid import uuid4

PREFIXES = {
    "message": "msg",
    "reasoning": "rs",
    "function_call": "fc",
    "function_call_output": "fco",
    "custom_tool_call": "ctc",
    "custom_tool_call_output": "ctco",
}
"""What the id of an item begins with, by its type; of others with "item"."""


def kept_items(given: str | list[dict[str, Any]], referenced: Mapping[int, dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The items of `input`, in order. referenced: by place, what a reference there means."""
    if isinstance(given, str):
        yield _kept({"role": "user", "content": given})
    else:
        for i, item in enumerate(given):
            yield referenced[i] if i in referenced else _kept(item)


def _kept(item: dict[str, Any]) -> dict[str, Any]:
    kind = item.get("type") or "message"
    named = {"id": item.get("id") or f"{PREFIXES.get(kind, 'item')}_{uuid4().hex}", "type": kind}
    named |= {name: value for name, value in item.items() if name not in named}
    return _with_parts(named) if kind == "message" else named


def _with_parts(message: dict[str, Any]) -> dict[str, Any]:
    """A message whose content is parts, with the status that output has."""
    content = message["content"]
    if isinstance(content, str):
        text = {"type": "input_text", "text": content}
        answered = {"type": "output_text", "text": content, "annotations": []}
        content = [answered if message["role"] == "assistant" else text]
    return {"status": "completed", **message, "content": content}
