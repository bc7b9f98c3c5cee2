"""JSON in an answer: values read from a scanner, and text made into JSON."""

import json
import re
from typing import Any

from handlers.formats.json_text import JsonText
from handlers.formats.scanner import Malformed, Reading, TextScanner

_SURROGATE = re.compile("[\ud800-\udfff]")


def json_value(scanner: TextScanner) -> Reading[str]:
    """Reads one JSON value and gives its text as it came. Raises Malformed where it is not valid."""
    grammar, parts = JsonText(), []
    while not grammar.done:
        parts.append(scanner.through(grammar.feed))
        if grammar.failed or not (grammar.done or (yield from scanner.more())):
            raise Malformed
    return "".join(parts)


def json_string(scanner: TextScanner) -> Reading[str]:
    """Reads one JSON string and gives its value, escapes resolved. Raises Malformed where it is not valid."""
    if (yield from scanner.next()) != '"':
        raise Malformed
    return json.loads((yield from json_value(scanner)), strict=False)


def object_text(text: str) -> str:
    """JSON object text of a call's arguments, given as JSON `text`: an object, a string that holds one, null for {}.

    Raises Malformed where that is no object.
    """
    if text == "null":
        return "{}"
    if text.startswith('"'):
        text = _escaped(json.loads(text, strict=False).strip())
    if not _is_object(text):
        raise Malformed
    return text


def to_json(value: Any) -> str:
    """JSON text of `value`, without escapes where UTF-8 allows. Raises ValueError for what JSON lacks, such as NaN."""
    return _escaped(json.dumps(value, ensure_ascii=False, allow_nan=False))


def _escaped(text: str) -> str:
    # JSON may hold half a surrogate pair, which UTF-8 cannot: "\ud800".
    return _SURROGATE.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def _is_object(text: str) -> bool:
    grammar = JsonText()
    return text.startswith("{") and grammar.feed(text) == len(text) and grammar.done
