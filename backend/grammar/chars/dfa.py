"""Regular languages of characters as canonical deterministic automata, with the Boolean operations."""

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Literal

from backend.grammar.chars.explore import explore
from backend.grammar.chars.literals import finite_automaton
from backend.grammar.chars.memory import remembered
from backend.grammar.chars.minimise import Arc, Arcs, Transitions, minimise
from backend.grammar.chars.ranges import SCALARS, Ranges
from backend.grammar.errors import GrammarError
from backend.grammar.limits import DEFAULT_LIMITS

_END = 1 << 21
_SENTINEL: Arc = (_END, _END, -1)


@dataclass(frozen=True)
class CharDfa:
    """A language of texts (Unicode scalar values). Equal values are equal languages.

    next: by state its arcs (low, high, target) over code points, sorted and disjoint; characters without an arc are
    refused. State 0 is the start; from every state something is accepted, unless the language is empty.
    accept: by state.
    """

    next: Transitions
    accept: tuple[bool, ...]

    @cached_property
    def _hash(self) -> int:
        return hash((self.next, self.accept))

    def __hash__(self) -> int:
        return self._hash

    def __len__(self) -> int:
        """Number of states."""
        return len(self.accept)

    @cached_property
    def size(self) -> int:
        """Arcs and states together."""
        return len(self) + sum(map(len, self.next))

    @staticmethod
    @cache
    def any_string() -> "CharDfa":
        """Every text."""
        return CharDfa((_over_scalars(0),), (True,))

    @staticmethod
    @cache
    def empty() -> "CharDfa":
        """No text at all."""
        return CharDfa(((),), (False,))

    @staticmethod
    def literals(strings: Iterable[str]) -> "CharDfa":
        """Exactly these strings; one with a lone surrogate is left out, since no text can hold it."""
        return CharDfa(*finite_automaton(strings))

    @staticmethod
    @remembered
    def lengths(low: int, high: int | None) -> "CharDfa":
        """Texts of low..high characters; high None: no upper end. Raises GrammarError if that takes too many states."""
        if high is not None and high < low:
            return CharDfa.empty()
        last = low if high is None else high
        if last >= DEFAULT_LIMITS.product_states:
            limit = DEFAULT_LIMITS.product_states - 1
            raise GrammarError(f"a length of more than {limit} cannot be combined with a pattern, format or other set")
        transitions = [_over_scalars(state + 1) for state in range(last)]
        transitions.append(_over_scalars(last) if high is None else ())
        return CharDfa(tuple(transitions), tuple(state >= low for state in range(last + 1)))

    @property
    def is_empty(self) -> bool:
        """True where no text is accepted."""
        return not self.next[0] and not self.accept[0]

    def shortest(self) -> int:
        """Characters of the shortest accepted text. Raises ValueError for the empty language."""
        depths = {0: 0}
        for state in (order := [0]):
            if self.accept[state]:
                return depths[state]
            for _, _, target in self.next[state]:
                if target not in depths:
                    depths[target] = depths[state] + 1
                    order.append(target)
        raise ValueError("the empty language has no shortest text")

    def longest(self) -> int | None:
        """Characters of the longest accepted text, None if there is no bound. Raises ValueError for no text at all."""
        if self.is_empty:
            raise ValueError("the empty language has no longest text")
        return _longest_path(self.next)

    def step(self, state: int, code: int) -> int:
        """The state after one character; -1 where it is refused, or `state` is -1."""
        if state < 0:
            return -1
        arcs = self.next[state]
        at = bisect_right(arcs, (code, _END, 0)) - 1
        return -1 if at < 0 or arcs[at][1] < code else arcs[at][2]

    def is_free(self, state: int) -> bool:
        """True where every text is accepted from `state` on."""
        return self.accept[state] and self.next[state] == _over_scalars(state)

    def matches(self, text: str) -> bool:
        """True where the whole of `text` is accepted."""
        state = 0
        for char in text:
            state = self.step(state, ord(char))
            if state < 0:
                return False
        return self.accept[state]

    def edges(self, state: int) -> list[tuple[Ranges, int]]:
        """The arcs of `state` grouped by target: (ranges of code points, target)."""
        grouped: dict[int, list[tuple[int, int]]] = {}
        for low, high, target in self.next[state]:
            grouped.setdefault(target, []).append((low, high))
        return [(tuple(ranges), target) for target, ranges in grouped.items()]

    def __and__(self, other: "CharDfa") -> "CharDfa":
        if self == other or other == CharDfa.any_string() or self.is_empty:
            return self
        if self == CharDfa.any_string() or other.is_empty:
            return other
        return _product(self, other, "and")

    def __or__(self, other: "CharDfa") -> "CharDfa":
        if self == other or other.is_empty or self == CharDfa.any_string():
            return self
        if self.is_empty or other == CharDfa.any_string():
            return other
        return _product(self, other, "or")

    def __sub__(self, other: "CharDfa") -> "CharDfa":
        if self.is_empty or other.is_empty:
            return self
        if self == other or other == CharDfa.any_string():
            return CharDfa.empty()
        return _product(self, other, "minus")

    def __invert__(self) -> "CharDfa":
        return CharDfa.any_string() - self


