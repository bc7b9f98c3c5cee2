"""Whether a value satisfies a JSON Schema, within steps that the schema cannot choose.

The library's validator, of which every keyword that is looked at is a step, which fetches nothing, and which matches
patterns in linear time.
"""

import json
from collections.abc import Callable, Iterator
from decimal import Decimal
from functools import lru_cache
from typing import Any

import jsonschema_rs
from jsonschema import Draft202012Validator, ValidationError
from jsonschema.protocols import Validator
from jsonschema.validators import extend, validator_for
from referencing import Registry

from handlers.generation.repeats import repeats

UNTOLD = (b'"nullable"', b'"patternProperties"')
"""No keyword of JSON Schema, and one whose patterns the library matches itself, in any time."""
MOST_STEPS = 20_000
"""Keywords of one check that are looked at; what needs more is not taken for valid."""
Keyword = Callable[..., Iterator[ValidationError] | None]


class Unknown(Exception):
    """Whether the value satisfies the schema cannot be told, or not in so many steps."""


def satisfies(schema: bytes, text: str) -> bool:
    """Whether the JSON `text` is known to satisfy the JSON Schema.

    False also where that cannot be told: for too many steps, a reference that leads out, a pattern that cannot be
    matched in linear time, and what is in UNTOLD.
    """
    try:
        parsed, value = (json.loads(each, parse_float=Decimal) for each in (schema, text))
        declared = isinstance(parsed, dict) and "$schema" in parsed
        inner = schema.count(b'"$schema"') > declared  # the library takes other validators for a part with one
        if inner or any(keyword in schema for keyword in UNTOLD):
            return False
        return _bounded(parsed).is_valid(value)
    except Exception:  # malformed schemas raise whatever they do, and count as any other that cannot be told
        return False


def _bounded(schema: Any) -> Validator:
    """A validator that raises Unknown once it has taken MOST_STEPS."""
    base = validator_for(schema, default=Draft202012Validator)
    left = iter(range(MOST_STEPS))
    own = {"pattern": _pattern, "format": _format, "uniqueItems": _unique}
    keywords = {name: _counted(keyword, name, left) for name, keyword in {**base.VALIDATORS, **own}.items()}
    types = base.TYPE_CHECKER.redefine("integer", lambda _, value: _is_integer(value))
    bare = {name: part for name, part in schema.items() if name != "$schema"} if isinstance(schema, dict) else schema
    return extend(base, keywords, type_checker=types)(bare, registry=Registry())


def _counted(keyword: Keyword, name: str, left: Iterator[int]) -> Keyword:
    """The same keyword, which takes a step; null is absence, as in the grammar, where it is no value of the keyword."""

    def counted(validator: Any, value: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
        if next(left, None) is None:
            raise Unknown
        if value is not None or name == "const":
            yield from keyword(validator, value, instance, schema) or ()

    return counted


def _is_integer(value: Any) -> bool:
    if isinstance(value, Decimal):
        return value == value.to_integral_value()
    return isinstance(value, int) and not isinstance(value, bool)


def _pattern(validator: Any, pattern: str, instance: Any, schema: Any) -> Iterator[ValidationError]:
    if isinstance(instance, str) and not _strings("pattern", pattern).is_valid(instance):
        yield ValidationError(pattern)


def _format(validator: Any, name: str, instance: Any, schema: Any) -> Iterator[ValidationError]:
    if isinstance(instance, str) and not _strings("format", name).is_valid(instance):
        yield ValidationError(name)


def _unique(validator: Any, unique: bool, instance: Any, schema: Any) -> Iterator[ValidationError]:
    if unique and isinstance(instance, list) and repeats(instance):
        yield ValidationError("uniqueItems")


@lru_cache(256)
def _strings(keyword: str, value: str) -> Any:
    """Of strings that satisfy one keyword. Raises ValueError for a pattern that linear time is not enough for."""
    linear = jsonschema_rs.RegexOptions(size_limit=1 << 20, dfa_size_limit=1 << 22)
    return jsonschema_rs.validator_for({keyword: value}, validate_formats=True, pattern_options=linear)
