"""Expressions over schemas: what a place in a document has to satisfy, kept unexpanded so that recursion closes.

An expression is a schema of the document, a constant, or a conjunction, disjunction or negation of expressions. Equal
are those of the same schemas, by identity, so a recursive schema meets only finitely many of them.
"""

from dataclasses import dataclass
from typing import Any

Scope = tuple[tuple[str, str], ...]
"""By dynamic anchor the outermost resource that has it, of those on the way to a schema."""


class Expression:
    """Base of the six kinds below."""

    __slots__ = ()


@dataclass(frozen=True, eq=False, slots=True)
class Subschema(Expression):
    """A schema of the document. pointer: where, "#/properties/a"; base: URI against which its references resolve;
    depth: how many schemas it stands in; scope: what its dynamic references mean."""

    raw: Any
    pointer: str
    base: str
    depth: int
    scope: Scope = ()


@dataclass(frozen=True, eq=False, slots=True)
class Constant(Expression):
    """One JSON value, a member of the `const` or `enum` at `pointer`."""

    value: Any
    pointer: str


@dataclass(frozen=True, slots=True)
class Conjunction(Expression):
    """Every part must hold. No parts: anything."""

    parts: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Disjunction(Expression):
    """Some part must hold."""

    parts: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Negation(Expression):
    """The part must not hold."""

    part: Expression


@dataclass(frozen=True, slots=True)
class Neutral(Expression):
    """The part must hold, but it is a condition: it neither closes objects nor lists the names that belong to them."""

    part: Expression


ANYTHING: Expression = Conjunction(())
NOTHING: Expression = Negation(ANYTHING)


def negate(expression: Expression) -> Expression:
    """The expression that holds where `expression` does not. Twice: a condition (Neutral)."""
    if expression is ANYTHING:
        return NOTHING
    if expression is NOTHING:
        return ANYTHING
    if isinstance(expression, Negation):
        return neutral(expression.part)
    if isinstance(expression, Neutral):
        return Negation(expression.part)
    return Negation(expression)


def neutral(expression: Expression) -> Expression:
    """`expression` as a condition."""
    if expression is ANYTHING or isinstance(expression, Negation | Neutral | Constant):
        return expression
    return Neutral(expression)


def all_of(*expressions: Expression) -> Expression:
    """The conjunction, flattened, in order of first appearance; NOTHING where it contradicts itself."""
    if len(expressions) == 2:
        first, second = expressions
        if first is second or second is ANYTHING:
            return first
        if first is ANYTHING:
            return second
    parts: dict[Expression, None] = {}
    for expression in expressions:
        if expression is NOTHING:
            return NOTHING
        parts.update(dict.fromkeys(expression.parts if isinstance(expression, Conjunction) else (expression,)))
    if any(isinstance(part, Negation) and (part.part in parts or Neutral(part.part) in parts) for part in parts):
        return NOTHING
    for part in [part for part in parts if isinstance(part, Neutral) and part.part in parts]:
        del parts[part]
    if not parts:
        return ANYTHING
    return next(iter(parts)) if len(parts) == 1 else Conjunction(tuple(parts))


def any_of(*expressions: Expression) -> Expression:
    """The disjunction, in order of first appearance."""
    parts = tuple(dict.fromkeys(expression for expression in expressions if expression is not NOTHING))
    if ANYTHING in parts:
        return ANYTHING
    if len(parts) < 2:
        return parts[0] if parts else NOTHING
    return Disjunction(parts)


def pointer_of(expression: Expression) -> str:
    """Where in the document an expression stems from; of several the first part."""
    if isinstance(expression, Subschema | Constant):
        return expression.pointer
    if isinstance(expression, Negation | Neutral):
        return pointer_of(expression.part)
    assert isinstance(expression, Conjunction | Disjunction)
    return pointer_of(expression.parts[0]) if expression.parts else ""
