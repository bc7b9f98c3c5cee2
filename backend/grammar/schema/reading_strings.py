"""The keywords about strings: a schema of the document -> a set of strings. A format says something of numbers, too."""

from backend.grammar.chars.bounded import bounded_pattern
from backend.grammar.chars.dfa import CharDfa
from backend.grammar.chars.formats import EXACT, HINTS, INTEGERS, NAMES, format_language, integer_bounds
from backend.grammar.chars.parse import pattern
from backend.grammar.schema.document import Document
from backend.grammar.schema.expressions import Subschema
from backend.grammar.schema.keywords import natural, text
from backend.grammar.schema.shapes.alternatives import Refusal, located, meet
from backend.grammar.schema.shapes.numbers import LARGEST_SINGLE, NumberShape
from backend.grammar.schema.shapes.strings import ANY_STRING, StringShape

STRING_KEYWORDS = frozenset(["minLength", "maxLength", "pattern", "format"])


def strings(subschema: Subschema) -> tuple[StringShape, ...]:
    """What the keywords about strings say, as a union; empty where that is seen to be no string."""
    raw, pointer = subschema.raw, subschema.pointer
    if raw.keys().isdisjoint(STRING_KEYWORDS):
        return (ANY_STRING,)
    least, most = natural(raw, "minLength", pointer, 0) or 0, natural(raw, "maxLength", pointer, None)
    possible = most is None or least <= most
    shapes: tuple[StringShape, ...] = (StringShape(least=least, most=most),) if possible else ()
    regex, name = text(raw, "pattern", pointer), text(raw, "format", pointer)
    if regex is not None:
        shapes = meet(shapes, _of_pattern(regex, f"{pointer}/pattern"), ANY_STRING)
    return shapes if name is None else meet(shapes, (_of_format(name, pointer),), ANY_STRING)


def _of_pattern(regex: str, pointer: str) -> tuple[StringShape, ...]:
    with located(pointer):
        found = bounded_pattern(regex)
    return tuple(StringShape(language, least, most, keywords=(pointer,)) for language, least, most in found)


def _of_format(name: str, pointer: str) -> StringShape:
    """The texts that have a format; any where it is one that is not known, which asserts nothing."""
    language = format_language(name)
    if language is None:
        return ANY_STRING
    one_sided = () if name in EXACT else (Refusal(f"what is outside format {name!r} cannot be told", pointer),)
    return StringShape(language, one_sided=one_sided, keywords=(f"{pointer}/format",))


def texts_of_pattern(regex: str, pointer: str) -> CharDfa:
    """The texts in which a regular expression matches somewhere. Raises GrammarError with the pointer."""
    with located(pointer):
        return pattern(regex)


def number_format(subschema: Subschema) -> NumberShape | None:
    """The numbers that have the format of a schema; None where it says nothing of numbers."""
    name = text(subschema.raw, "format", subschema.pointer)
    if name in INTEGERS:
        low, high = integer_bounds(name)
        return NumberShape(True, (low, False), (high, False))
    return NumberShape(False, (-LARGEST_SINGLE, False), (LARGEST_SINGLE, False)) if name == "float" else None


def note_format(document: Document, subschema: Subschema, types: set[str]) -> None:
    """Note a format that says nothing of values of these types: it asserts nothing, so it may be under a negation."""
    name = text(subschema.raw, "format", subschema.pointer)
    of_texts = "string" in types and (name in NAMES or name in HINTS)
    of_numbers = not types.isdisjoint(("integer", "number")) and (name in INTEGERS or name in ("float", "double"))
    if name is not None and not of_texts and not of_numbers:
        why = f"format {name!r} is not known for type {' or '.join(sorted(types))}, so it cannot be enforced"
        document.notebook.ignore(f"{subschema.pointer}/format", why)
