"""Keywords without effect: those that are not enforced, and those that nearly are keywords."""

from collections.abc import Iterable
from difflib import get_close_matches
from functools import cache

from backend.grammar.notes import Notebook
from backend.grammar.schema.expressions import Subschema
from backend.grammar.schema.keywords import ANNOTATIONS, ASSERTIONS, MAPS_OF_SCHEMAS, OF_CONTENT, PLACES_OF_SCHEMAS

KEYWORDS = ASSERTIONS | PLACES_OF_SCHEMAS | MAPS_OF_SCHEMAS
ALIKE = 0.77
"""How much of a keyword must be in an unknown one that is taken for it (difflib's ratio)."""


def note_unenforced(notebook: Notebook, subschema: Subschema) -> None:
    """Note the keywords of a schema that have no effect but may have been meant to.

    Of unknown keywords these are those that look like a known one; others are annotations.
    """
    raw, pointer = subschema.raw, subschema.pointer
    for keyword in OF_CONTENT:
        if keyword in raw:
            notebook.ignore(f"{pointer}/{keyword}", f"{keyword} says what a text means, which is not enforced")
    if isinstance(raw.get("required"), bool):
        why = "a Boolean 'required' is of draft 3, later ones list the names in the 'required' of the object"
        notebook.ignore(f"{pointer}/required", why)
    if not isinstance(raw.get("nullable", False), bool):
        notebook.ignore(f"{pointer}/nullable", "nullable is true or false")
    for keyword in raw.keys() - KEYWORDS - ANNOTATIONS:
        meant = _meant(keyword)
        if meant is not None:
            notebook.ignore(f"{pointer}/{keyword}", f"keyword {keyword!r} is not known; did you mean {meant!r}?")


def note_silenced(notebook: Notebook, subschema: Subschema) -> None:
    """Note the keywords beside a `$ref` that is all that counts."""
    for keyword in subschema.raw.keys() - ANNOTATIONS - {"$ref"} - MAPS_OF_SCHEMAS:
        why = f"up to draft 7 {keyword!r} has no effect beside $ref; write both into an allOf"
        notebook.ignore(f"{subschema.pointer}/{keyword}", why)


def null_keywords(raw: dict) -> set[str]:
    """The keywords of a schema that are null in place of being absent, as programs write that have a field for each."""
    return {keyword for keyword, value in raw.items() if value is None and keyword in KEYWORDS and keyword != "const"}


def note_nulls(notebook: Notebook, pointer: str, keywords: Iterable[str]) -> None:
    """Note the keywords at `pointer` that are null."""
    for keyword in sorted(keywords):
        notebook.ignore(f"{pointer}/{keyword}", f"null is no value of {keyword!r}; leave it out")


@cache
def _plain(keyword: str) -> str:
    return "".join(filter(str.isalnum, keyword)).lower()


@cache
def _meant(keyword: str) -> str | None:
    """The keyword of which an unknown one is a misspelling, None where it is none."""
    if keyword.startswith("x-") or len(keyword) > 2 * max(map(len, KEYWORDS)):
        return None
    plain = {_plain(known): known for known in sorted(KEYWORDS)}
    found = get_close_matches(_plain(keyword), plain, 1, ALIKE)
    return plain[found[0]] if found else None
