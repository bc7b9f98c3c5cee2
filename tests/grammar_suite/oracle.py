"""Whether a text conforms to a schema, by two validators that have nothing to do with grammars."""

import json
from decimal import Decimal, localcontext
from typing import Any

import jsonschema
import jsonschema_rs

DIGITS = 5000
"""More than any number in a test has, but for huge exponents."""


def exact(text: str) -> Any:
    """The value of a JSON text; numbers with a fraction or exponent as integers or decimals, never as floats."""
    return json.loads(text, parse_float=_number)


def _number(text: str) -> int | Decimal:
    value = Decimal(text)
    fraction = value.as_tuple().exponent
    return int(value) if value.adjusted() < DIGITS and (fraction >= 0 or value == int(value)) else value


class Oracle:
    """One schema. A format that a validator does not know is no restriction for it."""

    def __init__(self, schema: str) -> None:
        parsed = exact(schema)
        draft = jsonschema.validators.validator_for(parsed, default=jsonschema.Draft202012Validator)
        self._exact = draft(parsed, format_checker=draft.FORMAT_CHECKER)
        self._formats = jsonschema_rs.validator_for(
            json.loads(schema), validate_formats=True, ignore_unknown_formats=True
        )

    def conforms(self, text: bytes) -> bool:
        """Whether `text` is JSON and both validators say that it conforms."""
        return self.conforms_exactly(text) and self._formats.is_valid(json.loads(text))

    def conforms_exactly(self, text: bytes) -> bool:
        """The same by `jsonschema` alone, which computes with exact numbers."""
        try:
            value = exact(text.decode())
        except (ValueError, RecursionError):
            return False
        with localcontext(prec=DIGITS):
            return self._exact.is_valid(value)
