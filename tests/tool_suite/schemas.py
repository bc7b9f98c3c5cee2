"""Tools drawn at random: what people declare, and what is harder: recursion, alternatives, patterns, nested objects."""

import random
from typing import Any

from tests.conformance.bodies import TREE

Schema = dict[str, Any]
NAMES = ("city", "days", "unit", "tags", "filter", "note", "limit", "who", "price", "options")


def tools(rng: random.Random) -> list[dict[str, Any]]:
    """One to three functions with different names."""
    names = rng.sample(["get", "get_all", "find-it", "plan", "send_mail", "f", "Set_Light2"], rng.randint(1, 3))
    return [{"type": "function", "function": {"name": name, "parameters": parameters(rng)}} for name in names]


def parameters(rng: random.Random) -> Schema:
    kind = rng.random()
    if kind < 0.1:
        return {}
    if kind < 0.2:
        return dict(TREE)
    if kind < 0.35:
        first, second = object_of(rng, 1), object_of(rng, 1)
        return {"oneOf": [tagged("a", first), tagged("b", second)]}
    return object_of(rng, 2)


def tagged(kind: str, schema: Schema) -> Schema:
    """The same object with a property that tells it from others."""
    return schema | {"properties": {"kind": {"const": kind}, **schema["properties"]}, "required": ["kind"]}


def object_of(rng: random.Random, depth: int) -> Schema:
    names = rng.sample(NAMES, rng.randint(0, 4))
    schema: Schema = {"type": "object", "properties": {name: value(rng, depth) for name in names}}
    return schema | {"required": rng.sample(names, rng.randint(0, len(names)))}


def value(rng: random.Random, depth: int) -> Schema:
    simple: list[Schema] = [
        {"type": "string", "maxLength": rng.randint(0, 12)},
        {"type": "string", "pattern": "^[A-Z]{2}[0-9]{1,3}$"},
        {"type": "string", "format": "date"},
        {"enum": ["C", "F", None, 3, "<x>", "a\nb"]},
        {"type": "integer", "minimum": -3, "maximum": 40},
        {"type": "number", "exclusiveMinimum": 0, "maximum": 1},
        {"type": ["boolean", "null"]},
        {"anyOf": [{"type": "string", "maxLength": 5}, {"type": "integer", "minimum": 0}]},
    ]
    if depth == 0 or rng.random() < 0.7:
        return rng.choice(simple)
    if rng.random() < 0.5:
        return {"type": "array", "items": value(rng, depth - 1), "minItems": rng.randint(0, 1), "maxItems": 2}
    return object_of(rng, depth - 1)
