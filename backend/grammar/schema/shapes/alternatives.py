"""Unions of shapes: the operations that every kind of value shares."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple, Protocol, Self, TypeVar

from backend.grammar.errors import NOT_FAULTS, CompilerFault, GrammarError, TooManyAlternatives
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


class Container(Shape, Protocol):
    """Arrays or objects."""

    @property
    def evaluated(self) -> Any:
        """What of them is evaluated, see evaluated.py."""


ShapeT = TypeVar("ShapeT", bound=Shape)
ContainerT = TypeVar("ContainerT", bound=Container)


def refuse(refusals: Iterable[Refusal]) -> None:
    """Raise GrammarError for the first refusal, if there is one."""
    for refusal in refusals:
        raise GrammarError(*refusal)


@contextmanager
def located(pointer: str) -> Iterator[None]:
    """Give a GrammarError that says no place this one, and make any other fault a CompilerFault at it."""
    try:
        yield
    except GrammarError as error:
        if error.pointer or not pointer:
            raise
        raise error.at(pointer) from error
    except NOT_FAULTS:
        raise
    except Exception as error:
        raise CompilerFault(pointer) from error


@contextmanager
def together(keywords: Sequence[str]) -> Iterator[None]:
    """Say of a GrammarError which keywords meet, where there are several."""
    try:
        yield
    except GrammarError as error:
        if len(keywords) < 2:
            raise
        message = f"{', '.join(keywords[:-1])} and {keywords[-1]} together: {error.message}"
        raise GrammarError(message, error.pointer) from error


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
        _check_number(len(met), len(left), len(right))
    return tuple(met)


def join(unions: list[tuple[ShapeT, ...]], anything: ShapeT) -> tuple[ShapeT, ...]:
    """The values in any of the unions."""
    if any(union == (anything,) for union in unions):
        return (anything,)
    return tuple(dict.fromkeys(shape for union in unions for shape in union))


def join_evaluated(
    unions: list[tuple[ContainerT, ...]], inhabited: Callable[[ContainerT], bool]
) -> tuple[ContainerT, ...]:
    """The values in any of the unions, and in several of them wherever those evaluate more together than one of them.

    A value in an alternative is then in the one that evaluates most, so a restriction on what no alternative evaluates
    may be put on each for itself. Raises GrammarError for too many alternatives.
    """
    found: list[ContainerT] = []
    for union in unions:
        both = []
        for a in found:
            for b in union:
                if a.evaluated.join(b.evaluated) in (a.evaluated, b.evaluated):
                    continue
                met = a.meet(b)
                if met is not None and inhabited(met):
                    both.append(met)
            _check_number(len(found) + len(both), 0, len(union))
        found += [*union, *both]
    return tuple(dict.fromkeys(found))


def _check_number(found: int, left: int, right: int) -> None:
    """Raise GrammarError where the alternatives of two unions are too many."""
    if found > max(DEFAULT_LIMITS.alternatives, left, right):
        raise TooManyAlternatives(
            f"anyOf, oneOf, allOf and not combine into more than {DEFAULT_LIMITS.alternatives} alternatives"
        )


def complement(
    union: tuple[ShapeT, ...], anything: ShapeT, inhabited: Callable[[ShapeT], bool] = lambda _: True
) -> tuple[ShapeT, ...]:
    """The values outside the union. inhabited: False only where a shape has no value.

    Raises GrammarError where that cannot be said or needs too many alternatives.
    """
    outside: tuple[ShapeT, ...] = (anything,)
    for shape in union:
        if shape is anything:
            return ()
        before, outside = len(outside), meet(outside, tuple(shape.complement()), anything)
        if len(outside) > before > 1:
            outside = tuple(filter(inhabited, outside))
    return outside
