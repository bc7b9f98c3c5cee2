"""Whatever keywords meet in a schema, with whatever values, it is compiled or refused: nothing else is ever raised.

`nox -s fuzz` draws many more of them.
"""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backend.grammar import Constraint, GrammarError, JsonSchema, Limits, structural_constraint
from backend.grammar.compile import compile_constraint
from backend.grammar.errors import CompilerFault
from backend.grammar.schema.reading import assertions

LIMITS = Limits(
    alternatives=40, product_states=3_000, pattern_nfa_states=3_000, pattern_dfa_states=2_000, states=10_000,
    threads=4_000, pattern_work=50_000,
)  # fmt: skip
fuzz = settings(max_examples=2 * settings.default.max_examples, deadline=None, suppress_health_check=list(HealthCheck))
more = settings(fuzz, max_examples=8 * settings.default.max_examples)

TYPES = ["null", "boolean", "integer", "number", "string", "array", "object"]
FORMATS = """
    date time date-time duration email idn-email hostname idn-hostname ipv4 ipv6 uri uri-reference iri iri-reference url
    uuid byte base64 int32 int64 float double json regex json-pointer relative-json-pointer uri-template binary x y-z
""".split()  # noqa: SIM905
PATTERNS = [
    "", "^$", "^/", "a", "^a+$", r"^\d{2}/\d{2}/\d{4}$", r"^[^\s@]+@x\.y$", "^(?!a).*$", "(?i)^ab$", r"\bword\b",
    r"\S", r"^\p{L}+$", "[^]a]", "a{2,1}", "(", "^.{3,}$", "東|京",
]  # fmt: skip
NAMES = st.sampled_from(["a", "b", "type", "", "$ref", "é", "a/b~c"])
SMALL = st.integers(-1, 4) | st.sampled_from([0.5, 2.0, 10, 255, 10**4, 10**18])
SCALARS = st.none() | st.booleans() | SMALL | st.sampled_from(["", "a", "1", "2020-01-01", "a@b.cd", "東"])
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3))
REFERENCES = st.sampled_from(
    ["#", "#/$defs/d", "#/properties/a", "#d", "d", "#/nowhere", "http://x/y", "#/$defs/d/items"]
)


def some(values, least=0):
    return st.lists(values, min_size=least, max_size=3)


def keywords(schemas):
    """For each keyword what it may be, well-formed for the most part."""
    named = st.dictionaries(NAMES, schemas, max_size=3)
    return {
        "type": st.sampled_from(TYPES) | some(st.sampled_from(TYPES), 1),
        "enum": some(VALUES, 1), "const": VALUES, "nullable": st.booleans(), "$ref": REFERENCES,
        "$id": st.sampled_from(["d", "http://x/y", "#d"]), "$anchor": st.just("d"), "$dynamicRef": REFERENCES,
        "minimum": SMALL, "maximum": SMALL, "exclusiveMinimum": SMALL | st.booleans(),
        "exclusiveMaximum": SMALL | st.booleans(), "multipleOf": SMALL,
        "minLength": SMALL, "maxLength": SMALL, "pattern": st.sampled_from(PATTERNS),
        "format": st.sampled_from(FORMATS),
        "items": schemas | some(schemas), "prefixItems": some(schemas), "additionalItems": schemas,
        "minItems": SMALL, "maxItems": SMALL, "uniqueItems": st.booleans(), "contains": schemas,
        "minContains": SMALL, "maxContains": SMALL, "unevaluatedItems": schemas,
        "properties": named, "patternProperties": st.dictionaries(st.sampled_from(PATTERNS), schemas, max_size=2),
        "additionalProperties": schemas, "unevaluatedProperties": schemas, "required": some(NAMES) | st.booleans(),
        "minProperties": SMALL, "maxProperties": SMALL, "propertyNames": schemas,
        "dependentRequired": st.dictionaries(NAMES, some(NAMES), max_size=2), "dependentSchemas": named,
        "dependencies": st.dictionaries(NAMES, some(NAMES) | schemas, max_size=2),
        "allOf": some(schemas, 1), "anyOf": some(schemas, 1), "oneOf": some(schemas, 1), "not": schemas,
        "if": schemas, "then": schemas, "else": schemas,
    }  # fmt: skip


