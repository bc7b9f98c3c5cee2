"""The normal form of an expression: for each JSON type the values, as a union of shapes."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

from backend.grammar.errors import GrammarError
from backend.grammar.schema.expressions import Expression
from backend.grammar.schema.shapes import alternatives, numbers, strings
from backend.grammar.schema.shapes.arrays import ANY_ARRAY, ArrayShape
from backend.grammar.schema.shapes.evaluated import NO_ITEMS, NO_NAMES
from backend.grammar.schema.shapes.numbers import ANY_NUMBER, NumberShape
from backend.grammar.schema.shapes.objects import ANY_OBJECT, ObjectShape
from backend.grammar.schema.shapes.strings import ANY_STRING, StringShape

BOOLEANS = frozenset([False, True])
Decide = Callable[[Expression], bool]


@dataclass(frozen=True, slots=True, eq=False)
class Form:
    """Values by type: whether null, which booleans, and unions of numbers, strings, arrays and objects.

    loose: others may be among them, which a keyword that was deferred does not allow; and what they evaluate is not
    known.
    """

    null: bool = False
    booleans: frozenset[bool] = frozenset()
    numbers: tuple[NumberShape, ...] = ()
    strings: tuple[StringShape, ...] = ()
    arrays: tuple[ArrayShape, ...] = ()
    objects: tuple[ObjectShape, ...] = ()
    loose: bool = False

    def meet(self, other: "Form") -> "Form":
        """The values in both. Raises GrammarError for too many alternatives."""
        if self is ANY_VALUE:
            return other
        if other is ANY_VALUE:
            return self
        return Form(
            self.null and other.null,
            self.booleans & other.booleans,
            alternatives.meet(self.numbers, other.numbers, ANY_NUMBER),
            alternatives.meet(self.strings, other.strings, ANY_STRING),
            alternatives.meet(self.arrays, other.arrays, ANY_ARRAY),
            alternatives.meet(self.objects, other.objects, ANY_OBJECT),
            self.loose or other.loose,
        )

    def overlaps(self, other: "Form", decide: Decide) -> bool:
        """False only where no value is in both."""
        return (
            (self.null and other.null)
            or bool(self.booleans & other.booleans)
            or any(shape.inhabited() for shape in alternatives.meet(self.numbers, other.numbers, ANY_NUMBER))
            or any(shape.inhabited() for shape in alternatives.meet(self.strings, other.strings, ANY_STRING))
            or any(a.overlaps(b, decide) for a in self.arrays for b in other.arrays)
            or any(a.overlaps(b, decide) for a in self.objects for b in other.objects)
        )

    def complement(self, decide: Decide) -> "Form":
        """The values outside. Raises GrammarError where that cannot be said."""
        self._check_exact()
        return Form(
            not self.null,
            BOOLEANS - self.booleans,
            alternatives.complement(self.numbers, ANY_NUMBER),
            alternatives.complement(self.strings, ANY_STRING),
            alternatives.complement(self.arrays, ANY_ARRAY, lambda shape: shape.inhabited(decide)),
            alternatives.complement(self.objects, ANY_OBJECT, lambda shape: shape.inhabited(decide)),
        )

    def _check_exact(self) -> None:
        if self.loose:
            raise GrammarError("what is left to a check of the finished output can be no condition, and not be negated")

    def inhabited(self, decide: Decide) -> bool:
        """Whether there may be a value. decide: the same for expressions inside."""
        return (
            self.null
            or bool(self.booleans)
            or any(shape.inhabited() for shape in self.numbers)
            or any(shape.inhabited() for shape in self.strings)
            or any(shape.inhabited(decide) for shape in self.arrays)
            or any(shape.inhabited(decide) for shape in self.objects)
        )

    def combinations(self) -> int:
        """How many shapes of arrays and objects there are."""
        return len(self.arrays) + len(self.objects)

    def listed(self, most: int) -> list[Any] | None:
        """Every value, each once; None where they are more than `most`, or are not seen to be fewer.

        Arrays and objects are never seen to be few.
        """
        if self.arrays or self.objects:
            return None
        texts = [None if shape.one_sided else shape.values for shape in self.strings]
        scalars = [*texts, *(shape.listed(most) for shape in self.numbers)]
        if any(values is None for values in scalars):
            return None
        found: list[Any] = [*[None] * self.null, *sorted(self.booleans)]
        found += dict.fromkeys(value for values in scalars for value in sorted(values or ()))
        return found if len(found) <= most else None

    def pruned(self, decide: Decide) -> "Form":
        """The same values, where there are several shapes of arrays or objects without those that have no value."""
        if len(self.arrays) < 2 and len(self.objects) < 2:
            return self
        arrays = tuple(shape for shape in self.arrays if shape.inhabited(decide))
        objects = tuple(shape for shape in self.objects if shape.inhabited(decide))
        return replace(self, arrays=arrays, objects=objects)

    def close(self, items: Expression | None, properties: Expression | None) -> "Form":
        """The values of which everything that is not evaluated satisfies these; None: it need not."""
        arrays, objects = self.arrays, self.objects
        if items is not None:
            arrays = tuple(shape for shape in (shape.close(items) for shape in arrays) if shape is not None)
        if properties is not None:
            objects = tuple(shape for shape in (shape.close(properties) for shape in objects) if shape is not None)
        return replace(self, arrays=arrays, objects=objects)

    def unevaluated(self) -> "Form":
        """The same values, of which nothing counts as evaluated."""
        arrays = tuple(
            replace(shape, evaluated=NO_ITEMS) if shape.evaluated != NO_ITEMS else shape for shape in self.arrays
        )
        objects = tuple(
            replace(shape, evaluated=NO_NAMES) if shape.evaluated != NO_NAMES else shape for shape in self.objects
        )
        return replace(self, arrays=arrays, objects=objects)

    def as_condition(self) -> "Form":
        """The same values, everything inside being conditions. Raises GrammarError where others are among them."""
        self._check_exact()
        arrays = self.arrays if self.arrays == (ANY_ARRAY,) else tuple(shape.as_condition() for shape in self.arrays)
        objects = (
            self.objects if self.objects == (ANY_OBJECT,) else tuple(shape.as_condition() for shape in self.objects)
        )
        return Form(self.null, self.booleans, self.numbers, self.strings, arrays, objects)


ANY_VALUE = Form(True, BOOLEANS, (ANY_NUMBER,), (ANY_STRING,), (ANY_ARRAY,), (ANY_OBJECT,))
NO_VALUE = Form()


def union(forms: Iterable[Form]) -> Form:
    """The values in any of `forms`."""
    forms = list(forms)
    return Form(
        any(form.null for form in forms),
        frozenset().union(*[form.booleans for form in forms]),
        numbers.with_values_together(alternatives.join([form.numbers for form in forms], ANY_NUMBER)),
        strings.with_values_together(alternatives.join([form.strings for form in forms], ANY_STRING)),
        alternatives.join([form.arrays for form in forms], ANY_ARRAY),
        alternatives.join([form.objects for form in forms], ANY_OBJECT),
        any(form.loose for form in forms),
    )


def together(forms: Iterable[Form], decide: Decide) -> Form:
    """The values in any of `forms`; where one is in several of them, what each evaluates counts.

    Raises GrammarError for too many alternatives.
    """
    forms = list(forms)
    arrays = alternatives.join_evaluated([form.arrays for form in forms], lambda shape: shape.inhabited(decide))
    objects = alternatives.join_evaluated([form.objects for form in forms], lambda shape: shape.inhabited(decide))
    return replace(union(forms), arrays=arrays, objects=objects)


def of_objects(*shapes: ObjectShape) -> Form:
    """Any value that is no object, and the objects of `shapes`."""
    return Form(True, BOOLEANS, (ANY_NUMBER,), (ANY_STRING,), (ANY_ARRAY,), shapes)
