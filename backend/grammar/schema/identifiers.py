"""The identifiers of a schema document: what every URI, anchor and pointer in it means."""

from typing import Any, NamedTuple
from urllib.parse import unquote, urldefrag, urljoin

from backend.grammar.errors import GrammarError
from backend.grammar.schema.keywords import MAPS_OF_SCHEMAS, PLACES_OF_SCHEMAS

MAX_DEPTH = 60
RECURSIVE = "#"
"""The name under which a resource with `$recursiveAnchor` is found."""


class Place(NamedTuple):
    """A schema of the document. pointer: where it stands; base: the URI against which its references resolve, but for
    its own `$id`."""

    raw: Any
    pointer: str
    base: str


def escape(token: str) -> str:
    """One token of a JSON pointer (RFC 6901)."""
    return token.replace("~", "~0").replace("/", "~1")


def subschemas(raw: dict) -> list[tuple[str, Any]]:
    """The values in `raw` that are schemas by their keyword, with their pointers from it. What an unknown keyword holds
    is no schema."""
    found = []
    for keyword, value in raw.items():
        if keyword in MAPS_OF_SCHEMAS and isinstance(value, dict):
            found += [(f"/{keyword}/{escape(name)}", schema) for name, schema in value.items()]
        elif keyword in PLACES_OF_SCHEMAS and isinstance(value, list):
            found += [(f"/{keyword}/{position}", schema) for position, schema in enumerate(value)]
        elif keyword in PLACES_OF_SCHEMAS:
            found.append((f"/{keyword}", value))
    return found


class Identifiers:
    """The resources and anchors of one document. raw: the parsed JSON.

    id_keyword: what gives a schema its URI. refs_override: whether `$ref` silences what stands beside it, URI included.
    """

    def __init__(self, raw: Any, id_keyword: str, refs_override: bool) -> None:
        self._raw, self._id_keyword, self._refs_override = raw, id_keyword, refs_override
        self._places: dict[str, Place] = {}
        self._dynamic: dict[str, dict[str, Place]] = {}
        self.root_base = self._named(raw, "") if isinstance(raw, dict) else ""
        self._scan(Place(raw, "#", ""), 0)

    def base(self, raw: dict, base: str) -> str:
        """The URI against which the references in `raw` resolve. base: that of the schema around it."""
        if self._refs_override and "$ref" in raw and raw is not self._raw:
            return base
        return self._named(raw, base)

    def dynamic_names(self, base: str) -> dict[str, Place]:
        """The schemas of a resource that a dynamic reference may mean, by anchor."""
        return self._dynamic.get(base, {})

    def locate(self, reference: Any, keyword: str, base: str, pointer: str) -> tuple[Place, str | None]:
        """What `reference`, the value of `keyword` in the schema at `pointer`, means, and the anchor by which it was
        found, None for a pointer. Raises GrammarError where that is outside or absent."""
        if not isinstance(reference, str):
            raise GrammarError(f"{keyword} must be a string", f"{pointer}/{keyword}")
        if reference == "#" or reference.startswith("#/"):
            url, fragment = base, reference[1:]
        else:
            url, fragment = urldefrag(urljoin(base, reference))
        found = Place(self._raw, "#", "") if url in ("", self.root_base) else self._places.get(url)
        if found is None:
            message = f"{keyword} {reference!r} leads out of the schema: only local references are followed"
            raise GrammarError(message, pointer)
        if fragment == "" or fragment.startswith("/"):
            end = self._walk(found, fragment)
            if end is None:
                raise GrammarError(f"{keyword} {reference!r} leads to nothing in the schema", pointer)
            return end, None
        anchored = self._places.get(f"{url}#{fragment}")
        if anchored is None:
            raise GrammarError(f"{keyword} {reference!r} names an anchor that the schema does not have", pointer)
        return anchored, fragment

    def _named(self, raw: dict, base: str) -> str:
        name = raw.get(self._id_keyword)
        if not isinstance(name, str) or name.startswith("#"):
            return base
        return urldefrag(urljoin(base, name)).url

    def _walk(self, place: Place, fragment: str) -> Place | None:
        raw, pointer, base = place
        for token in fragment.split("/")[1:]:
            key = unquote(token).replace("~1", "/").replace("~0", "~")
            if isinstance(raw, list) and key.isdecimal() and int(key) < len(raw):
                raw = raw[int(key)]
            elif isinstance(raw, dict) and key in raw:
                base = self.base(raw, base)
                raw = raw[key]
            else:
                return None
            pointer = f"{pointer}/{escape(key)}"
        return Place(raw, pointer, base)

    def _scan(self, place: Place, depth: int) -> None:
        raw, pointer, around = place
        if depth > MAX_DEPTH:
            raise GrammarError(f"the schema is nested deeper than {MAX_DEPTH}", pointer)
        if not isinstance(raw, dict):
            return
        base = self.base(raw, around)
        self._record(place, base)
        for path, schema in subschemas(raw):
            self._scan(Place(schema, pointer + path, base), depth + 1)

    def _record(self, place: Place, base: str) -> None:
        raw = place.raw
        name = raw.get(self._id_keyword)
        if isinstance(name, str) and name.startswith("#"):
            self._places.setdefault(base + name, place)
        elif base != place.base:
            self._places.setdefault(base, place)
        for keyword in ("$anchor", "$dynamicAnchor"):
            if isinstance(raw.get(keyword), str):
                self._places.setdefault(f"{base}#{raw[keyword]}", place)
        if isinstance(raw.get("$dynamicAnchor"), str):
            self._dynamic.setdefault(base, {}).setdefault(raw["$dynamicAnchor"], place)
        if raw.get("$recursiveAnchor") is True and (base != place.base or raw is self._raw):
            self._dynamic.setdefault(base, {}).setdefault(RECURSIVE, place)
