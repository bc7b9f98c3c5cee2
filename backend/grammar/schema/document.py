"""A schema document: its schemas as expressions, and its references, which never leave it."""

from typing import Any

from backend.grammar.errors import GrammarError
from backend.grammar.notes import Notebook
from backend.grammar.schema.expressions import ANYTHING, NOTHING, Expression, Scope, Subschema
from backend.grammar.schema.identifiers import MAX_DEPTH, RECURSIVE, Identifiers, Place, escape
from backend.grammar.schema.keywords import ANNOTATIONS, CONTAINS_EVALUATES_NOTHING, OLD_DRAFTS, OLDEST_DRAFT
from backend.grammar.schema.unenforced import note_nulls, note_silenced, null_keywords

TEXTS = frozenset(["title", "description", "default", "example", "examples", "$comment"])
"""Annotations of which schemas that mean the same often differ."""


class Document:
    """One schema as it was sent. raw: the parsed JSON. notebook: takes keywords that are not enforced.

    refs_override: whether `$ref` silences its siblings, as it did up to draft 7. contains_evaluates: whether
    `unevaluatedItems` leaves alone what satisfies `contains`, as it does since 2020-12. repetitions: pointers of
    schemas that are read as one, the first one first.
    """

    def __init__(self, raw: Any, notebook: Notebook) -> None:
        self.notebook = notebook
        draft = _draft(raw)
        self.refs_override = draft is not None
        self.contains_evaluates = not (isinstance(raw, dict) and raw.get("$schema") in CONTAINS_EVALUATES_NOTHING)
        self._identifiers = Identifiers(raw, "id" if draft == OLDEST_DRAFT else "$id", self.refs_override)
        self._sources: dict[tuple[int, Scope], Expression] = {}
        self._present: dict[int, dict[str, Any]] = {}
        self._texts: dict[tuple[str, Scope, str], tuple[Expression, str]] = {}
        self.repetitions: list[tuple[str, str]] = []
        self._following: list[tuple[str, Scope]] = []
        self.root = self.expression(Place(raw, "#", ""), (), 0)

    def expression(self, place: Place, scope: Scope, depth: int) -> Expression:
        """The schema at a place. scope: of the schema that leads there.

        Raises GrammarError where it is no schema or nested deeper than MAX_DEPTH.
        """
        if not isinstance(place.raw, dict):
            return _boolean(place.raw, place.pointer)
        known = self._sources.get((id(place.raw), scope))
        if known is None:
            known = self._sources[id(place.raw), scope] = self._alike(place, scope, depth)
        return known

    def child(self, subschema: Subschema, *path: str | int) -> Expression:
        """The schema found in `subschema` by keys and indices."""
        raw = subschema.raw
        for key in path:
            raw = raw[key]
        pointer = "/".join([subschema.pointer, *(escape(str(key)) for key in path)])
        return self.expression(Place(raw, pointer, subschema.base), subschema.scope, subschema.depth + 1)

    def reference(self, subschema: Subschema, keyword: str) -> Expression:
        """What `$ref`, `$dynamicRef` or `$recursiveRef` of a schema leads to.

        Raises GrammarError where that is outside, absent or itself.
        """
        place, anchor = self._identifiers.locate(subschema.raw[keyword], keyword, subschema.base, subschema.pointer)
        if keyword == "$recursiveRef":
            anchor = RECURSIVE
        if keyword != "$ref" and anchor is not None:
            place = self._dynamic(place, anchor, subschema.scope)
        if self._present.get(id(place.raw), place.raw) is subschema.raw:
            raise GrammarError(
                f"a {keyword} leads back to itself without an object or array in between", subschema.pointer
            )
        return self.expression(place, subschema.scope, 0)

    def _dynamic(self, place: Place, anchor: str, scope: Scope) -> Place:
        """The place that `anchor` means in the outermost resource of the scope that has it, if it is dynamic in the
        resource of `place`."""
        own = self._identifiers.dynamic_names(self._identifiers.base(place.raw, place.base)).get(anchor)
        if own is None or own.raw is not place.raw:
            return place
        outermost = dict(scope).get(anchor)
        return place if outermost is None else self._identifiers.dynamic_names(outermost)[anchor]

    def _alike(self, place: Place, scope: Scope, depth: int) -> Expression:
        """The same expression for schemas that differ in nothing but annotations on them."""
        stated = repr({keyword: value for keyword, value in place.raw.items() if keyword not in TEXTS})
        key = (place.base, scope, stated)
        if key not in self._texts:
            self._texts[key] = self._new(place, scope, depth), place.pointer
        expression, first = self._texts[key]
        if first != place.pointer:
            self.repetitions.append((first, place.pointer))
        return expression

    def _new(self, place: Place, scope: Scope, depth: int) -> Expression:
        raw, pointer, around = place._replace(raw=self._without_nulls(place))
        if depth > MAX_DEPTH:
            raise GrammarError(f"the schema is nested deeper than {MAX_DEPTH}", pointer)
        base = self._identifiers.base(raw, around)
        subschema = Subschema(raw, pointer, base, depth, self._entered(base, scope))
        if "$ref" in raw and (self.refs_override or raw.keys() - ANNOTATIONS == {"$ref"}):
            note_silenced(self.notebook, subschema)
            return self._alias(subschema)
        return subschema if raw.keys() - ANNOTATIONS else ANYTHING

    def _without_nulls(self, place: Place) -> dict[str, Any]:
        """The schema at a place without the keywords that are null in place of being absent, which are noted."""
        nulls = null_keywords(place.raw)
        if not nulls:
            return place.raw
        note_nulls(self.notebook, place.pointer, nulls)
        return self._present.setdefault(id(place.raw), {k: v for k, v in place.raw.items() if k not in nulls})

    def _entered(self, base: str, scope: Scope) -> Scope:
        """The scope inside a resource: what was there before it goes first."""
        names = self._identifiers.dynamic_names(base).keys() - dict(scope).keys()
        return tuple(sorted([*scope, *((name, base) for name in names)])) if names else scope

    def _alias(self, subschema: Subschema) -> Expression:
        """A schema that is nothing but a reference is what it refers to."""
        key = (subschema.pointer, subschema.scope)
        if key in self._following:
            raise GrammarError("a $ref leads back to itself without an object or array in between", subschema.pointer)
        self._following.append(key)
        try:
            return self.reference(subschema, "$ref")
        finally:
            self._following.pop()


def _draft(raw: Any) -> int | None:
    """The draft that a document declares, None for one from 2019 on. Raises GrammarError for one that is too old."""
    declared = raw.get("$schema") if isinstance(raw, dict) else None
    draft = OLD_DRAFTS.get(declared.rstrip("#")) if isinstance(declared, str) else None
    if draft is not None and draft < OLDEST_DRAFT:
        message = (
            f"draft {draft} of JSON Schema is not supported; write the schema in draft {OLDEST_DRAFT} or a later one"
        )
        raise GrammarError(message, "#/$schema")
    return draft


def _boolean(raw: Any, pointer: str) -> Expression:
    if raw is True:
        return ANYTHING
    if raw is False:
        return NOTHING
    raise GrammarError(f"a schema must be an object, true or false, not {type(raw).__name__}", pointer)
