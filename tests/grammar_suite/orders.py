"""Whether a grammar accepts a value in some order of its properties.

A grammar fixes the order of the properties, and which order follows from the whole schema. So the orders are searched,
with the automaton itself telling which property may come next.
"""

from dataclasses import dataclass, field
from typing import Any

from backend.grammar.run import Configuration, Runner
from tests.grammar_suite.spelling import dumps, spellings

Places = tuple[Configuration, ...]
MOST_PER_PLACE = 2
MOST = 16


@dataclass
class Search:
    """Searches the orders of one value's properties. Properties that may come in any order are not all permuted."""

    runner: Runner
    _known: dict[tuple[int, int], tuple[int, ...]] = field(default_factory=dict)

    def accepts(self, value: Any) -> bool:
        """Whether the value, written compactly in some order, is a word of the language."""
        if self.runner.accepts(dumps(value)):
            return True
        self._known.clear()
        return any(self.runner.complete(end) for end in self._ends(value, self.runner.start))

    def _ends(self, value: Any, at: Configuration) -> Places:
        """Where each text of `value` leads from `at`. It leaves the stack as it was, so the state decides."""
        key = id(value), at.state
        if key not in self._known:
            ends = self._find(value, Configuration(at.state))
            self._known[key] = tuple(dict.fromkeys(end.state for end in ends))
        return tuple(Configuration(state, at.stack) for state in self._known[key])

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
        layer = {(place, frozenset(members)): None for place in self._after([b"{"], (at,))}
        for index in range(len(members)):
            comma = b"," if index else b""
            layer = self._narrow(
                {
                    (end, left - {name}): None
                    for place, left in layer
                    for name in members
                    if name in left
                    for begun in self._after([comma + dumps(name) + b":"], (place,))
                    for end in self._ends(members[name], begun)
                }
            )
        return self._after([b"}"], tuple({place: None for place, _ in layer}))

    def _narrow(self, layer: dict[tuple[Configuration, frozenset], None]) -> dict:
        """The ways after which most of the remaining properties may come next."""
        by_place: dict[Configuration, list[frozenset[str]]] = {}
        for place, left in layer:
            by_place.setdefault(place, []).append(left)
        ranked = []
        for place, lefts in by_place.items():
            alive = {name for name in frozenset().union(*lefts) if self._after([b"," + dumps(name) + b":"], (place,))}
            best = sorted(lefts, key=lambda left: len(left - alive))[:MOST_PER_PLACE]
            ranked += [(len(left - alive), place, left) for left in best]
        ranked.sort(key=lambda entry: entry[0])
        return {(place, left): None for _, place, left in ranked[:MOST]}
