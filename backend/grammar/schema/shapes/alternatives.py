"""Unions of shapes: the operations that every kind of value shares."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import NamedTuple, Protocol, Self, TypeVar

from backend.grammar.errors import GrammarError
from backend.grammar.limits import DEFAULT_LIMITS


class Refusal(NamedTuple):
    """A restriction that cannot be enforced: an error where it would have to be."""

    message: str
    pointer: str


class Shape(Protocol):
    """Values of one JSON type that satisfy everything at once."""

    def meet(self, other: Self) -> Self | None:
        """The values in both; None where that is seen to be none."""

    def complement(self) -> list[Self]:
        """The values outside, as alternatives. Raises GrammarError where that cannot be said."""


ShapeT = TypeVar("ShapeT", bound=Shape)


def refuse(refusals: Iterable[Refusal]) -> None:
    """Raise GrammarError for the first refusal, if there is one."""
    for refusal in refusals:
        raise GrammarError(*refusal)


@contextmanager
def located(pointer: str) -> Iterator[None]:
    """Give a GrammarError that says no place this one."""
    try:
        yield
    except GrammarError as error:
        if error.pointer or not pointer:
            raise
        raise error.at(pointer) from error


def meet(left: tuple[ShapeT, ...], right: tuple[ShapeT, ...], anything: ShapeT) -> tuple[ShapeT, ...]:
    """The values in both unions. anything: the shape of every value. Raises GrammarError for too many alternatives."""
    if left == (anything,):
        return right
    if right == (anything,):
        return left
    met = []
    for a in left:
        for b in right:
            both = a if a is b else a.meet(b)
            if both is not None:
                met.append(both)
        if len(met) > max(DEFAULT_LIMITS.alternatives, len(left), len(right)):
            raise GrammarError(
                f"anyOf, oneOf, allOf and not combine into more than {DEFAULT_LIMITS.alternatives} alternatives"
            )
    return tuple(met)


def join(unions: list[tuple[ShapeT, ...]], anything: ShapeT) -> tuple[ShapeT, ...]:
    """The values in any of the unions."""
    if any(union == (anything,) for union in unions):
        return (anything,)
    return tuple(dict.fromkeys(shape for union in unions for shape in union))


def complement(union: tuple[ShapeT, ...], anything: ShapeT) -> tuple[ShapeT, ...]:
    """The values outside the union. Raises GrammarError where that cannot be said or needs too many alternatives."""
    outside: tuple[ShapeT, ...] = (anything,)
    for shape in union:
        if shape is anything:
            return ()
        outside = meet(outside, tuple(shape.complement()), anything)
    return outside
