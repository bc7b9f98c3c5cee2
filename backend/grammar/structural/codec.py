"""Terms as the text of a constraint: JSON, each term a list of its class's name and its fields."""

from dataclasses import fields, is_dataclass
from typing import Any

import orjson

from backend.grammar.constraint import Constraint
from backend.grammar.structural.terms import (
    AnyOf,
    AnyText,
    Branch,
    Concat,
    ConstText,
    ContextFree,
    ControlToken,
    JsonDialect,
    JsonSchema,
    Marker,
    PythonDialect,
    QuotedDialect,
    Regex,
    Separated,
    TaggedDialect,
    Term,
    ValueDialect,
)


def structural_constraint(term: Term) -> Constraint:
    """The constraint that the output is what `term` says. Equal terms give equal constraints.

    Raises orjson.JSONEncodeError, a TypeError, for a schema that is no JSON or is nested too deeply.
    """
    return Constraint("structural", orjson.dumps(term, _listed, orjson.OPT_PASSTHROUGH_DATACLASS).decode())


def decode(listed: Any) -> Term:
    """The term of a constraint whose text has been parsed; the numbers of schemas are what the parser made of them."""
    match listed:
        case ["ConstText", text]:
            return ConstText(text)
        case ["ControlToken", token]:
            return ControlToken(token)
        case ["Regex", pattern]:
            return Regex(pattern)
        case ["JsonSchema", schema, place, dialect, strict, texts]:
            return JsonSchema(schema, place, _dialect(dialect), strict, tuple(map(_text, texts)))
        case ["ContextFree", grammar, place, syntax, max_recursion]:
            return ContextFree(grammar, place, syntax, max_recursion)
        case ["Concat", parts]:
            return Concat(tuple(map(decode, parts)))
        case ["AnyOf", parts]:
            return AnyOf(tuple(map(decode, parts)))
        case ["Separated", part, separator]:
            return Separated(decode(part), decode(separator))
        case ["AnyText", branches, opening, may_stop, in_reasoning, cut]:
            return AnyText(
                tuple(map(_branch, branches)), opening and _branch(opening), may_stop, in_reasoning, cut and decode(cut)
            )
    raise ValueError(f"not a structural term: {listed}")


def _text(listed: Any) -> tuple[str, Regex | ContextFree]:
    name, language = listed
    return name, decode(language)  # type: ignore[return-value]


def _branch(listed: Any) -> Branch:
    _, markers, then, resumes = listed
    return Branch(tuple(map(_marker, markers)), decode(then), resumes)


def _marker(listed: Any) -> Marker:
    return tuple(map(decode, listed))  # type: ignore[arg-type]


def _dialect(listed: Any) -> ValueDialect:
    match listed:
        case ["JsonDialect", objects_only]:
            return JsonDialect(objects_only)
        case ["PythonDialect"]:
            return PythonDialect()
        case ["QuotedDialect", quote, plain]:
            return QuotedDialect(_marker(quote), plain)
        case ["TaggedDialect", open, key_end, value_open, close, between, newline, kinds, plain]:
            return TaggedDialect(
                open=_marker(open),
                key_end=_marker(key_end),
                value_open=_marker(value_open),
                close=_marker(close),
                between=_marker(between),
                newline=newline,
                kinds=tuple((_marker(kind), is_text) for kind, is_text in kinds),
                plain=plain,
            )
    raise ValueError(f"not the dialect of a value: {listed}")


def _listed(item: Any) -> list[Any]:
    if not is_dataclass(item):
        raise TypeError(f"{type(item).__name__} is not JSON")
    return [type(item).__name__, *(getattr(item, field.name) for field in fields(item))]
