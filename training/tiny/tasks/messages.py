"""Builds chat messages in the shape of the API, with tool arguments as objects."""

from collections.abc import Sequence
from typing import Any

Message = dict[str, Any]
Exchange = list[Message]


def user(text: str) -> Message:
    return {"role": "user", "content": text}


def system(text: str) -> Message:
    return {"role": "system", "content": text}


def assistant(text: str, reasoning: str) -> Message:
    """An answer with the reasoning that led to it; `without_reasoning` takes it out again."""
    return {"role": "assistant", "content": text, "reasoning_content": reasoning}


def calls(reasoning: str, named: Sequence[tuple[str, dict[str, Any]]]) -> Message:
    """An assistant message of (function name, arguments) calls and no text."""
    functions = [{"type": "function", "function": {"name": name, "arguments": args}} for name, args in named]
    return {"role": "assistant", "content": "", "reasoning_content": reasoning, "tool_calls": functions}


def result(text: str) -> Message:
    return {"role": "tool", "content": text}


def without_reasoning(exchange: Exchange) -> Exchange:
    return [{key: value for key, value in message.items() if key != "reasoning_content"} for message in exchange]
