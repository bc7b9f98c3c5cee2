"""The dialect of the grammar that a term names."""

from dataclasses import replace

from backend.grammar.schema import JSON, PYTHON, Dialect, quoted, tagged
from backend.grammar.structural.control import marker_bytes
from backend.grammar.structural.terms import JsonDialect, PythonDialect, QuotedDialect, TaggedDialect, ValueDialect

OBJECT = replace(JSON, any_value=False)


def dialect_of(named: ValueDialect) -> Dialect:
    """How the values of a JSON Schema are written, with control tokens as their spellings."""
    match named:
        case JsonDialect(objects_only=objects_only):
            return OBJECT if objects_only else JSON
        case PythonDialect():
            return PYTHON
        case QuotedDialect(quote=quote, plain=plain):
            return quoted(marker_bytes(quote), plain.encode())
        case TaggedDialect():
            return tagged(
                open=marker_bytes(named.open),
                key_end=marker_bytes(named.key_end),
                value_open=marker_bytes(named.value_open),
                close=marker_bytes(named.close),
                between=marker_bytes(named.between),
                newline=named.newline,
                kinds=[(marker_bytes(kind), is_text) for kind, is_text in named.kinds] or None,
                plain=named.plain.encode(),
            )
