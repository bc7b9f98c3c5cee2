"""The input of a custom tool: a text, which the model writes as the one argument of a function."""

import json
from typing import Any

import regex

INPUT = "input"
"""The name of the argument."""
HEAD = regex.compile(r'\s*\{\s*"input"\s*:\s*"')
_WHOLE = regex.compile(r"(?:[^\\]|\\u[0-9a-fA-F]{4}|\\[^u])*+", regex.DOTALL)
"""As much of the inside of a JSON string as has no escape that is cut."""
_HIGH = regex.compile(r"\\u[dD][89abAB][0-9a-fA-F]{2}$")
_STRING = regex.compile(r'(?:[^"\\]|\\.)*+', regex.DOTALL)


def as_arguments(text: str) -> str:
    """The JSON text of the arguments that say an input."""
    return json.dumps({INPUT: text}, ensure_ascii=False)


class InputReader:
    """The input of a custom tool's call, while the JSON text of its arguments arrives.

    The texts together depend on the arguments alone, not on how they were cut. Arguments that are no object of the one
    text, which only a call that nothing enforces can have, are the input themselves; those that the end cuts are read
    as far as they go. No text has a surrogate.
    """

    def __init__(self) -> None:
        self._held = ""
        self._at: str = "head"

    def feed(self, fragment: str) -> str:
        """More of the input, as far as it is certain."""
        self._held += fragment
        if self._at == "head":
            self._open()
        return self._text() if self._at == "inside" else ""

    def finish(self) -> str:
        """The rest of the input."""
        if self._at in ("inside", "behind"):
            return ""
        if self._at == "head" and HEAD.fullmatch(self._held, partial=True):
            return ""
        return _of_other(self._held)

    def _open(self) -> None:
        found = HEAD.match(self._held)
        if found:
            self._at, self._held = "inside", self._held[found.end() :]
        elif not HEAD.fullmatch(self._held, partial=True):
            self._at = "other"

    def _text(self) -> str:
        """What is certain of the string that is open."""
        inside = _STRING.match(self._held)[0]
        closed = self._held[len(inside) : len(inside) + 1] == '"'
        whole = _WHOLE.match(inside)[0]
        if not closed and _HIGH.search(whole):
            whole = whole[:-6]  # its other half may follow
        if closed:
            self._at, self._held = "behind", ""
        else:
            self._held = self._held[len(whole) :]
        return _decoded(whole)


def _decoded(inside: str) -> str:
    """The text of the inside of a JSON string."""
    return _scalars(json.loads(f'"{inside}"', strict=False))


def _of_other(arguments: str) -> str:
    try:
        value: Any = json.loads(arguments)
    except ValueError:
        return _scalars(arguments)
    text = value.get(INPUT) if isinstance(value, dict) else None
    return _scalars(text if isinstance(text, str) else arguments)


def _scalars(text: str) -> str:
    """The text with a replacement for each surrogate, which UTF-8 cannot write."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
