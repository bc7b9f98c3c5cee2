"""Numbers -> graph, with a bound on their digits: what is drawn at random, or with a bias, comes to an end."""

import math
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from backend.grammar.automaton.graph import Graph
from backend.grammar.chars.dfa import CharDfa
from backend.grammar.chars.minimise import minimise

_DIGITS = (ord("0"), ord("9"))
_WHOLE, _FRACTION, _EXPONENT = range(3)


class Digits(NamedTuple):
    """How many a number may have before the point, and behind it."""

    whole: float = math.inf
    fraction: float = math.inf

    def at_least(self, other: "Digits") -> "Digits":
        """The larger of each."""
        return Digits(max(self.whole, other.whole), max(self.fraction, other.fraction))

    def allow(self, other: "Digits") -> bool:
        """Whether so many are no more than these."""
        return other.whole <= self.whole and other.fraction <= self.fraction


class _Run(NamedTuple):
    """Digits of one part, behind which the number ends (`next` None) or goes on in a state of its language."""

    digits: CharDfa
    byte: int = 0
    next: int | None = None


def write_number(graph: Graph, a: int, language: CharDfa, b: int, most: Digits) -> None:
    """A number of `language` leads from a to b, with `most` digits, or the fewest that one has if that is more.

    The states do not grow with the digits, which are counted. Exponents are as the language has them.
    """
    if language.is_empty or language.longest() is not None or most == Digits():
        graph.embed(a, language, b, escape=False)
        return
    _Writer(graph, language, b, most.at_least(_fewest(language, most))).write(a, 0, _WHOLE)


class _Writer:
    """Writes part by part."""

    def __init__(self, graph: Graph, language: CharDfa, b: int, most: Digits) -> None:
        self._graph, self._language, self._b = graph, language, b
        self._most = (most.whole, most.fraction, math.inf)
        self._nodes: dict[tuple[int, int], int] = {}

    def write(self, a: int, state: int, part: int) -> None:
        """What may follow in `state` leads from a to the end."""
        most = self._most[part]
        for run in _runs(self._language, state):
            after = self._b if run.next is None else self._graph.node()
            longest = run.digits.longest()
            bound = int(most) if most < math.inf and (longest is None or longest > most) else None
            self._graph.embed(a, run.digits, after, escape=False, most=bound)
            if run.next is not None:
                self._graph.character(after, run.byte, self._following(run.next, _part_behind(run.byte, part)))

    def _following(self, state: int, part: int) -> int:
        node = self._nodes.get((state, part))
        if node is None:
            node = self._nodes[state, part] = self._graph.node()
            self.write(node, state, part)
        return node


def _part_behind(byte: int, part: int) -> int:
    if byte == ord("."):
        return _FRACTION
    return _EXPONENT if byte in b"eE" else part


@lru_cache(1024)
def _runs(language: CharDfa, state: int) -> list[_Run]:
    """The digits that may follow in `state`, by what is behind them."""
    numbers, order = {state: 0}, [state]
    arcs: list[list[tuple[int, int, int]]] = []
    others: dict[tuple[int, int], set[int]] = {}
    for at in order:
        arcs.append([])
        for low, high, target in language.next[at]:
            if _DIGITS[0] <= low <= _DIGITS[1]:
                if target not in numbers:
                    numbers[target] = len(order)
                    order.append(target)
                arcs[-1].append((low, high, numbers[target]))
            else:
                for byte in range(low, high + 1):
                    others.setdefault((byte, target), set()).add(at)
    ends = {at for at in order if language.accept[at]}
    runs = [_Run(_ending(arcs, [at in ends for at in order]))] if ends else []
    return runs + [_Run(_ending(arcs, [at in by for at in order]), *key) for key, by in others.items()]


def _ending(arcs: list[list[tuple[int, int, int]]], accept: list[bool]) -> CharDfa:
    return CharDfa(*minimise(arcs, accept))


@lru_cache(1024)
def _fewest(language: CharDfa, most: Digits) -> Digits:
    """The digits of some number within `most`, or of one that has few more."""
    found = list(_shortest(language, 0, _WHOLE, Digits(0, 0)))
    within = [digits for digits in found if most.allow(digits)]
    return min(within or found, key=sum)


def _shortest(language: CharDfa, state: int, part: int, before: Digits) -> Iterator[Digits]:
    """By way through the parts, the fewest digits."""
    for run in _runs(language, state):
        length = run.digits.shortest() if part != _EXPONENT else 0
        whole, fraction = before
        digits = Digits(whole + length, fraction) if part == _WHOLE else Digits(whole, fraction + length)
        if run.next is None:
            yield digits
        else:
            yield from _shortest(language, run.next, _part_behind(run.byte, part), digits)
