"""The size of a schema, checked before anything is built from it."""

from typing import Any

from backend.grammar.errors import GrammarError
from backend.grammar.limits import Limits


def check_size(schema: Any, limits: Limits) -> None:
    """Raise GrammarError where the schema (parsed JSON) passes `limits` in depth, properties, enum values or text."""
    properties = values = text = 0
    level, depth = [schema], 0
    while level:
        depth += 1
        if depth > 4 * limits.nesting:
            raise GrammarError(f"the schema is nested deeper than {limits.nesting}")
        below: list[Any] = []
        for node in level:
            if isinstance(node, list):
                below += node
            elif isinstance(node, dict):
                below += node.values()
                names, enum = node.get("properties"), node.get("enum")
                if isinstance(names, dict):
                    properties += len(names)
                    text += sum(map(len, names))
                if isinstance(enum, list):
                    values += len(enum)
                    text += sum(len(value) for value in enum if isinstance(value, str))
        level = below
    for count, limit, what in (
        (properties, limits.properties, "properties"),
        (values, limits.enum_values, "enum values"),
        (text, limits.literal_chars, "characters of property names and enum values"),
    ):
        if count > limit:
            raise GrammarError(f"the schema has {count} {what}, more than {limit}")
