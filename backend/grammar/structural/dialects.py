"""The dialect that a `value` term names: nested lists, because they come as JSON."""

from dataclasses import replace
from typing import Any

from backend.grammar.schema import JSON, PYTHON, Dialect, quoted, tagged
from backend.grammar.structural.control import marker_bytes

OBJECT = replace(JSON, any_value=False)


def dialect_of(terms: list[Any]) -> Dialect:
    """["json"]: any value. ["object"]: objects only. ["python"]: keyword arguments. ["quoted", quote, plain].

    ["tagged", open, key_end, value_open, close, between, newline, kinds, plain]; quote and the first five are lists of
    `text` and `control` terms, newline a boolean, kinds a list of such a list and a boolean each, plain the text of
    quote or close, which a reader would take for it.
    """
    name, *parts = terms
    if name == "tagged":
        *marks, newline, kinds, plain = parts
        opened = [(marker_bytes(kind), is_text) for kind, is_text in kinds]
        open, key_end, value_open, close, between = map(marker_bytes, marks)
        return tagged(open, key_end, value_open, close, between, newline, opened or None, plain.encode())
    if name == "quoted":
        return quoted(marker_bytes(parts[0]), parts[1].encode())
    return {"json": JSON, "object": OBJECT, "python": PYTHON}[name]
