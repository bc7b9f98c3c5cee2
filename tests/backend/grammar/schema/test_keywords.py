"""What each keyword admits, on texts chosen by hand."""

from decimal import Decimal

import pytest

from tests.backend.grammar.schema.languages import language

CASES = {
    "null": ({"type": "null"}, ["null"], ["nul", "0", ""]),
    "booleans": ({"type": "boolean"}, ["true", "false"], ["True", "1"]),
    "integers have no fraction": ({"type": "integer"}, ["0", "-7", "10"], ["-0", "01", "1.0", "1e2", "+1"]),
    "numbers": ({"type": "number"}, ["0", "-1.5", "2e10", "1E-3"], [".5", "1.", "NaN", "Infinity"]),
    "huge integers are exact": (
        {"type": "integer", "minimum": 9007199254740993},
        ["9007199254740993"],
        ["9007199254740992"],
    ),
    "exclusive bounds of draft 4": (
        {"type": "integer", "minimum": 3, "exclusiveMinimum": True, "maximum": 5, "exclusiveMaximum": False},
        ["4", "5"],
        ["3", "6"],
    ),
    "a fraction never rounds to an excluded bound": (
        {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1},
        ["0.9999999999999999", "0.000001"],
        ["0.99999999999999999", "1", "0." + "0" * 400 + "1"],
    ),
    "a fraction never rounds to an excluded number": (
        {"type": "number", "not": {"type": "integer"}},
        ["0.5", "3.0000001"],
        ["3.0000000000000000001", "3", "3.0"],
    ),
    "multiples of a whole number": ({"type": "number", "multipleOf": 3}, ["0", "9", "-12"], ["1", "3.5"]),
    "multiples of a fraction": ({"type": "number", "multipleOf": 0.25}, ["0.75", "2", "1.50"], ["0.3"]),
    "an enum of numbers goes by value": ({"type": "integer", "enum": [1, 2.0, 2.5]}, ["1", "2"], ["2.5", "3"]),
    "numbers of an enum have its digits": ({"enum": [2.0, 3, 1.5]}, ["2.0", "2", "3", "1.5"], ["2.00", "3.0", "1.50"]),
    "small numbers of an enum may be written as Python writes them": ({"const": 1e-7}, ["1e-07", "0.0000001"], ["0"]),
    "lengths are counted in code points": (
        {"type": "string", "minLength": 2, "maxLength": 3},
        ['"éé"', '"🐢🐢🐢"', '"\\n\\n"'],
        ['"é"', '"abcd"'],
    ),
    "a pattern together with lengths": (
        {"type": "string", "pattern": "^a*b?$", "minLength": 2, "maxLength": 3},
        ['"aa"', '"aab"'],
        ['"b"', '"aaab"', '"ba"'],
    ),
    "white space that must not be there is all that ECMA-262 knows": (
        {"type": "string", "not": {"pattern": r"\s"}},
        ['"a"', '"\x85"', '""'],
        ['"\u3000"', '"a\u00a0"', '"\u2028"', '"\ufeff"', '" "', '"\\t"'],
    ),
    "not nothing but white space": (
        {"type": "string", "not": {"pattern": r"^\s*$"}},
        ['"a"', '"\u3000a"'],
        ['"\u3000"', '" \u00a0\\n"', '""'],
    ),
    "white space in names": (
        {"type": "object", "propertyNames": {"not": {"pattern": r"\s"}}, "patternProperties": {r"^\S*\d$": False}},
        ['{"a": 1}', '{"\x85": 1}'],
        ['{"\u3000": 1}', '{"a b": 1}', '{"\x851": 1}'],
    ),
    "a condition on white space": (
        {"type": "string", "if": {"pattern": r"^\S+$"}, "then": {"maxLength": 1}, "else": {"minLength": 3}},
        ['"a"', '"a\u3000b"'],
        ['"ab"', '"\u3000b"', '""'],
    ),
    "a password": (
        {"type": "string", "pattern": r"^(?=.*[A-Z])(?=.*\d).{4,}$", "not": {"pattern": r"(?i)pass"}},
        ['"aB3c"', '"é1Zx"'],
        ['"aB3"', '"abc4"', '"1PaSs"'],
    ),
    "an enum is restricted by the keywords beside it": (
        {
            "enum": ["a", "bb", 3, None, {"x": "a"}, ["a"]],
            "minLength": 2,
            "minProperties": 1,
            "type": ["string", "object"],
        },
        ['"bb"', '{"x":"a"}'],
        ['"a"', "3", "null", '["a"]', "{}"],
    ),
    "items by position": (
        {"type": "array", "prefixItems": [{"type": "integer"}, {"type": "null"}], "items": {"type": "boolean"}},
        ["[]", "[1]", "[1, null, true]"],
        ["[null]", "[1, 2]", "[1, null, 3]"],
    ),
    "items by position before 2020": (
        {"type": "array", "items": [{"type": "integer"}], "additionalItems": False, "minItems": 1},
        ["[1]"],
        ["[]", "[1, 1]"],
    ),
    "contains": (
        {"type": "array", "contains": {"const": 1}, "minContains": 2, "maxContains": 2},
        ["[1, 2, 1]"],
        ["[1]", "[1, 1, 1]", "[]"],
    ),
    "uniqueItems is no matter where there is one item at most": (
        {"type": "array", "uniqueItems": True, "maxItems": 1},
        ["[]", "[3]"],
        ["[3, 3]"],
    ),
    "unevaluatedItems alone is about every item": (
        {"type": "array", "prefixItems": [{"type": "null"}], "unevaluatedItems": False},
        ["[null]"],
        ["[null, 1]"],
    ),
    "unevaluatedProperties alone is about every other name": (
        {"type": "object", "properties": {"a": {"type": "null"}}, "unevaluatedProperties": {"type": "integer"}},
        ['{"a": null, "b": 1}'],
        ['{"a": null, "b": null}'],
    ),
    "unevaluatedProperties leaves alone what schemas beside it evaluate": (
        {
            "type": "object",
            "$ref": "#/$defs/a",
            "allOf": [{"properties": {"b": {"type": "integer"}}}],
            "unevaluatedProperties": False,
            "$defs": {"a": {"properties": {"a": {"type": "null"}}, "required": ["a"]}},
        },
        ['{"a": null, "b": 1}', '{"a": null}'],
        ['{"a": null, "c": 1}', '{"b": 1}', '{"a": null, "b": null}'],
    ),
    "of several schemas that hold, what any of them evaluates": (
        {
            "type": "object",
            "anyOf": [
                {"properties": {"a": True}, "required": ["a"]},
                {"properties": {"b": {"type": "integer"}}, "required": ["b"]},
                {"patternProperties": {"^x": {"type": "null"}}, "required": ["x"]},
            ],
            "unevaluatedProperties": {"type": "boolean"},
        },
        ['{"a": 1}', '{"a": 1, "b": 1}', '{"a": 1, "b": true}', '{"a": 1, "b": 2, "x": null, "xx": null}'],
        ['{"a": 1, "b": "s"}', '{"a": 1, "c": 1}', '{"b": 1, "x": 1}', "{}"],
    ),
    "a schema that does not hold evaluates nothing": (
        {
            "type": "object",
            "if": {"properties": {"k": {"const": "n"}}, "required": ["k"]},
            "then": {"properties": {"n": {"type": "integer"}}},
            "else": {"properties": {"s": {"type": "string"}}},
            "unevaluatedProperties": False,
        },
        ['{"n": 1, "k": "n"}', '{"s": "a"}', "{}"],
        ['{"k": "s"}', '{"k": "n", "s": "a"}', '{"n": 1}'],
    ),
    "what not says evaluates nothing": (
        {"type": "object", "not": {"not": {"properties": {"a": True}}}, "unevaluatedProperties": False},
        ["{}"],
        ['{"a": 1}'],
    ),
    "a schema that depends on a name evaluates where the name is": (
        {
            "type": "object",
            "properties": {"a": True},
            "dependentSchemas": {"a": {"properties": {"b": True}}},
            "unevaluatedProperties": False,
        },
        ['{"a": 1, "b": 1}', '{"a": 1}', "{}"],
        ['{"b": 1}', '{"a": 1, "c": 1}'],
    ),
    "unevaluatedItems leaves alone what schemas beside it evaluate": (
        {
            "type": "array",
            "prefixItems": [{"type": "integer"}],
            "anyOf": [{"prefixItems": [True, {"type": "null"}]}, {"contains": {"const": "x"}}],
            "unevaluatedItems": {"type": "boolean"},
        },
        ["[1, null]", '[1, "x", true, "x"]', '[1, null, "x"]', "[1, null, true]"],
        ['[1, null, "y"]', '[1, 2, "x"]', "[1, true]", '["x", "x"]'],
    ),
    "unevaluatedItems does not heed contains in 2019-09": (
        {
            "$schema": "https://json-schema.org/draft/2019-09/schema",
            "type": "array",
            "contains": {"const": 1},
            "unevaluatedItems": {"type": "integer", "maximum": 2},
        },
        ["[1, 2]"],
        ["[2]", "[1, 3]"],
    ),
    "conditions on one property": (
        {
            "type": "object",
            "properties": {"k": {"type": "string"}, "v": True},
            "required": ["k", "v"],
            "allOf": [
                {"if": {"properties": {"k": {"const": f"k{i}"}}}, "then": {"properties": {"v": {"const": i}}}}
                for i in range(24)
            ],
        },
        ['{"k": "k3", "v": 3}', '{"k": "k23", "v": 23}', '{"k": "k24", "v": "any"}'],
        ['{"k": "k3", "v": 4}', '{"k": "k23", "v": 3}', '{"k": "k0"}'],
    ),
    "schemas of which a property tells": (
        {
            "oneOf": [
                {
                    "type": "object",
                    "properties": {"k": {"const": f"k{i}"}, f"v{i}": {"type": "integer"}},
                    "required": ["k", f"v{i}"],
                }
                for i in range(40)
            ]
        },
        ['{"k": "k3", "v3": 3}', '{"k": "k39", "v39": 3}'],
        ['{"k": "k3", "v4": 3}', '{"k": "k40", "v40": 3}', '{"k": "k3"}'],
    ),
    "schemas of which a property tells that may be absent": (
        {
            "oneOf": [
                {
                    "type": "object",
                    "properties": {"k": {"const": f"k{i}"}, f"v{i}": {"type": "integer"}},
                    "required": [f"v{i}"],
                }
                for i in range(20)
            ]
        },
        ['{"k": "k3", "v3": 3}', '{"v19": 3}'],
        ['{"k": "k3", "v4": 3}', '{"k": "k20", "v20": 3}', "{}"],
    ),
    "what many names ask of one property": (
        {
            "type": "object",
            "properties": {"k": {"enum": ["a", "b", "c"]}, **{f"n{i}": True for i in range(20)}},
            "dependentSchemas": {f"n{i}": {"properties": {"k": {"enum": ["a", "abc"[i % 3]]}}} for i in range(20)},
        },
        ['{"k": "a", "n0": 1, "n1": 1, "n2": 1}', '{"k": "b", "n1": 1, "n19": 1}', '{"n0": 1, "n1": 1}', '{"k": "c"}'],
        ['{"k": "b", "n0": 1}', '{"k": "b", "n1": 1, "n2": 1}', '{"k": "c", "n1": 1}'],
    ),
    "patternProperties hold for named properties too": (
        {"type": "object", "properties": {"ab": {"type": "integer"}}, "patternProperties": {"^a": {"minimum": 3}}},
        ['{"ab": 3}', '{"ac": 4, "ad": "x", "b": 1}'],
        ['{"ab": 2}', '{"ac": 2}'],
    ),
    "overlapping patterns hold together": (
        {"type": "object", "patternProperties": {"^a": {"minimum": 3}, "b$": {"maximum": 5}}},
        ['{"ab": 4}', '{"a": 9}', '{"b": 0}'],
        ['{"ab": 2}', '{"ab": 6}'],
    ),
    "propertyNames": (
        {"type": "object", "propertyNames": {"pattern": "^x", "maxLength": 2}, "dependentRequired": {"a": ["x"]}},
        ["{}", '{"x": 1}', '{"xa": 1}'],
        ['{"a": 1}', '{"xaa": 1}'],
    ),
    "dependentRequired": (
        {"type": "object", "properties": {"a": True, "b": True}, "dependentRequired": {"a": ["b"]}},
        ["{}", '{"b": 1}', '{"a": 1, "b": 2}'],
        ['{"a": 1}'],
    ),
    "dependencies of old drafts": (
        {
            "properties": {"a": True, "b": True},
            "dependencies": {"a": {"required": ["b"]}, "b": ["a"]},
            "type": "object",
        },
        ["{}", '{"a": 1, "b": 2}'],
        ['{"a": 1}', '{"b": 1}'],
    ),
    "if, then and else": (
        {
            "type": "object",
            "properties": {"k": {"enum": ["n", "s"]}, "v": True},
            "required": ["k", "v"],
            "if": {"properties": {"k": {"const": "n"}}},
            "then": {"properties": {"v": {"type": "integer"}}},
            "else": {"properties": {"v": {"type": "string"}}},
        },
        ['{"k": "n", "v": 1}', '{"k": "s", "v": "1"}'],
        ['{"k": "n", "v": "1"}', '{"k": "s", "v": 1}', '{"k": "n"}'],
    ),
    "oneOf of overlapping branches": (
        {"oneOf": [{"type": "integer", "minimum": 3}, {"type": "number", "maximum": 5}]},
        ["2", "6", "4.5", "-1.5"],
        ["3", "4", "5", "5.5"],
    ),
    "oneOf of overlapping objects": (
        {"type": "object", "properties": {"a": True, "b": True}, "oneOf": [{"required": ["a"]}, {"required": ["b"]}]},
        ['{"a": 1}', '{"b": 1}'],
        ["{}", '{"a": 1, "b": 1}'],
    ),
    "not inside a value": (
        {"type": "object", "properties": {"a": {"type": "string", "not": {"enum": ["x", "y"]}}}, "required": ["a"]},
        ['{"a": "z"}', '{"a": ""}'],
        ['{"a": "x"}', "{}", '{"a": 1}'],
    ),
    "not an array of": (
        {"type": "array", "not": {"items": {"type": "integer"}}},
        ['[1, "a"]', '["a"]'],
        ["[]", "[1, 2]"],
    ),
    "not an object with": (
        {"type": "object", "not": {"additionalProperties": {"type": "integer"}}},
        ['{"a": 1, "b": "x"}'],
        ["{}", '{"a": 1}', '{"a": "x", "a": 1}'],
    ),
    "maxProperties": (
        {"type": "object", "properties": {"a": True, "b": True, "c": True}, "maxProperties": 2, "minProperties": 1},
        ['{"a": 1, "c": 1}', '{"b": 1}'],
        ["{}", '{"a": 1, "b": 1, "c": 1}'],
    ),
    "minProperties counts names of every kind": (
        {"type": "object", "properties": {"a": True, "b": True}, "additionalProperties": True, "minProperties": 3},
        ['{"a": 1, "b": 1, "c": 1}', '{"name": 1, "id": 2, "c": 3}', '{"b": 1, "名": 1, "字": 1}'],
        ['{"a": 1, "b": 1}', '{"a": 1, "c": 1}', "{}"],
    ),
    "one of any name is not more than one": (
        {
            "type": "object",
            "properties": {"a": True, "b": True},
            "required": ["a"],
            "additionalProperties": True,
            "minProperties": 2,
        },
        ['{"a": 1, "c": 1}', '{"a": 1, "b": 1}', '{"a": 1, "c": 1, "c": 2}'],
        ['{"a": 1}'],
    ),
    "names of which there are few are told apart": (
        {"type": "object", "patternProperties": {"^(a|i|q)$": True}, "additionalProperties": False, "minProperties": 3},
        ['{"i": 1, "q": 1, "a": 1}'],
        ['{"a": 1, "i": 1, "i": 1}'],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_keyword(name: str) -> None:
    schema, accepted, rejected = CASES[name]
    run = language(schema)
    assert [text for text in accepted if not run.accepts(text.encode())] == []
    assert [text for text in rejected if run.accepts(text.encode())] == []


INTEGER = {"type": "integer"}
WHOLE = {
    "type": {"type": "integer", "enum": [2.0, 7]},
    "type of draft 4": {"$schema": "http://json-schema.org/draft-04/schema#", "type": "integer", "enum": [2.0]},
    "type and const": {"type": "integer", "const": 2.0},
    "several types": {"type": ["integer", "string"], "const": 2.0},
    "an exponent": {"type": "integer", "const": Decimal("2E0")},
    "allOf": {"allOf": [{"enum": [2.0, "a"]}, INTEGER]},
    "allOf with equal values": {"allOf": [{"const": 2.0}, {"type": "integer", "enum": [2.0]}, {"enum": [2.0]}]},
    "$ref": {"$ref": "#/$defs/i", "enum": [2.0], "$defs": {"i": INTEGER}},
    "anyOf": {"anyOf": [INTEGER, {"type": "string"}], "enum": [2.0]},
    "anyOf with equal values": {"anyOf": [{"enum": [2.0]}, {"enum": [2.0]}], "type": "integer"},
    "oneOf": {"oneOf": [{"const": 2.0}, {"const": 3.0}], "type": "integer"},
    "if": {"if": {"minimum": 0}, "then": INTEGER, "enum": [2.0]},
    "not": {"type": "number", "not": {"not": INTEGER}, "enum": [2.0]},
    "multipleOf 1": {"type": "number", "multipleOf": 1, "enum": [2.0]},
    "multipleOf 1.0": {"type": "number", "multipleOf": 1.0, "minimum": 2, "maximum": 2.5},
    "multipleOf 2": {"multipleOf": 2, "enum": [2.0]},
    "bounds": {"type": "integer", "minimum": 1.5, "maximum": 2.0},
}


@pytest.mark.parametrize("name", WHOLE)
def test_an_integer_is_written_without_fraction_and_exponent(name: str) -> None:
    run = language(WHOLE[name])
    assert run.accepts(b"2")
    for text in (b"2.0", b"2.00", b"2e0", b"20e-1", b"0.2e1"):
        assert not run.accepts(text)
