"""Regular languages of characters as canonical deterministic automata, with the Boolean operations."""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache

from backend.grammar.chars.literals import word_automaton
from backend.grammar.chars.minimise import Arc, Row, Rows, minimise
from backend.grammar.chars.ranges import SCALARS, Ranges
from backend.grammar.errors import GrammarError
from backend.grammar.limits import DEFAULT

_END = 1 << 21
_SENTINEL: Arc = (_END, _END, -1)


@dataclass(frozen=True)
class CharDfa:
    """A language of texts (Unicode scalar values). Equal values are equal languages.

    next: by state its arcs (low, high, target) over code points, sorted and disjoint; characters without an arc are
    refused. State 0 is the start; from every state something is accepted, unless the language is empty.
    accept: by state.
    """

    next: Rows
    accept: tuple[bool, ...]

    @cached_property
    def _hash(self) -> int:
        return hash((self.next, self.accept))

    def __hash__(self) -> int:
        return self._hash

    def __len__(self) -> int:
        """Number of states."""
        return len(self.accept)

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
    def literals(words: Iterable[str]) -> "CharDfa":
        """Exactly these words; one with a lone surrogate is left out, since no text can hold it."""
        return CharDfa(*word_automaton(words))

    @staticmethod
    @lru_cache(1024)
    def lengths(low: int, high: int | None) -> "CharDfa":
        """Texts of low..high characters; high None: no upper end. Raises GrammarError if that takes too many states."""
        if high is not None and high < low:
            return CharDfa.empty()
        last = low if high is None else high
        if last >= DEFAULT.product_states:
            limit = DEFAULT.product_states - 1
            raise GrammarError(f"a length of more than {limit} cannot be combined with a pattern, format or other set")
        rows = [_over_scalars(state + 1) for state in range(last)]
        rows.append(_over_scalars(last) if high is None else ())
        return CharDfa(tuple(rows), tuple(state >= low for state in range(last + 1)))

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

    def matches(self, text: str) -> bool:
        """True where the whole of `text` is accepted."""
        state = 0
        for char in text:
            code = ord(char)
            row = self.next[state]
            at = bisect_right(row, (code, _END, 0)) - 1
            if at < 0 or row[at][1] < code:
                return False
            state = row[at][2]
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
        return _product(self, other, lambda p, q: p and q, both=True)

    def __or__(self, other: "CharDfa") -> "CharDfa":
        if self == other or other.is_empty or self == CharDfa.any_string():
            return self
        if self.is_empty or other == CharDfa.any_string():
            return other
        return _product(self, other, lambda p, q: p or q)

    def __sub__(self, other: "CharDfa") -> "CharDfa":
        if self.is_empty or other.is_empty:
            return self
        if self == other or other == CharDfa.any_string():
            return CharDfa.empty()
        return _product(self, other, lambda p, q: p and not q, left=True)

    def __invert__(self) -> "CharDfa":
        return CharDfa.any_string() - self


def _longest_path(rows: Rows) -> int | None:
    """Arcs of the longest path from state 0; None where there is a cycle (every state is live and reachable)."""
    incoming = [0] * len(rows)
    for row in rows:
        for _, _, target in row:
            incoming[target] += 1
    depth = [0] * len(rows)
    pending = [0] if not incoming[0] else []
    done = 0
    while pending:
        state = pending.pop()
        done += 1
        for _, _, target in rows[state]:
            depth[target] = max(depth[target], depth[state] + 1)
            incoming[target] -= 1
            if not incoming[target]:
                pending.append(target)
    return max(depth) if done == len(rows) else None


def _overlay(left: Row, right: Row) -> Iterator[tuple[int, int, int, int]]:
    """(low, high, target by left, target by right) over the pieces where neither changes; -1 where there is no arc."""
    i = j = position = 0
    while True:
        left_low, left_high, p = left[i] if i < len(left) else _SENTINEL
        right_low, right_high, q = right[j] if j < len(right) else _SENTINEL
        left_low, right_low = max(left_low, position), max(right_low, position)
        if left_low < right_low:
            high = min(left_high, right_low - 1)
            yield left_low, high, p, -1
        elif right_low < left_low:
            high = min(right_high, left_low - 1)
            yield right_low, high, -1, q
        elif left_low == _END:
            return
        else:
            high = min(left_high, right_high)
            yield left_low, high, p, q
        position = high + 1
        i += left_high < position
        j += right_high < position


def _product(
    a: CharDfa, b: CharDfa, accepts: Callable[[bool, bool], bool], *, both: bool = False, left: bool = False
) -> CharDfa:
    """States are pairs; -1 stands for a side that refused. both: neither may have; left: the left one may not."""
    ids = {(0, 0): 0}
    pairs = [(0, 0)]
    rows: list[list[Arc]] = []
    accept: list[bool] = []
    for p, q in pairs:
        row: list[Arc] = []
        for low, high, s, t in _overlay(a.next[p] if p >= 0 else (), b.next[q] if q >= 0 else ()):
            if (s < 0 and (both or left)) or (t < 0 and both):
                continue
            pair = (s, t)
            if pair not in ids:
                ids[pair] = len(pairs)
                pairs.append(pair)
                if len(pairs) > DEFAULT.product_states:
                    raise GrammarError(f"a combination of patterns needs more than {DEFAULT.product_states} states")
            row.append((low, high, ids[pair]))
        rows.append(row)
        accept.append(accepts(p >= 0 and a.accept[p], q >= 0 and b.accept[q]))
    return CharDfa(*minimise(rows, accept))


def _over_scalars(target: int) -> tuple[Arc, ...]:
    return tuple((low, high, target) for low, high in SCALARS)
