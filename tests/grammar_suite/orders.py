"""Whether a grammar accepts a value in some order of its properties.

A grammar fixes the order of the properties, and which order follows from the whole schema. So the orders are searched,
with the automaton itself telling which property may come next.
"""

import json
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

from backend.grammar.automaton.run import Configuration, Runner
from tests.grammar_suite.spelling import dumps, spellings

Places = tuple[Configuration, ...]
Layer = dict[tuple[Configuration, frozenset[str]], None]
MOST_PER_PLACE = 2
MOST = 16
MOST_TRIED = 16


@cache
def _key(name: str, comma: bytes) -> bytes:
    return comma + dumps(name) + b":"


def _alone(at: Configuration) -> Configuration:
    """The same without the stack and without what was counted in a string."""
    return replace(at, stack=(), counts=(), characters=0)


@dataclass
class Search:
    """Searches the orders of a value's properties. Properties that may come in any order are not all permuted.

    schema: its text, in which the properties mostly stand in the order that the grammar wants.
    """

    runner: Runner
    schema: str = ""
    _known: dict[tuple[int, Configuration], Places] = field(default_factory=dict)
    _positions: dict[str, tuple[int, str]] = field(default_factory=dict)
    _keys: dict[tuple[Configuration, bytes], Configuration | None] = field(default_factory=dict)

    def accepts(self, value: Any) -> bool:
        """Whether the value, written compactly in some order, is a word of the language."""
        if self.runner.accepts(dumps(value)):
            return True
        self._known.clear()
        return any(self.runner.complete(end) for end in self._ends(value, self.runner.start))

    def _ends(self, value: Any, at: Configuration) -> Places:
        """Where each text of `value` leads from `at`. It leaves the stack as it was, so the rest decides."""
        key = id(value), _alone(at)
        if key not in self._known:
            self._known[key] = tuple(dict.fromkeys(map(_alone, self._find(value, key[1]))))
        return tuple(replace(end, stack=at.stack, counts=at.counts) for end in self._known[key])

    def _find(self, value: Any, at: Configuration) -> Places:
        if isinstance(value, dict):
            return self._object(value, at)
        if isinstance(value, list):
            return self._array(value, at)
        return self._after(spellings(value), (at,))

    def _after(self, texts: list[bytes], places: Places) -> Places:
        ends = [self.runner.run(text, place) for place in places for text in texts]
        return tuple({end: None for end in ends if end is not None})

    def _array(self, items: list[Any], at: Configuration) -> Places:
        places = self._after([b"["], (at,))
        for index, item in enumerate(items):
            begun = self._after([b","], places) if index else places
            places = tuple({end: None for place in begun for end in self._ends(item, place)})
        return self._after([b"]"], places)

    def _object(self, members: dict[str, Any], at: Configuration) -> Places:
        layer: Layer = {(place, frozenset(members)): None for place in self._after([b"{"], (at,))}
        for comma in [b"", *[b","] * len(members)][: len(members)]:
            following: Layer = {}
            for place, left in layer:
                following |= self._extended(members, comma, place, left)
            layer = self._narrow(following)
        return self._after([b"}"], tuple(dict.fromkeys(place for place, _ in layer)))

    def _extended(self, members: dict[str, Any], comma: bytes, place: Configuration, left: frozenset[str]) -> Layer:
        """One property more. One that keeps all the others possible need not be tried later: it alone is taken."""
        found: Layer = {}
        possible = self._possible(place, left, comma)
        for name in sorted(possible, key=self._position)[:MOST_TRIED]:
            ends = self._ends(members[name], self._begun(place, _key(name, comma)))
            rest = left - {name}
            if len(ends) == 1 and self._possible(ends[0], rest, b",") >= possible - {name}:
                return {(ends[0], rest): None}
            found |= {(end, rest): None for end in ends}
        return found

    def _position(self, name: str) -> tuple[int, str]:
        if name not in self._positions:
            at = self.schema.find(json.dumps(name))
            self._positions[name] = (len(self.schema) if at < 0 else at), name
        return self._positions[name]

    def _possible(self, place: Configuration, names: frozenset[str], comma: bytes) -> set[str]:
        """The properties that may come next."""
        return {name for name in names if self._begun(place, _key(name, comma)) is not None}

    def _begun(self, place: Configuration, text: bytes) -> Configuration | None:
        key = _alone(place), text
        if key not in self._keys:
            self._keys[key] = self.runner.run(text, key[0])
        after = self._keys[key]
        return None if after is None else replace(after, stack=place.stack, counts=place.counts)

    def _narrow(self, layer: Layer) -> Layer:
        """The ways after which most of the remaining properties may come next, few for each place."""
        by_place: dict[Configuration, list[frozenset[str]]] = {}
        for place, left in layer:
            by_place.setdefault(place, []).append(left)
        ranked = []
        for place, lefts in by_place.items():
            possible = self._possible(place, frozenset().union(*lefts), b",")
            lost = sorted(((len(left - possible), left) for left in lefts), key=lambda entry: entry[0])
            ranked += [(count, place, left) for count, left in lost[:MOST_PER_PLACE]]
        ranked.sort(key=lambda entry: entry[0])
        return {(place, left): None for _, place, left in ranked[:MOST]}
