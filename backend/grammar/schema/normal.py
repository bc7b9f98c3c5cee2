"""Expressions -> normal forms, on demand and once each; and whether an expression can be satisfied at all."""

from collections.abc import Callable
from itertools import combinations

from backend.grammar.errors import GrammarError
from backend.grammar.schema.document import Document
from backend.grammar.schema.expressions import (
    NOTHING,
    Conjunction,
    Constant,
    Expression,
    Negation,
    Neutral,
    Subschema,
    negate,
    neutral,
)
from backend.grammar.schema.keywords import mapping, names, sequence
from backend.grammar.schema.reading import assertions, constant, constants
from backend.grammar.schema.shapes.alternatives import located
from backend.grammar.schema.shapes.form import ANY_VALUE, NO_VALUE, Form, of_objects, union
from backend.grammar.schema.shapes.objects import Names, ObjectShape
from backend.grammar.schema.shapes.strings import language_of


class BareRecursion(GrammarError):
    """A schema whose normal form needs itself."""


class Normaliser:
    """The normal forms of one document."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._forms: dict[Expression, Form] = {}
        self._unfinished: set[Expression] = set()
        self._inhabited: dict[Expression, bool] = {}

    def form(self, expression: Expression) -> Form:
        """The normal form. Raises GrammarError where the expression is malformed, cannot be said or needs itself."""
        known = self._forms.get(expression)
        if known is not None:
            return known
        if expression in self._unfinished:
            pointer = expression.pointer if isinstance(expression, Subschema) else ""
            raise BareRecursion("a $ref leads back to itself without an object or array in between", pointer)
        self._unfinished.add(expression)
        try:
            form = self._forms[expression] = self._new_form(expression).pruned(self.inhabited)
        finally:
            self._unfinished.discard(expression)
        return form

    def inhabited(self, expression: Expression) -> bool:
        """False only where no value satisfies the expression; recursion that is still being looked at counts as one."""
        known = self._inhabited.get(expression)
        if known is None:
            self._inhabited[expression] = True
            try:
                known = self.form(expression).inhabited(self.inhabited)
            except BareRecursion:
                del self._inhabited[expression]
                return True
            self._inhabited[expression] = known
        return known

    def _new_form(self, expression: Expression) -> Form:
        if isinstance(expression, Constant):
            return constant(expression.value, expression.pointer)
        if isinstance(expression, Negation):
            return NO_VALUE if expression is NOTHING else self.form(expression.part).complement()
        if isinstance(expression, Neutral):
            return self.form(expression.part).as_condition()
        if isinstance(expression, Conjunction):
            return self._meet(expression.parts)
        assert isinstance(expression, Subschema)
        with located(expression.pointer):
            return self._of_subschema(expression)

    def _meet(self, parts: tuple[Expression, ...]) -> Form:
        form = ANY_VALUE
        for part in parts:
            form = form.meet(self.form(part))
        return form

    def _of_subschema(self, subschema: Subschema) -> Form:
        form = assertions(self._document, subschema)
        for keyword, applicator in APPLICATORS.items():
            if keyword in subschema.raw:
                form = form.meet(applicator(self, subschema))
        return form

    def _branches(self, subschema: Subschema, keyword: str) -> list[Expression]:
        branches = sequence(subschema.raw, keyword, subschema.pointer)
        if not branches:
            raise GrammarError(f"{keyword} must not be empty", subschema.pointer)
        return [self._document.child(subschema, keyword, position) for position in range(len(branches))]

    # Applicators

    def _reference(self, subschema: Subschema) -> Form:
        return self.form(self._document.reference(subschema, "$ref"))

    def _dynamic_reference(self, subschema: Subschema) -> Form:
        return self.form(self._document.reference(subschema, "$dynamicRef"))

    def _recursive_reference(self, subschema: Subschema) -> Form:
        return self.form(self._document.reference(subschema, "$recursiveRef"))

    def _all_of(self, subschema: Subschema) -> Form:
        return self._meet(tuple(self._branches(subschema, "allOf")))

    def _any_of(self, subschema: Subschema) -> Form:
        return union(self.form(branch) for branch in self._branches(subschema, "anyOf"))

    def _one_of(self, subschema: Subschema) -> Form:
        """Each branch without the others that it has values in common with."""
        branches = self._branches(subschema, "oneOf")
        forms = [self.form(branch) for branch in branches]
        exact = list(forms)
        for i, j in combinations(range(len(forms)), 2):
            if forms[i].overlaps(forms[j], self.inhabited):
                try:
                    exact[i] = exact[i].meet(forms[j].complement())
                    exact[j] = exact[j].meet(forms[i].complement())
                except GrammarError as error:
                    message = f"oneOf branches {i} and {j} overlap, and the values of just one cannot be told: {error}"
                    raise GrammarError(message, subschema.pointer) from error
        return union(exact)

    def _not(self, subschema: Subschema) -> Form:
        try:
            return self.form(negate(self._document.child(subschema, "not")))
        except GrammarError as error:
            raise GrammarError(f"'not' cannot be enforced here: {error}", subschema.pointer) from error

    def _condition(self, subschema: Subschema) -> Form:
        """(if and then) or (not if and else)."""
        if subschema.raw.keys().isdisjoint(("then", "else")):
            return ANY_VALUE
        condition = self._document.child(subschema, "if")
        held, failed = self.form(neutral(condition)), self.form(negate(condition))
        for keyword in ("then", "else"):
            if keyword in subschema.raw:
                consequence = self.form(self._document.child(subschema, keyword))
                if keyword == "then":
                    held = consequence.meet(held)
                else:
                    failed = consequence.meet(failed)
        return union([held, failed])

    def _constants(self, subschema: Subschema) -> Form:
        return constants(sequence(subschema.raw, "enum", subschema.pointer), f"{subschema.pointer}/enum")

    def _constant(self, subschema: Subschema) -> Form:
        return constant(subschema.raw["const"], f"{subschema.pointer}/const")

    def _property_names(self, subschema: Subschema) -> Form:
        allowed = self.form(self._document.child(subschema, "propertyNames")).strings
        if not allowed:
            return of_objects(ObjectShape(most=0))
        forbidden = ~language_of(allowed)
        if forbidden.is_empty:
            return ANY_VALUE
        return of_objects(ObjectShape(keyed=((Names(forbidden), NOTHING),)))

    def _dependent_required(self, subschema: Subschema) -> Form:
        return self._dependencies(subschema, "dependentRequired")

    def _dependent_schemas(self, subschema: Subschema) -> Form:
        return self._dependencies(subschema, "dependentSchemas")

    def _old_dependencies(self, subschema: Subschema) -> Form:
        return self._dependencies(subschema, "dependencies")

    def _dependencies(self, subschema: Subschema, keyword: str) -> Form:
        """For each name: it is absent, or what depends on it holds."""
        form = ANY_VALUE
        for name, needed in mapping(subschema.raw, keyword, subschema.pointer).items():
            absent = of_objects(ObjectShape({name: NOTHING}))
            form = form.meet(union([absent, self._needed(subschema, keyword, name, needed)]))
        return form

    def _needed(self, subschema: Subschema, keyword: str, name: str, needed: object) -> Form:
        if keyword != "dependentSchemas" and (keyword == "dependentRequired" or isinstance(needed, list)):
            required = names(needed, f"{subschema.pointer}/{keyword}")
            return of_objects(ObjectShape(required=frozenset(required), declared=tuple(required)))
        dependent = self.form(self._document.child(subschema, keyword, name))
        return of_objects(*dependent.objects)


APPLICATORS: dict[str, Callable[[Normaliser, Subschema], Form]] = {
    "enum": Normaliser._constants,
    "const": Normaliser._constant,
    "$ref": Normaliser._reference,
    "$dynamicRef": Normaliser._dynamic_reference,
    "$recursiveRef": Normaliser._recursive_reference,
    "allOf": Normaliser._all_of,
    "anyOf": Normaliser._any_of,
    "oneOf": Normaliser._one_of,
    "not": Normaliser._not,
    "if": Normaliser._condition,
    "propertyNames": Normaliser._property_names,
    "dependentRequired": Normaliser._dependent_required,
    "dependentSchemas": Normaliser._dependent_schemas,
    "dependencies": Normaliser._old_dependencies,
}
