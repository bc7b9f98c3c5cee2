"""Values that a model wrote as bare text, made JSON by the schema of its tool."""

import json
from functools import cached_property
from typing import Any, NoReturn

import jsonschema_rs

from handlers.formats.json_reading import to_json

_TYPES = {dict: "object", list: "array", str: "string", bool: "boolean", type(None): "null"}
_ANY = frozenset([*_TYPES.values(), "number"])
_TEXT = frozenset({"string"})
# Templates that write booleans with Jinja's `string` filter teach models these.
_PYTHON_LITERALS = {"True": "true", "False": "false", "None": "null"}


class ArgumentValues:
    """Makes JSON of the argument values that a model wrote as bare text for one tool.

    parameters: the JSON schema of the tool's arguments, or whatever the client gave in its place.
    """

    def __init__(self, parameters: Any) -> None:
        self._schema = parameters if isinstance(parameters, dict) else {}
        properties = self._schema.get("properties")
        self._properties = properties if isinstance(properties, dict) else {}
        self._types = SchemaTypes(self._schema)

    def json(self, key: str, text: str, is_text: bool | None = None) -> str:
        """JSON text of the value `text` of argument `key`.

        is_text: whether it is a string, as the model itself says; None where the schema has to tell.

        A schema without strings makes it JSON, one of strings only makes it text. Where both are admitted, or the
        schema does not know the key, it is JSON if it can be. Where JSON is wanted and there is none, it is text.
        """
        types = self._types.of(self._properties[key]) if key in self._properties else _ANY
        if is_text or (is_text is None and types == _TEXT):
            return to_json(text)
        try:
            value = json.loads(text, parse_constant=_refuse)
        except (ValueError, RecursionError):
            literal = _PYTHON_LITERALS.get(text) if "string" not in types else None
            return literal or to_json(text)
        if is_text is None and "string" in types and not self._admits(key, value):
            return to_json(text)
        return text.strip()

    def _admits(self, key: str, value: Any) -> bool:
        return key not in self._properties or self._validator is None or self._validator.is_valid({key: value})

    @cached_property
    def _validator(self) -> Any:
        """Of objects with one of the properties; None where the schema is none."""
        kept = ("$schema", "$defs", "definitions", "properties")
        schema = {name: self._schema[name] for name in kept if name in self._schema}
        try:
            return jsonschema_rs.validator_for(schema, retriever=_refuse)
        except (ValueError, TypeError, jsonschema_rs.ReferencingError):
            return None


class SchemaTypes:
    """The JSON types that the schemas of one document admit; too many rather than too few."""

    def __init__(self, root: dict[str, Any]) -> None:
        self._root = root
        self._of_reference: dict[str, frozenset[str]] = {}

    def of(self, schema: Any) -> frozenset[str]:
        """Names of the JSON types that `schema`, a part of the document, admits; "number" stands for integers too."""
        try:
            return self._of(schema)
        except RecursionError:
            return _ANY

    def _of(self, schema: Any) -> frozenset[str]:
        if not isinstance(schema, dict):
            return frozenset() if schema is False else _ANY
        types = _declared(schema)
        if isinstance(reference := schema.get("$ref"), str):
            types &= self._referred(reference)
        for name in ("anyOf", "oneOf"):
            if isinstance(choices := schema.get(name), list):
                types &= frozenset().union(*map(self._of, choices))
        if isinstance(parts := schema.get("allOf"), list):
            types = types.intersection(*map(self._of, parts))
        return types

    def _referred(self, reference: str) -> frozenset[str]:
        if reference not in self._of_reference:
            self._of_reference[reference] = _ANY  # meanwhile, for a schema that refers to itself
            self._of_reference[reference] = self._of(_target(self._root, reference))
        return self._of_reference[reference]


def _declared(schema: dict[str, Any]) -> frozenset[str]:
    types, declared = _ANY, schema.get("type")
    names = declared if isinstance(declared, list) else [declared]
    if names and all(isinstance(name, str) for name in names):
        types &= frozenset("number" if name == "integer" else name for name in names)
    values = [schema["const"]] if "const" in schema else schema.get("enum")
    if isinstance(values, list):
        types &= frozenset(_TYPES.get(type(value), "number") for value in values)
    return types


def _target(root: dict[str, Any], reference: str) -> Any:
    """What a JSON pointer into the same document leads to; True, which admits all, where it leads nowhere."""
    target: Any = root
    for step in reference.removeprefix("#").split("/")[1:]:
        step = step.replace("~1", "/").replace("~0", "~")
        if not reference.startswith("#") or not isinstance(target, dict) or step not in target:
            return True
        target = target[step]
    return target


def _refuse(_what: str) -> NoReturn:
    raise ValueError
