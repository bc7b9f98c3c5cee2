"""The keywords that speak about one value by themselves: a schema of the document -> normal form."""

from decimal import Decimal
from typing import Any

from backend.grammar.errors import GrammarError
from backend.grammar.schema.document import Document
from backend.grammar.schema.expressions import ANYTHING, NOTHING, Constant, Expression, Subschema
from backend.grammar.schema.keywords import TYPES, decimal, mapping, names, natural, sequence
from backend.grammar.schema.reading_strings import note_format, number_format, strings, texts_of_pattern
from backend.grammar.schema.shapes.alternatives import ShapeT
from backend.grammar.schema.shapes.arrays import ANY_ARRAY, ArrayShape, Contains
from backend.grammar.schema.shapes.evaluated import ALL_ITEMS, ALL_NAMES, EvaluatedItems, EvaluatedNames
from backend.grammar.schema.shapes.form import BOOLEANS, Form
from backend.grammar.schema.shapes.numbers import ANY_NUMBER, Bound, NumberShape
from backend.grammar.schema.shapes.objects import ANY_OBJECT, Names, ObjectShape
from backend.grammar.schema.shapes.strings import StringShape

NUMBER_KEYWORDS = frozenset(["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"])
ARRAY_KEYWORDS = frozenset(
    ["items", "prefixItems", "additionalItems", "unevaluatedItems", "minItems", "maxItems", "contains", "uniqueItems"]
)
INTEGERS = NumberShape(integer=True)
OBJECT_KEYWORDS = frozenset(
    """
    properties patternProperties additionalProperties unevaluatedProperties required minProperties maxProperties
    """.split()  # noqa: SIM905
)


def assertions(document: Document, subschema: Subschema) -> Form:
    """What `type` and the keywords about numbers, strings, arrays and objects say. Raises GrammarError where they are
    malformed; what is well-formed but cannot be enforced stays in the shapes as a refusal."""
    raw, pointer = subschema.raw, subschema.pointer
    types = _types(raw, pointer)
    note_format(document, subschema, types)
    return Form(
        "null" in types,
        BOOLEANS if "boolean" in types else frozenset(),
        _one(_numbers(subschema, "number" not in types)) if types & {"integer", "number"} else (),
        strings(subschema) if "string" in types else (),
        _one(_arrays(document, subschema)) if "array" in types else (),
        _one(_objects(document, subschema)) if "object" in types else (),
    )


def constant(value: Any, pointer: str) -> Form:
    """One JSON value. pointer: of the keyword that lists it."""
    if value is None:
        return Form(null=True)
    if isinstance(value, bool):
        return Form(booleans=frozenset([value]))
    if isinstance(value, int | float | Decimal):
        return Form(numbers=(NumberShape(values=frozenset([decimal(value, "enum", pointer)])),))
    if isinstance(value, str):
        return Form(strings=(StringShape(values=frozenset([value])),))
    if isinstance(value, list):
        items = tuple(Constant(item, pointer) for item in value)
        return Form(arrays=(ArrayShape(items, NOTHING, len(items), len(items)),))
    fields: dict[str, Expression] = {name: Constant(item, pointer) for name, item in value.items()}
    closed = ((Names(excluded=frozenset(fields)), NOTHING),)
    return Form(objects=(ObjectShape(fields, closed, frozenset(fields), declared=tuple(fields)),))


def constants(values: list, pointer: str) -> Form:
    """Any of `values`; texts as one language and numbers as one set."""
    texts = [value for value in values if isinstance(value, str)]
    numbers = [value for value in values if isinstance(value, int | float | Decimal) and not isinstance(value, bool)]
    rest = [constant(value, pointer) for value in values if isinstance(value, list | dict)]
    return Form(
        any(value is None for value in values),
        frozenset(value for value in values if isinstance(value, bool)),
        (NumberShape(values=frozenset(decimal(value, "enum", pointer) for value in numbers)),) if numbers else (),
        (StringShape(values=frozenset(texts)),) if texts else (),
        tuple(shape for form in rest for shape in form.arrays),
        tuple(shape for form in rest for shape in form.objects),
    )


def _one(shape: ShapeT | None) -> tuple[ShapeT, ...]:
    return () if shape is None else (shape,)


def _types(raw: dict, pointer: str) -> set[str]:
    if "type" not in raw:
        return set(TYPES)
    value = raw["type"]
    found = value if isinstance(value, list) else [value]
    for name in found:
        if name not in TYPES:
            raise GrammarError(f"type {name!r} is none of {', '.join(TYPES)}", f"{pointer}/type")
    return set(found)


