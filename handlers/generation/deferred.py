"""Whether a value keeps the keywords that grammars defer, in time that the schema cannot choose.

Every branch of a schema counts as one that may apply, and every name as one that a pattern matches: a validator would
match the request's own patterns, and try its branches, for any time. So true means that the keyword is not broken;
false may be said of a value that is valid by an alternative without the keyword, and of what cannot be told.
"""

import json
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import orjson
from referencing import Registry
from referencing.exceptions import Unresolvable
from referencing.jsonschema import DRAFT202012, lookup_recursive_ref, specification_with

from handlers.generation.repeats import repeats
from handlers.generation.satisfies import satisfies

MOST_STEPS = 200_000
"""Pairs of a schema and a value that one check looks at; what needs more is not taken for valid."""
MEMBERS = ("additionalProperties", "unevaluatedProperties", "additionalItems", "unevaluatedItems", "contains")
"""Keywords whose schema may apply to any member of an object or array."""
SAME = ("allOf", "anyOf", "oneOf", "then", "else", "dependentSchemas", "dependencies")
"""Keywords whose schemas may apply to the value itself."""


def items_are_unique(schema: bytes, text: str) -> bool:
    """Whether no array in the JSON `text` that a `uniqueItems` of the JSON Schema may apply to repeats an item."""

    def breaks(part: dict[str, Any], value: Any) -> bool:
        return isinstance(value, list) and bool(part.get("uniqueItems")) and repeats(value)

    return _kept(schema, text, breaks)


def properties_are_enough(schema: bytes, text: str) -> bool:
    """Whether every object in the JSON `text` has as many names as each `minProperties` that may apply to it says."""

    def breaks(part: dict[str, Any], value: Any) -> bool:
        return isinstance(value, dict) and len(value) < (part.get("minProperties") or 0)

    return _kept(schema, text, breaks)


APPLICATORS = (
    *("allOf", "anyOf", "oneOf", "if", "not", "dependentRequired", "dependentSchemas", "dependencies", "propertyNames"),
    *("$ref", "$dynamicRef", "$recursiveRef", "unevaluatedItems", "unevaluatedProperties"),
)
"""Keywords that are left to a check where they combine into too many alternatives."""
CHECKS = {
    "uniqueItems": items_are_unique,
    "minProperties": properties_are_enough,
    **dict.fromkeys(APPLICATORS, satisfies),
}
"""By keyword, whether a text keeps it everywhere."""


def _kept(schema: bytes, text: str, breaks: Callable[[dict[str, Any], Any], bool]) -> bool:
    """Whether no value in the JSON `text` breaks a part of the schema that may apply to it."""
    try:
        value = json.loads(text, parse_float=Decimal)
        return not any(breaks(part, found) for part, found in _pairs(orjson.loads(schema), value))
    except (ValueError, TypeError, ArithmeticError, RecursionError, Unresolvable, _TooMuch):
        return False


class _TooMuch(Exception):
    """A check takes too long."""


def _pairs(schema: Any, value: Any) -> Iterator[tuple[dict[str, Any], Any]]:
    """The parts of a schema, each with what of `value` it may apply to, as far as that is an array or object."""
    specification = specification_with(_declared(schema), default=DRAFT202012)
    resolver = Registry().with_resource("", specification.create_resource(schema)).crawl().resolver()
    seen: set[tuple[int, int]] = set()
    rest = [(schema, resolver, value)]
    while rest:
        schema, resolver, value = rest.pop()
        pair = (id(schema), id(value))
        if not isinstance(schema, dict) or not isinstance(value, list | dict) or pair in seen:
            continue
        seen.add(pair)
        if len(seen) > MOST_STEPS:
            raise _TooMuch
        yield schema, value
        if "$id" in schema or "id" in schema:
            resolver = resolver.in_subresource(specification.create_resource(schema))
        for reference in (schema.get("$ref"), schema.get("$dynamicRef")):
            if isinstance(reference, str):
                found = resolver.lookup(reference)
                rest.append((found.contents, found.resolver, value))
        if "$recursiveRef" in schema:
            found = lookup_recursive_ref(resolver)
            rest.append((found.contents, found.resolver, value))
        rest += [(part, resolver, inner) for part, inner in _applied(schema, value)]


def _applied(schema: dict[str, Any], value: Any) -> Iterator[tuple[Any, Any]]:
    """The schemas in a schema, each with what of the value it may apply to."""
    for keyword in SAME:
        for part in _listed(schema.get(keyword)):
            yield part, value
    for keyword in MEMBERS:
        if keyword in schema:
            for member in value if isinstance(value, list) else value.values():
                yield schema[keyword], member
    yield from _of_properties(schema, value) if isinstance(value, dict) else _of_items(schema, value)


def _of_properties(schema: dict[str, Any], value: dict[str, Any]) -> Iterator[tuple[Any, Any]]:
    properties, patterns = schema.get("properties"), schema.get("patternProperties")
    for name, member in value.items():
        if isinstance(properties, dict) and name in properties:
            yield properties[name], member
        for part in _listed(patterns)[1:]:
            yield part, member


def _of_items(schema: dict[str, Any], value: list[Any]) -> Iterator[tuple[Any, Any]]:
    for keyword in ("items", "prefixItems"):
        parts = schema.get(keyword)
        if isinstance(parts, list):
            yield from zip(parts, value, strict=False)
        elif parts is not None:
            for member in value:
                yield parts, member


def _listed(parts: Any) -> list[Any]:
    """The schemas that a keyword may have: itself, and those in it by position or by name."""
    if isinstance(parts, dict):
        return [parts, *parts.values()]
    return parts if isinstance(parts, list) else []


def _declared(schema: Any) -> str:
    declared = schema.get("$schema") if isinstance(schema, dict) else None
    return declared if isinstance(declared, str) else ""
