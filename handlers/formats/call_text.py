"""Calls as the models of a family write them."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from handlers.formats.syntax import (
    CallSyntax,
    Identifier,
    JsonArguments,
    JsonCall,
    Name,
    Number,
    Optional,
    Part,
    PythonArguments,
    QuotedArguments,
    Space,
    TaggedArguments,
)

Call = tuple[str, Mapping[str, Any]]
"""Name of a function and its arguments."""


def write_calls(syntax: CallSyntax, calls: Sequence[Call]) -> str:
    """The text of one call or several, as a model writes them that keeps to the usual form."""
    written = ["".join(_part(part, i, *call) for part in syntax.call) for i, call in enumerate(calls)]
    return _frame(syntax.begin) + _frame(syntax.between).join(written) + _frame(syntax.end)


def _frame(parts: Sequence[Part]) -> str:
    return "".join(_part(part, 0, "", {}) for part in parts)


def _part(part: Part, index: int, name: str, arguments: Mapping[str, Any]) -> str:
    match part:
        case str():
            return part
        case Space(usual=usual):
            return usual
        case Optional(text=text):
            return text
        case Name():
            return name
        case Number():
            return str(index)
        case Identifier():
            return f"{index:09}"
    return _arguments(part, name, arguments)


def _arguments(part: Part, name: str, arguments: Mapping[str, Any]) -> str:
    match part:
        case JsonArguments():
            return _json(arguments)
        case JsonCall(arguments=keys):
            return _json({"name": name, keys[0]: arguments})
        case PythonArguments():
            return ", ".join(f"{key}={value!r}" for key, value in arguments.items()) + ")"
        case QuotedArguments(quote=quote):
            return "{" + ",".join(f"{key}:{_quoted(value, quote)}" for key, value in arguments.items()) + "}"
        case TaggedArguments():
            return "".join(_tagged(part, key, value) for key, value in arguments.items())
    raise AssertionError(part)


def _tagged(part: TaggedArguments, key: str, value: Any) -> str:
    is_text = isinstance(value, str)
    kind = next((kind for kind, of_text in part.kinds if of_text is is_text), None)
    opening = kind or (f"\n{part.value_open}" if part.value_open else "")
    newline = "\n" if part.newline else ""
    written = value if is_text else _json(value)
    return f"{part.open}{key}{part.key_end}{opening}{newline}{written}{newline}{part.close}\n"


def _quoted(value: Any, quote: str) -> str:
    match value:
        case str():
            return quote + value + quote
        case dict():
            return "{" + ",".join(f"{quote}{key}{quote}:{_quoted(item, quote)}" for key, item in value.items()) + "}"
        case list():
            return "[" + ",".join(_quoted(item, quote) for item in value) + "]"
    return _json(value)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