def _numbers(subschema: Subschema, integer: bool) -> NumberShape | None:
    raw, pointer, asserted = subschema.raw, subschema.pointer, number_format(subschema)
    if raw.keys().isdisjoint(NUMBER_KEYWORDS) and asserted is None:
        return INTEGERS if integer else ANY_NUMBER
    shape: NumberShape | None = NumberShape(integer, asserted=asserted)
    for keyword, exclusive in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
        for bound in _bounds(raw, pointer, keyword, exclusive):
            side = NumberShape(low=bound) if keyword == "minimum" else NumberShape(high=bound)
            shape = None if shape is None else shape.meet(side)
    if shape is not None and "multipleOf" in raw:
        divisor = decimal(raw["multipleOf"], "multipleOf", pointer)
        if divisor <= 0:
            raise GrammarError("multipleOf must be greater than 0", f"{pointer}/multipleOf")
        shape = shape.meet(NumberShape(multiples=frozenset([divisor])))
    return shape


def _bounds(raw: dict, pointer: str, keyword: str, exclusive: str) -> list[Bound]:
    """The bounds on one side; a Boolean exclusive keyword (draft 4) is about the other keyword."""
    bounds = []
    strict = raw.get(exclusive, False)
    if keyword in raw:
        bounds.append((decimal(raw[keyword], keyword, pointer), strict is True))
    if not isinstance(strict, bool):
        bounds.append((decimal(strict, exclusive, pointer), True))
    return bounds


def _arrays(document: Document, subschema: Subschema) -> ArrayShape | None:
    """Items by position and the rest: `prefixItems` and `items`, or a list of `items` and `additionalItems`."""
    raw, pointer = subschema.raw, subschema.pointer
    if raw.keys().isdisjoint(ARRAY_KEYWORDS):
        return ANY_ARRAY
    first, later = ("items", "additionalItems") if isinstance(raw.get("items"), list) else ("prefixItems", "items")
    prefix = sequence(raw, first, pointer)
    return ArrayShape(
        tuple(document.child(subschema, first, position) for position in range(len(prefix))),
        document.child(subschema, later) if later in raw else ANYTHING,
        natural(raw, "minItems", pointer, 0) or 0,
        natural(raw, "maxItems", pointer, None),
        _contains(document, subschema),
        (f"{pointer}/uniqueItems",) if raw.get("uniqueItems") is True else (),
        _evaluated_items(document, subschema, len(prefix), later in raw),
    ).simplified()


def _evaluated_items(document: Document, subschema: Subschema, first: int, everything: bool) -> EvaluatedItems:
    if everything:
        return ALL_ITEMS
    by_contains = "contains" in subschema.raw and document.contains_evaluates
    return EvaluatedItems(first, (document.child(subschema, "contains"),) if by_contains else ())


def _contains(document: Document, subschema: Subschema) -> tuple[Contains, ...]:
    raw, pointer = subschema.raw, subschema.pointer
    if "contains" not in raw:
        return ()
    least, most = natural(raw, "minContains", pointer, 1) or 0, natural(raw, "maxContains", pointer, None)
    if least == 0 and most is None:
        return ()
    return (Contains(0, document.child(subschema, "contains"), least, most),)


def _objects(document: Document, subschema: Subschema) -> ObjectShape | None:
    raw, pointer = subschema.raw, subschema.pointer
    if raw.keys().isdisjoint(OBJECT_KEYWORDS):
        return ANY_OBJECT
    properties, by_pattern = mapping(raw, "properties", pointer), mapping(raw, "patternProperties", pointer)
    required = [] if isinstance(raw.get("required", False), bool) else names(raw["required"], f"{pointer}/required")
    patterns = {regex: texts_of_pattern(regex, f"{pointer}/patternProperties") for regex in by_pattern}
    keyed = [
        (Names(language), document.child(subschema, "patternProperties", regex)) for regex, language in patterns.items()
    ]
    others = "additionalProperties"
    if others in raw:
        other_names = Names(excluded=frozenset(properties), patterns=tuple(patterns.values()))
        keyed.append((other_names, document.child(subschema, others)))
    return ObjectShape(
        {name: document.child(subschema, "properties", name) for name in properties},
        tuple((names, value) for names, value in keyed if value is not ANYTHING),
        frozenset(required),
        natural(raw, "minProperties", pointer, 0) or 0,
        natural(raw, "maxProperties", pointer, None),
        declared=tuple(dict.fromkeys([*properties, *required])),
        closes="properties" in raw and others not in raw and not by_pattern,
        opens=raw.get(others, False) is not False or bool(by_pattern),
        least_at=f"{pointer}/minProperties" if "minProperties" in raw else "",
        evaluated=ALL_NAMES if others in raw else EvaluatedNames(frozenset(properties), tuple(patterns.values())),
    ).simplified()
