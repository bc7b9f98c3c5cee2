"""Whether a text conforms to a schema, by two validators that have nothing to do with grammars."""

import json
import re
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


def _ecma(schema: Any) -> Any:
    r"""The schema with its regular expressions in Python's words: `$` is the very end, `\d` and `\w` are ASCII, `\s` is
    what ECMA-262 says."""
    if isinstance(schema, list):
        return [_ecma(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    found = {name: _ecma(value) for name, value in schema.items()}
    if isinstance(found.get("pattern"), str):
        found["pattern"] = _translate(found["pattern"])
    if isinstance(by_pattern := found.get("patternProperties"), dict):
        found["patternProperties"] = {_translate(pattern): value for pattern, value in by_pattern.items()}
    return found


SPACE = r"\t-\r \xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff"
NO_SPACE = (
    r"\0-\x08\x0e-\x1f!-\x9f\xa1-\u167f\u1681-\u1fff\u200b-\u2027\u202a-\u202e\u2030-\u205e\u2060-\u2fff"
    r"\u3001-\ufefe\uff00-\U0010ffff"
)


def _translate(pattern: str) -> str:
    ends = re.sub(r"(\\.)|(\[(?:[^\\\]]|\\.)*\])|\$", _in_words_of_python, pattern)
    return f"(?a:{ends})"


def _in_words_of_python(match: re.Match[str]) -> str:
    if match[2]:
        return re.sub(r"\\.", lambda escape: {r"\s": SPACE, r"\S": NO_SPACE}.get(escape[0], escape[0]), match[2])
    return {"$": r"\Z", r"\s": f"[{SPACE}]", r"\S": f"[{NO_SPACE}]"}.get(match[0], match[0])


class Oracle:
    """One schema. A format that a validator does not know is no restriction for it."""

    def __init__(self, schema: str) -> None:
        parsed = _ecma(exact(schema))
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
