"""Schemas and values drawn at random, and what is the same for all tests that need some."""

from itertools import permutations, product
from typing import Any

import jsonschema
from hypothesis import HealthCheck, assume, settings
from hypothesis import strategies as st

from backend.grammar.automaton.run import Runner
from backend.grammar.errors import GrammarError
from tests.backend.grammar.schema.languages import language

NAMES = ["a", "b", "ab"]
SCALARS: list[Any] = [None, True, False, -2, 0, 1, 3, 6, 0.5, "", "a", "b", "ab", "aba"]
REFUSALS = (
    "alternatives",
    "states",
    "oneOf branches",
    "'not' cannot",
    "'not' or 'if' asks for",
    "stack symbols",
    "nests deeper",
    "leads back to itself",
)

small = st.integers(0, 3)
scalars = st.sampled_from(SCALARS)
names = st.lists(st.sampled_from(NAMES), unique=True, max_size=3)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from([*NAMES, "c"]), inner, max_size=3),
    max_leaves=4,
)


def keywords(schemas: st.SearchStrategy) -> st.SearchStrategy[dict[str, Any]]:
    some = st.lists(schemas, min_size=1, max_size=3)
    patterns = st.sampled_from(["^a", "b", "^.$"])
    return st.one_of(
        st.builds(lambda t: {"type": t}, st.sampled_from(["null", "boolean", "integer", "number", "string"])),
        st.builds(lambda t: {"type": t}, st.sampled_from(["array", "object", ["object", "string"], ["array", "null"]])),
        st.builds(lambda vs: {"enum": vs}, st.lists(values, min_size=1, max_size=3)),
        st.builds(lambda v: {"const": v}, values),
        st.builds(
            lambda k, n: {k: n},
            st.sampled_from(["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"]),
            st.sampled_from([-1, 0, 0.5, 1, 2]),
        ),
        st.builds(lambda n: {"multipleOf": n}, st.sampled_from([1, 2, 3, 0.5])),
        st.builds(lambda k, n: {k: n}, st.sampled_from(["minLength", "maxLength"]), small),
        st.builds(lambda p: {"pattern": p}, st.sampled_from(["a", "^a", "b$", "^(ab)*$"])),
        st.builds(lambda s: {"items": s}, schemas),
        st.builds(lambda p, s: {"prefixItems": p, "items": s}, some, schemas),
        st.builds(lambda k, n: {k: n}, st.sampled_from(["minItems", "maxItems"]), small),
        st.builds(lambda s: {"contains": s}, schemas),
        st.builds(lambda s, a, b: {"contains": s, "minContains": a, "maxContains": b}, schemas, small, small),
        st.builds(lambda p: {"properties": p}, st.dictionaries(st.sampled_from(NAMES), schemas, max_size=3)),
        st.builds(
            lambda p, s: {"properties": p, "additionalProperties": s},
            st.dictionaries(st.sampled_from(NAMES), schemas, max_size=2),
            schemas,
        ),
        st.builds(lambda p, s, t: {"patternProperties": {p: s}, **t}, patterns, schemas, extra(schemas)),
        st.builds(lambda r: {"required": r}, names),
        st.builds(lambda k, n: {k: n}, st.sampled_from(["minProperties", "maxProperties"]), small),
        st.builds(lambda s: {"propertyNames": s}, schemas),
        st.builds(lambda n, r: {"dependentRequired": {n: r}}, st.sampled_from(NAMES), names),
        st.builds(lambda n, s: {"dependentSchemas": {n: s}}, st.sampled_from(NAMES), schemas),
        st.builds(lambda k, ss: {k: ss}, st.sampled_from(["allOf", "anyOf", "oneOf"]), some),
        st.builds(lambda k, s: {k: s}, st.sampled_from(["unevaluatedProperties", "unevaluatedItems"]), schemas),
        st.builds(lambda s: {"not": s}, schemas),
        st.builds(lambda a, b, c: {"if": a, "then": b, "else": c}, schemas, schemas, schemas),
    )


def extra(schemas: st.SearchStrategy) -> st.SearchStrategy[dict[str, Any]]:
    return st.just({}) | st.builds(lambda s: {"additionalProperties": s}, schemas)


def objects(schemas: st.SearchStrategy) -> st.SearchStrategy[Any]:
    """A schema of up to three groups of keywords."""
    groups = st.lists(keywords(schemas), min_size=1, max_size=3)
    return groups.map(lambda parts: {key: value for part in parts for key, value in part.items()})


leaves = st.booleans() | st.just({"$ref": "#/$defs/d"}) | objects(st.booleans())
schemas = st.recursive(leaves, objects, max_leaves=5)
documents = st.builds(lambda s, d: {**s, "$defs": {"d": d}}, objects(schemas), objects(schemas))


def orders(value: Any) -> list[Any]:
    """`value` with the properties in every order."""
    if isinstance(value, list):
        return [list(items) for items in product(*map(orders, value))]
    if not isinstance(value, dict):
        return [value]
    inside = [dict(zip(value, items, strict=True)) for items in product(*map(orders, value.values()))]
    return [{name: item[name] for name in names} for item in inside for names in permutations(item)]


def language_of(schema: Any, **options: Any) -> Runner | None:
    """None where no value satisfies the schema; an example that is refused for its size is dropped."""
    try:
        return language(schema, **options)
    except GrammarError as error:
        empty = "no finite value" in error.message
        assert empty or any(reason in str(error) for reason in REFUSALS), str(error)
        assume(empty)
        return None


def is_valid(schema: Any, value: Any) -> bool:
    try:
        return jsonschema.Draft202012Validator(schema).is_valid(value)
    except RecursionError:
        return False


many = settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
