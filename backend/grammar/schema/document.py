"""A schema document: its schemas as expressions, its identifiers, and its references, which never leave it."""

from typing import Any
from urllib.parse import unquote, urldefrag, urljoin

from backend.grammar.errors import GrammarError
from backend.grammar.notes import Notebook
from backend.grammar.schema.expressions import ANYTHING, NOTHING, Expression, Subschema
from backend.grammar.schema.keywords import ANNOTATIONS, OLD_DRAFTS, OPAQUE

MAX_DEPTH = 60
TEXTS = frozenset(["title", "description", "default", "example", "examples", "$comment"])
"""Annotations of which schemas that mean the same often differ."""


def escape(token: str) -> str:
    """One token of a JSON pointer (RFC 6901)."""
    return token.replace("~", "~0").replace("/", "~1")


class Document:
    """One schema as it was sent. raw: the parsed JSON. notebook: takes keywords that are not enforced.

    refs_override: whether `$ref` silences its siblings, as it did up to draft 7.
    """

    def __init__(self, raw: Any, notebook: Notebook) -> None:
        declared = raw.get("$schema") if isinstance(raw, dict) else None
        draft = OLD_DRAFTS.get(declared.rstrip("#")) if isinstance(declared, str) else None
        self.raw, self.notebook = raw, notebook
        self.refs_override = draft is not None
        self._id_keyword = "id" if draft == 4 else "$id"
        self._sources: dict[int, Expression] = {}
        self._texts: dict[tuple[str, str], Expression] = {}
        self._following: list[str] = []
        self._resources: dict[str, tuple[Any, str]] | None = None
        self._root_base = self._base(raw, "") if isinstance(raw, dict) else ""
        self.root = self.expression(raw, "#", "", 0)

    def expression(self, raw: Any, pointer: str, base: str, depth: int) -> Expression:
        """The schema `raw` at `pointer`. Raises GrammarError where it is no schema or nested deeper than MAX_DEPTH."""
        if not isinstance(raw, dict):
            return _boolean(raw, pointer)
        known = self._sources.get(id(raw))
        if known is None:
            known = self._sources[id(raw)] = self._alike(raw, pointer, base, depth)
        return known

    def child(self, subschema: Subschema, *path: str | int) -> Expression:
        """The schema found in `subschema` by keys and indices."""
        raw = subschema.raw
        for key in path:
            raw = raw[key]
        pointer = "/".join([subschema.pointer, *(escape(str(key)) for key in path)])
        return self.expression(raw, pointer, subschema.base, subschema.depth + 1)

    def reference(self, subschema: Subschema) -> Expression:
        """What the `$ref` of a schema leads to. Raises GrammarError where that is outside, absent or itself."""
        raw, pointer, base = self._locate(subschema.raw["$ref"], subschema)
        if raw is subschema.raw:
            raise GrammarError("a $ref leads back to itself without an object or array in between", subschema.pointer)
        return self.expression(raw, pointer, base, 0)

    def _alike(self, raw: dict, pointer: str, base: str, depth: int) -> Expression:
        """The same expression for schemas that differ in nothing but annotations on them."""
        key = (base, repr({keyword: value for keyword, value in raw.items() if keyword not in TEXTS}))
        known = self._texts.get(key)
        if known is None:
            known = self._texts[key] = self._new(raw, pointer, base, depth)
        return known

    def _new(self, raw: dict, pointer: str, base: str, depth: int) -> Expression:
        if depth > MAX_DEPTH:
            raise GrammarError(f"the schema is nested deeper than {MAX_DEPTH}", pointer)
        subschema = Subschema(raw, pointer, self._base(raw, base), depth)
        if "$ref" in raw and (self.refs_override or raw.keys() - ANNOTATIONS == {"$ref"}):
            return self._alias(subschema)
        return subschema if raw.keys() - ANNOTATIONS else ANYTHING

    def _alias(self, subschema: Subschema) -> Expression:
        """A schema that is nothing but a reference is what it refers to."""
        if subschema.pointer in self._following:
            raise GrammarError("a $ref leads back to itself without an object or array in between", subschema.pointer)
        self._following.append(subschema.pointer)
        try:
            return self.reference(subschema)
        finally:
            self._following.pop()

    def _base(self, raw: dict, base: str) -> str:
        name = raw.get(self._id_keyword)
        if not isinstance(name, str) or name.startswith("#"):
            return base
        return urldefrag(urljoin(base, name)).url

    def _locate(self, reference: Any, subschema: Subschema) -> tuple[Any, str, str]:
        """The schema, pointer and base that a reference means."""
        if not isinstance(reference, str):
            raise GrammarError("$ref must be a string", subschema.pointer)
        if reference == "#" or reference.startswith("#/"):
            url, fragment = subschema.base, reference[1:]
        else:
            url, fragment = urldefrag(urljoin(subschema.base, reference))
        place = (self.raw, "#") if url in ("", self._root_base) else self._index().get(url)
        if place is None:
            raise GrammarError(
                f"$ref {reference!r} leads out of the schema: only local references are followed", subschema.pointer
            )
        raw, pointer = place
        if fragment == "" or fragment.startswith("/"):
            return self._walk(raw, pointer, url, fragment, reference, subschema)
        anchored = self._index().get(f"{url}#{fragment}")
        if anchored is None:
            raise GrammarError(f"$ref {reference!r} names an anchor that the schema does not have", subschema.pointer)
        return (*anchored, url)

    def _walk(
        self, raw: Any, pointer: str, base: str, fragment: str, reference: str, subschema: Subschema
    ) -> tuple[Any, str, str]:
        for token in fragment.split("/")[1:]:
            key = unquote(token).replace("~1", "/").replace("~0", "~")
            if isinstance(raw, list) and key.isdecimal() and int(key) < len(raw):
                raw = raw[int(key)]
            elif isinstance(raw, dict) and key in raw:
                base = self._base(raw, base)
                raw = raw[key]
            else:
                raise GrammarError(f"$ref {reference!r} leads to nothing in the schema", subschema.pointer)
            pointer = f"{pointer}/{escape(key)}"
        return raw, pointer, base

    def _index(self) -> dict[str, tuple[Any, str]]:
        """Schema and pointer by URI (`$id`) and by URI#name (`$anchor`)."""
        if self._resources is None:
            self._resources = {}
            self._scan(self.raw, "#", "", 0)
        return self._resources

    def _scan(self, raw: Any, pointer: str, base: str, depth: int) -> None:
        if depth > 4 * MAX_DEPTH:
            raise GrammarError(f"the schema is nested deeper than {MAX_DEPTH}", pointer)
        if isinstance(raw, list):
            for position, item in enumerate(raw):
                self._scan(item, f"{pointer}/{position}", base, depth + 1)
        elif isinstance(raw, dict):
            base = self._base(raw, base)
            self._record(raw, pointer, base)
            for key, item in raw.items():
                if key not in OPAQUE:
                    self._scan(item, f"{pointer}/{escape(key)}", base, depth + 1)

    def _record(self, raw: dict, pointer: str, base: str) -> None:
        assert self._resources is not None
        name = raw.get(self._id_keyword)
        if isinstance(name, str):
            self._resources.setdefault(base if not name.startswith("#") else base + name, (raw, pointer))
        for keyword in ("$anchor", "$dynamicAnchor"):
            if isinstance(raw.get(keyword), str):
                self._resources.setdefault(f"{base}#{raw[keyword]}", (raw, pointer))


def _boolean(raw: Any, pointer: str) -> Expression:
    if raw is True:
        return ANYTHING
    if raw is False:
        return NOTHING
    raise GrammarError(f"a schema must be an object, true or false, not {type(raw).__name__}", pointer)
