"""What a string literal of Python says."""

import re

_ESCAPE = re.compile(
    r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U(00(?:10|0[0-9a-fA-F])[0-9a-fA-F]{4})|([0-7]{1,3})|(.))", re.DOTALL
)
_NAMED = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "\n": ""}
_KEPT = "\\'\""


def unescape(text: str) -> str:
    """Value of a Python string literal: the text between its quotes with escapes resolved, unknown ones kept."""
    return _ESCAPE.sub(_resolve, text)


def _resolve(match: re.Match[str]) -> str:
    *hexadecimal, octal, char = match.groups()
    for digits in hexadecimal:
        if digits:
            return chr(int(digits, 16))
    if octal:
        return chr(int(octal, 8))
    return _NAMED.get(char, char if char in _KEPT else match[0])