def soups(schemas):
    """Any keywords beside each other; seldom one whose value is no such thing."""
    known = keywords(schemas)
    usual = st.fixed_dictionaries({}, optional=known)
    wrong = st.dictionaries(st.sampled_from(sorted(known)), VALUES, max_size=2)
    return usual | st.builds(lambda soup, more: {**soup, **more}, usual, wrong)


KEYWORDS_OF = {
    "string": ["format", "pattern", "minLength", "maxLength", "enum", "not"],
    "number": ["type", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "enum", "format"],
    "array": ["items", "prefixItems", "minItems", "maxItems", "uniqueItems", "contains", "maxContains", "enum"],
    "object": ["properties", "patternProperties", "additionalProperties", "required", "minProperties", "maxProperties",
               "propertyNames", "dependentRequired"],
}  # fmt: skip


def of_one_type(schemas):
    """Several keywords about one type, which seldom meet where there may be any."""
    known = keywords(schemas)

    def of(kind):
        chosen = st.sets(st.sampled_from(KEYWORDS_OF[kind]), min_size=2, max_size=4)
        return chosen.flatmap(
            lambda names: st.fixed_dictionaries({"type": st.just(kind)} | {name: known[name] for name in sorted(names)})
        )

    return st.sampled_from(sorted(KEYWORDS_OF)).flatmap(of)


LEAVES = st.booleans() | of_one_type(st.booleans()) | st.fixed_dictionaries({}, optional=keywords(st.booleans()))
SCHEMAS = st.recursive(LEAVES, lambda inner: soups(inner) | of_one_type(inner), max_leaves=6)
DRAFTS = st.sampled_from([f"http://json-schema.org/draft-0{n}/schema#" for n in (3, 4, 6, 7)])
DOCUMENTS = st.builds(
    lambda schema, d, more: {**schema, **more, "$defs": {"d": d}} if isinstance(schema, dict) else schema,
    SCHEMAS,
    SCHEMAS,
    st.just({}) | st.builds(lambda draft: {"$schema": draft}, DRAFTS),
)


def compile_or_refuse(constraint):
    try:
        compile_constraint(constraint, limits=LIMITS)
    except GrammarError as error:
        return error
    return None


@more
@given(schema=of_one_type(st.booleans() | of_one_type(st.booleans())))
def test_keywords_about_one_type_are_compiled_or_refused(schema):
    compile_or_refuse(Constraint("json_schema", json.dumps(schema)))


@fuzz
@given(schema=DOCUMENTS, open_objects=st.booleans(), strict=st.booleans())
def test_a_schema_is_compiled_or_refused(schema, open_objects, strict):
    compile_or_refuse(Constraint("json_schema", json.dumps(schema), open_objects, strict))


@fuzz
@given(schema=DOCUMENTS, strict=st.booleans())
def test_a_schema_of_a_tool_is_refused_at_its_place(schema, strict):
    error = compile_or_refuse(structural_constraint(JsonSchema(schema, "tools.3", strict=strict)))
    assert error is None or error.pointer.partition("#")[0] == "tools.3" or not error.pointer


@pytest.mark.parametrize(
    "constraint",
    [
        Constraint("json_schema", '{"properties": {"a": {"title": "boom"}}}'),
        structural_constraint(JsonSchema({"properties": {"a": {"title": "boom"}}}, "tools.3")),
    ],
)
def test_a_fault_of_the_compiler_says_at_which_schema(monkeypatch, constraint):
    def broken(document, subschema):
        if "a" in subschema.pointer:
            raise KeyError("boom")
        return assertions(document, subschema)

    monkeypatch.setattr("backend.grammar.schema.normal.assertions", broken)
    text = constraint.text.replace('"title"', '"minLength": 1, "title"')
    with pytest.raises(CompilerFault) as raised:
        compile_constraint(Constraint(constraint.kind, text))
    place = "tools.3" if constraint.kind == "structural" else ""
    assert raised.value.pointer == f"{place}#/properties/a" and place in str(raised.value)
