"""Arrays that repeat no item, where few values may be items: which of them have been used is a part of the place."""

import json
from dataclasses import dataclass
from math import comb

from backend.grammar.schema.expressions import NOTHING, Constant, Expression, all_of
from backend.grammar.schema.shapes.arrays import ArrayShape
from backend.grammar.schema.writing.value_writer import ValueWriter

MOST_VALUES = 40
MOST_STATES = 30_000
"""States of the automaton that may be spent on what has been used, roughly."""
Used = int
"""A bit for each value that has been used."""
Key = tuple[str, object]


@dataclass(frozen=True)
class Universe:
    """The values that may be items. by_position: for each item of the prefix, and for all later ones, bit and value."""

    size: int
    by_position: tuple[tuple[tuple[Used, Constant], ...], ...]

    def items(self, position: int, item: Expression, used: Used) -> list[tuple[Expression, Used]]:
        """What an item at `position` that satisfies `item` may be, value by value, and what has been used then."""
        possible = self.by_position[min(position, len(self.by_position) - 1)]
        return [(all_of(item, value), used | bit) for bit, value in possible if not used & bit]


def universe(writer: ValueWriter, shape: ArrayShape) -> Universe | None:
    """The values, None where they are not seen to be few enough for the subsets of them to be told apart."""
    found: dict[Key, Constant] = {}
    by_position = []
    for item in (*shape.prefix, shape.rest):
        values = [] if item is NOTHING else writer.listed(item, MOST_VALUES)
        if values is None:
            return None
        keys = [(type(value).__name__, value) for value in values]
        for key in keys:
            found.setdefault(key, Constant(key[1], shape.unique[0]))
        by_position.append(keys)
    most = len(found) if shape.most is None else min(shape.most, len(found))
    states = sum(len(json.dumps(constant.value, default=str)) + 6 for constant in found.values())
    if len(found) > MOST_VALUES or sum(comb(len(found), used) for used in range(most)) * states > MOST_STATES:
        return None
    bits = {key: 1 << number for number, key in enumerate(found)}
    return Universe(
        len(found), tuple(tuple((bits[key], found[key]) for key in dict.fromkeys(keys)) for keys in by_position)
    )
