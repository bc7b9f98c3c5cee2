"""The syntax tree of a regular expression."""

from dataclasses import dataclass

from backend.grammar.chars.ranges import Ranges


@dataclass(frozen=True)
class Chars:
    """One character of a set; nothing at all if the set is empty."""

    ranges: Ranges


@dataclass(frozen=True)
class Sequence:
    """One part after another; the empty string if there is none."""

    parts: tuple["Node", ...]


@dataclass(frozen=True)
class Alternation:
    """Any one of the parts."""

    parts: tuple["Node", ...]


@dataclass(frozen=True)
class Repeat:
    """`part` from `low` to `high` times, without end if `high` is None."""

    part: "Node"
    low: int
    high: int | None


@dataclass(frozen=True)
class Anchor:
    """The empty string, where the text begins (or, if not `start`, ends)."""

    start: bool


@dataclass(frozen=True)
class Look:
    """The empty string, where a string of `part` begins (or, if not `ahead`, ends); if `negated`, where none does."""

    part: "Node"
    ahead: bool
    negated: bool


Node = Chars | Sequence | Alternation | Repeat | Anchor | Look
EMPTY_STRING = Sequence(())


def boundary(word: Ranges, negated: bool) -> Node:
    """The empty string between a character of `word` and one that is none, or the edge of the text; if `negated`,
    anywhere else."""
    letter = Chars(word)
    sides = [(before, before == negated) for before in (True, False)]
    return Alternation(
        tuple(Sequence((Look(letter, False, not before), Look(letter, True, not after))) for before, after in sides)
    )


def repeat(part: Node, low: int, high: int | None) -> Node:
    """`part` low..high times. (x{a,b}){c,d} is one x{ac,bd} where a <= 1, since the counts then leave no gap."""
    if isinstance(part, Repeat) and part.low <= 1:
        return Repeat(part.part, part.low * low, _times(part.high, high))
    return Repeat(part, low, high)


def _times(a: int | None, b: int | None) -> int | None:
    """The product of two upper bounds, of which None is infinite."""
    if a is None or b is None:
        return 0 if 0 in (a, b) else None
    return a * b


def nfa_size(node: Node) -> int:
    """States that an NFA for `node` needs, counted without building it."""
    match node:
        case Sequence(parts) | Alternation(parts):
            return 1 + sum(map(nfa_size, parts))
        case Repeat(part, low, high):
            return 1 + nfa_size(part) * (low + 1 if high is None else high)
        case Look(part):
            return 2 + nfa_size(part)
        case _:
            return 1
