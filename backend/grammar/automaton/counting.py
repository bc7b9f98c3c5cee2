"""Texts of a language that have a certain number of characters, as places of a counter: few for any number.

Close to the upper bound a text must take the shortest way to its end. A move after which the end needs as many
characters as are left, or more, is lost: a stage is a range of what is left within which no move is.
"""

import math
from bisect import bisect_left
from collections.abc import Callable, Iterator
from typing import NamedTuple

from backend.grammar.chars.dfa import CharDfa
from backend.grammar.chars.lengths import completions_from, shortest_completions
from backend.grammar.chars.ranges import Ranges
from backend.grammar.errors import GrammarError
from backend.grammar.limits import DEFAULT_LIMITS

_UNCOUNTED, _SHORT, _ENDLESS, _LAYER = -3, -2, -1, -4
"""Stages before the first character where that is not counted, below the lower bound, and without an upper one. Those
from _LAYER down are the last ones below the lower bound, one for every number of characters that lack."""
_Key = tuple[int, int]
"""A stage, and a state of the language."""


class Move(NamedTuple):
    """Characters, the place after them, and the place instead where the count comes to the limit."""

    ranges: Ranges
    same: int
    reached: int | None


class Place(NamedTuple):
    """limit: of the counted characters, 0 where they are not counted."""

    limit: int
    accepts: bool
    moves: list[Move]


class Counting:
    """The texts of `language` of `least` to `most` characters. places: the first one is the start; none: no text.

    can_write: whether one of these characters can be written; moves without are left out. uncounted_first: the first
    character is not counted, so that it may reset the count.
    Raises GrammarError where the lower bound takes too many states.
    """

    def __init__(
        self,
        language: CharDfa,
        least: int,
        most: int | None,
        can_write: Callable[[Ranges], bool],
        uncounted_first: bool = False,
    ) -> None:
        self._accept = language.accept
        everything = [language.edges(state) for state in range(len(language))]
        self._edges = [[edge for edge in edges if can_write(edge[0])] for edges in everything]
        self._shortest = shortest_completions(self._edges, self._accept)
        self.places: list[Place] = []
        if self._shortest[0] == math.inf or (most is not None and (most < least or self._shortest[0] > most)):
            return
        moves = [(state, to) for state, edges in enumerate(self._edges) for _, to in edges]
        self._losses = sorted({self._shortest[to] for state, to in moves if not self._nears(state, to)} - {math.inf})
        """Where so many characters are left, moves are lost."""
        self._accepts_nothing = least == 0 and self._accept[0]
        shift = int(uncounted_first)
        self._least, self._most = max(least - shift, 0), None if most is None else most - shift
        self._completing = completions_from(self._edges, self._shortest, self._least, self._most)
        self._numbers: dict[_Key, int] = {}
        self._order: list[_Key] = []
        if not self._completing[-1] and not (uncounted_first and self._accepts_nothing):
            return
        first = (_UNCOUNTED if uncounted_first else self._first_stage(), 0)
        if uncounted_first or self._fits(*first):
            self._number(first)
        for key in self._order:
            self.places.append(self._place(*key))
        if len(self.places) > DEFAULT_LIMITS.product_states:
            raise GrammarError(f"a bound on the length needs more than {DEFAULT_LIMITS.product_states} states")

    def _nears(self, state: int, to: int) -> bool:
        """Whether a move is on a shortest way to the end."""
        return self._shortest[to] < self._shortest[state]

    def _number(self, key: _Key) -> int:
        number = self._numbers.setdefault(key, len(self._order))
        if number == len(self._order):
            self._order.append(key)
        return number

    def _first_stage(self) -> int:
        """The stage when nothing has been counted."""
        layers = len(self._completing) - 1
        if self._least > layers:
            return _SHORT
        return _LAYER - layers if layers else self._above(0)

    def _above(self, read: int) -> int:
        """The stage above the lower bound, once so many characters have been counted."""
        return _ENDLESS if self._most is None else bisect_left(self._losses, self._most - read)

    def _fits(self, stage: int, state: int) -> bool:
        """Whether the text can end as it must, from `state` at the beginning of a stage."""
        if stage <= _LAYER:
            return state in self._completing[_LAYER - stage]
        if stage >= 0:
            assert self._most is not None
            return self._shortest[state] <= self._most - self._least
        return self._shortest[state] < math.inf

    def _place(self, stage: int, state: int) -> Place:
        if stage == _UNCOUNTED:
            accepts, limit = self._accepts_nothing, 0
        else:
            accepts, limit = stage >= _ENDLESS and self._accept[state], self._limit(stage)
        return Place(limit, accepts, list(self._moves(stage, state)))

    def _limit(self, stage: int) -> int:
        if stage == _SHORT:
            return self._least - (len(self._completing) - 1)
        if stage <= _LAYER:
            return self._least
        return int(self._most - self._losses[stage - 1]) if self._most is not None and stage > 0 else 0

    def _moves(self, stage: int, state: int) -> Iterator[Move]:
        for ranges, to in self._edges[state]:
            if self._shortest[to] == math.inf:
                continue
            if stage == _UNCOUNTED:
                after = self._first_stage()
                if self._fits(after, to):
                    yield Move(ranges, self._number((after, to)), None)
            elif stage == _SHORT:
                layers = len(self._completing) - 1
                after = _LAYER - layers if layers else self._above(self._least)
                yield Move(ranges, self._number((stage, to)), self._number((after, to)))
            elif stage <= _LAYER:
                after = stage + 1 if stage < _LAYER - 1 else self._above(self._least)
                if self._fits(after, to):
                    number = self._number((after, to))
                    yield Move(ranges, number, number)
            elif stage == _ENDLESS:
                yield Move(ranges, self._number((stage, to)), None)
            else:
                yield from self._nearing(stage, state, ranges, to)

    def _nearing(self, stage: int, state: int, ranges: Ranges, to: int) -> Iterator[Move]:
        """The move, if it is not lost in this stage."""
        next_loss = self._losses[stage - 1] if stage > 0 else -1
        if self._nears(state, to) or self._shortest[to] <= next_loss:
            same = self._number((stage, to))
            yield Move(ranges, same, self._number((stage - 1, to)) if self._shortest[to] <= next_loss else same)
