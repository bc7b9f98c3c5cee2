"""The keywords of JSON Schema, drafts 4 to 2020-12, by what the front end does with them."""

from decimal import Decimal
from typing import Any

from backend.grammar.errors import GrammarError

OLD_DRAFTS = {
    f"{scheme}://json-schema.org/draft-0{number}/schema": number
    for scheme in ("http", "https")
    for number in (1, 2, 3, 4, 6, 7)
}
"""`$schema` of the drafts in which `$ref` silences its siblings, to the draft."""

OLDEST_DRAFT = 4

CONTAINS_EVALUATES_NOTHING = frozenset(
    f"{scheme}://json-schema.org/draft/2019-09/schema{end}" for scheme in ("http", "https") for end in ("", "#")
)
"""`$schema` of the draft in which `unevaluatedItems` does not heed `contains`."""

ANNOTATIONS = frozenset(
    """
    $schema $id id $anchor $dynamicAnchor $recursiveAnchor $vocabulary $comment $defs definitions title description
    default example examples deprecated readOnly writeOnly
    """.split()  # noqa: SIM905
)
"""Keywords that restrict no value."""

OF_CONTENT = ("contentEncoding", "contentMediaType", "contentSchema")
"""Keywords about what the text of a string means."""

ASSERTIONS = frozenset(
    """
    type enum const nullable $ref $dynamicRef $recursiveRef minimum maximum exclusiveMinimum exclusiveMaximum multipleOf
    minLength maxLength pattern format minItems maxItems uniqueItems minContains maxContains required dependentRequired
    minProperties maxProperties
    """.split()  # noqa: SIM905
)
"""Keywords that restrict values and hold no schemas."""

PLACES_OF_SCHEMAS = frozenset(
    """
    additionalItems additionalProperties contains contentSchema else if items not propertyNames then unevaluatedItems
    unevaluatedProperties allOf anyOf oneOf prefixItems
    """.split()  # noqa: SIM905
)
"""Keywords whose value is a schema or a list of them."""

MAPS_OF_SCHEMAS = frozenset(
    ["$defs", "definitions", "properties", "patternProperties", "dependentSchemas", "dependencies"]
)
"""Keywords whose value has schemas by name."""

MAX_COUNT = 2**31 - 1
MAX_DIGITS = 1_000
TYPES = ("null", "boolean", "integer", "number", "string", "array", "object")


def natural(raw: dict, keyword: str, pointer: str, default: int | None) -> int | None:
    """A keyword that is a number of things. Raises GrammarError where it is not, or too large to count to."""
    if keyword not in raw:
        return default
    value = raw[keyword]
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise GrammarError(f"{keyword} must be a number", f"{pointer}/{keyword}")
    if value > MAX_COUNT:
        raise GrammarError(f"{keyword} must not be more than {MAX_COUNT}", f"{pointer}/{keyword}")
    if value < 0 or value % 1:
        raise GrammarError(f"{keyword} must be a whole number that is not negative", f"{pointer}/{keyword}")
    return int(value)


def decimal(value: Any, keyword: str, pointer: str) -> Decimal:
    """A keyword that is a number, exactly as it is spelled. Raises GrammarError where it is not."""
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise GrammarError(f"{keyword} must be a number", f"{pointer}/{keyword}")
    number = value if isinstance(value, Decimal) else Decimal(repr(value))
    if not number.is_finite() or max(abs(number.adjusted()), len(number.as_tuple().digits)) > MAX_DIGITS:
        raise GrammarError(f"numbers of more than {MAX_DIGITS} digits are not supported", f"{pointer}/{keyword}")
    return number


def mapping(raw: dict, keyword: str, pointer: str) -> dict:
    """A keyword that is a JSON object, {} where absent. Raises GrammarError where it is not."""
    return _typed(raw, keyword, pointer, dict, {}, "an object")


def sequence(raw: dict, keyword: str, pointer: str) -> list:
    """A keyword that is a JSON array, [] where absent. Raises GrammarError where it is not."""
    return _typed(raw, keyword, pointer, list, [], "an array")


def text(raw: dict, keyword: str, pointer: str) -> str | None:
    """A keyword that is a string, None where absent. Raises GrammarError where it is not."""
    return _typed(raw, keyword, pointer, str, None, "a string")


def names(value: Any, pointer: str) -> list[str]:
    """A list of property names. Raises GrammarError where it is not."""
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise GrammarError("must be an array of strings", pointer)
    return value


def _typed(raw: dict, keyword: str, pointer: str, kind: type, default: Any, described: str) -> Any:
    if keyword not in raw:
        return default
    if not isinstance(raw[keyword], kind):
        raise GrammarError(f"{keyword} must be {described}", f"{pointer}/{keyword}")
    return raw[keyword]