def _longest_path(transitions: Transitions) -> int | None:
    """Arcs of the longest path from state 0; None where there is a cycle (every state is live and reachable)."""
    incoming = [0] * len(transitions)
    for arcs in transitions:
        for _, _, target in arcs:
            incoming[target] += 1
    depth = [0] * len(transitions)
    pending = [0] if not incoming[0] else []
    done = 0
    while pending:
        state = pending.pop()
        done += 1
        for _, _, target in transitions[state]:
            depth[target] = max(depth[target], depth[state] + 1)
            incoming[target] -= 1
            if not incoming[target]:
                pending.append(target)
    return max(depth) if done == len(transitions) else None


def _overlay(left: Arcs, right: Arcs) -> list[tuple[int, int, int, int]]:
    """(low, high, target by left, target by right) over the pieces where neither changes; -1 where there is no arc."""
    lefts, rights = iter((*left, _SENTINEL)), iter((*right, _SENTINEL))
    (low, high, p), (start, end, q) = next(lefts), next(rights)
    pieces = []
    while low < _END or start < _END:
        if low < start:
            stop = min(high, start - 1)
            pieces.append((low, stop, p, -1))
            low = stop + 1
        elif start < low:
            stop = min(end, low - 1)
            pieces.append((start, stop, -1, q))
            start = stop + 1
        else:
            stop = min(high, end)
            pieces.append((low, stop, p, q))
            low = start = stop + 1
        if low > high:
            low, high, p = next(lefts)
        if start > end:
            start, end, q = next(rights)
    return pieces


@remembered
def _product(a: CharDfa, b: CharDfa, operation: Literal["and", "or", "minus"]) -> CharDfa:
    """States are pairs of states; -1 stands for a side that has refused, which only some operations survive."""
    left_needed, right_needed = operation != "or", operation == "and"

    def moves(pair: tuple[int, int]) -> Iterator[tuple[int, int, tuple[int, int]]]:
        p, q = pair
        for low, high, s, t in _overlay(a.next[p] if p >= 0 else (), b.next[q] if q >= 0 else ()):
            if not ((left_needed and s < 0) or (right_needed and t < 0)):
                yield low, high, (s, t)

    def accepts(pair: tuple[int, int]) -> bool:
        p, q = pair[0] >= 0 and a.accept[pair[0]], pair[1] >= 0 and b.accept[pair[1]]
        return p or q if operation == "or" else p and q == right_needed

    limit = max(DEFAULT_LIMITS.product_states, len(a) + len(b))  # what only one of them tells apart is no product
    return CharDfa(*minimise(*explore((0, 0), moves, accepts, limit, "a combination of patterns")))


def _over_scalars(target: int) -> tuple[Arc, ...]:
    return tuple((low, high, target) for low, high in SCALARS)
