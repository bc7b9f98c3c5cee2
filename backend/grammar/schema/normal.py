"""Expressions -> normal forms, on demand and once each; and whether an expression can be satisfied at all."""

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from itertools import combinations

from backend.grammar.errors import GrammarError, TooManyAlternatives
from backend.grammar.schema.document import Document
from backend.grammar.schema.expressions import (
    NOTHING,
    Conjunction,
    Constant,
    Disjunction,
    Expression,
    Negation,
    Neutral,
    Subschema,
    negate,
)
from backend.grammar.schema.keywords import mapping, names, sequence
from backend.grammar.schema.reading import assertions, constant, constants
from backend.grammar.schema.shapes.alternatives import located
from backend.grammar.schema.shapes.form import ANY_VALUE, NO_VALUE, Form, of_objects, together, union
from backend.grammar.schema.shapes.objects import Names, ObjectShape
from backend.grammar.schema.shapes.strings import language_of
from backend.grammar.schema.unenforced import note_unenforced

FEW = 8
"""Alternatives that a keyword may make which is left to a check in part."""
UNEVALUATED = ("unevaluatedItems", "unevaluatedProperties")


class BareRecursion(GrammarError):
    """A schema whose normal form needs itself."""


class Normaliser:
    """The normal forms of one document."""

    def __init__(self, document: Document) -> None:
        self._document, self.notebook = document, document.notebook
        self._forms: dict[tuple[Expression, bool], Form] = {}
        self._unfinished: set[tuple[Expression, bool]] = set()
        self._inhabited: dict[Expression, bool] = {}

    def form(self, expression: Expression, evaluated: bool = False) -> Form:
        """The normal form. evaluated: its shapes say all that is evaluated.

        Raises GrammarError where the expression is malformed, cannot be said or needs itself.
        """
        key = (expression, evaluated)
        known = self._forms.get(key)
        if known is not None:
            return known
        if key in self._unfinished:
            pointer = expression.pointer if isinstance(expression, Subschema) else ""
            raise BareRecursion("a $ref leads back to itself without an object or array in between", pointer)
        self._unfinished.add(key)
        try:
            form = self._forms[key] = self._new_form(expression, evaluated).pruned(self.inhabited)
        finally:
            self._unfinished.discard(key)
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

    def _new_form(self, expression: Expression, evaluated: bool) -> Form:
        if isinstance(expression, Constant):
            return constant(expression.value, expression.pointer)
        if isinstance(expression, Negation):
            return NO_VALUE if expression is NOTHING else self.form(expression.part).complement(self.inhabited)
        if isinstance(expression, Neutral):
            return self.form(expression.part).as_condition().unevaluated()
        if isinstance(expression, Disjunction):
            return union(self.form(part) for part in expression.parts)
        if isinstance(expression, Conjunction):
            return self._of_conjunction(expression.parts, evaluated)
        assert isinstance(expression, Subschema)
        with located(expression.pointer):
            return self._of_subschema(expression, evaluated)

    def _of_conjunction(self, parts: tuple[Expression, ...], evaluated: bool) -> Form:
        """Conjunctions grow part by part where schemas meet, so all but the last part are often known."""
        known = self._forms.get((Conjunction(parts[:-1]), evaluated))
        if known is not None:
            return self._meet(known, [self.form(parts[-1], evaluated)])
        return self._meet(ANY_VALUE, [self.form(part, evaluated) for part in parts])

    def _meet(self, form: Form, others: Iterable[Form]) -> Form:
        """The values in all of them. Where alternatives multiply, those that have no value go before there are more."""
        for other in others:
            met = form.meet(other)
            multiplied = met.combinations() > max(form.combinations(), other.combinations())
            form = met.pruned(self.inhabited) if multiplied else met
        return form

    def _of_subschema(self, subschema: Subschema, evaluated: bool) -> Form:
        raw = subschema.raw
        closing = not raw.keys().isdisjoint(UNEVALUATED)
        note_unenforced(self.notebook, subschema)
        form = assertions(self._document, subschema)
        for keyword, applicator in APPLICATORS.items():
            if keyword in raw:
                form = self._apply(form, subschema, keyword, partial(applicator, self, subschema, evaluated or closing))
        form = self._close(subschema, form) if closing else form
        return replace(form, null=True) if raw.get("nullable") is True else form

    def _apply(self, form: Form, subschema: Subschema, keyword: str, parts: Callable[[], Iterable[Form]]) -> Form:
        """The values in a form and in all `parts` that `keyword` adds; if these are too many alternatives, in those
        that make few of them, and the keyword is left to a check of the finished output."""
        try:
            return self._meet(form, parts())
        except TooManyAlternatives as error:
            self.notebook.defer(f"{subschema.pointer}/{keyword}", error.message)
        with suppress(TooManyAlternatives):
            for part in self._rough_parts(subschema, keyword, parts):
                met = form.meet(part)
                few = max(FEW, form.combinations(), part.combinations())
                form = met if met.combinations() <= few else form
        return replace(form, loose=True)

    def _rough_parts(self, subschema: Subschema, keyword: str, parts: Callable[[], Iterable[Form]]) -> Iterable[Form]:
        """What `keyword` adds, or more; of branches what they allow together, whatever they evaluate."""
        if keyword in ("anyOf", "oneOf"):
            return [union(self.form(branch) for branch in self._branches(subschema, keyword))]
        return parts()

    def _close(self, subschema: Subschema, form: Form) -> Form:
        """The values of a form of which what is not evaluated satisfies `unevaluatedItems` and
        `unevaluatedProperties`. They are left to a check of the finished output where that is not known."""
        if form.loose:
            for keyword in subschema.raw.keys() & set(UNEVALUATED):
                self.notebook.defer(f"{subschema.pointer}/{keyword}", "what is evaluated has too many alternatives")
            return form
        items, properties = [
            self._document.child(subschema, keyword) if keyword in subschema.raw else None for keyword in UNEVALUATED
        ]
        return form.close(items, properties)

    def _branches(self, subschema: Subschema, keyword: str) -> list[Expression]:
        branches = sequence(subschema.raw, keyword, subschema.pointer)
        if not branches:
            raise GrammarError(f"{keyword} must not be empty", subschema.pointer)
        return [self._document.child(subschema, keyword, position) for position in range(len(branches))]

    # Applicators: forms of which all must hold. evaluated: as of `form`.

    def _reference(self, subschema: Subschema, evaluated: bool) -> Iterable[Form]:
        yield self.form(self._document.reference(subschema, "$ref"), evaluated)

    def _dynamic_reference(self, subschema: Subschema, evaluated: bool) -> Iterable[Form]:
        yield self.form(self._document.reference(subschema, "$dynamicRef"), evaluated)

    def _recursive_reference(self, subschema: Subschema, evaluated: bool) -> Iterable[Form]:
        yield self.form(self._document.reference(subschema, "$recursiveRef"), evaluated)

    def _all_of(self, subschema: Subschema, evaluated: bool) -> Iterable[Form]:
        for branch in self._branches(subschema, "allOf"):
            yield self.form(branch, evaluated)

    def _any_of(self, subschema: Subschema, evaluated: bool) -> Iterable[Form]:
        forms = [self.form(branch, evaluated) for branch in self._branches(subschema, "anyOf")]
        yield together(forms, self.inhabited) if evaluated else union(forms)

    def _one_of(self, subschema: Subschema, evaluated: bool) -> Iterable[Form]:
        """Each branch without the others that it has values in common with."""
        branches = self._branches(subschema, "oneOf")
        forms = [self.form(branch) for branch in branches]
        exact = [self.form(branch, evaluated) for branch in branches]
        for i, j in combinations(range(len(forms)), 2):
            if forms[i].overlaps(forms[j], self.inhabited):
                try:
                    exact[i] = self._meet(exact[i], [forms[j].complement(self.inhabited)])
                    exact[j] = self._meet(exact[j], [forms[i].complement(self.inhabited)])
                except GrammarError as error:
                    message = f"oneOf branches {i} and {j} overlap, and the values of just one cannot be told: {error}"
                    raise GrammarError(message, subschema.pointer) from error
        yield together(exact, lambda _: False) if evaluated else union(exact)

    def _not(self, subschema: Subschema, evaluated: bool) -> Iterable[Form]:
        try:
            yield self.form(negate(self._document.child(subschema, "not")))
        except GrammarError as error:
            raise GrammarError(f"'not' cannot be enforced here: {error}", subschema.pointer) from error

    def _condition(self, subschema: Subschema, evaluated: bool) -> Iterable[Form]:
        """(if and then) or (not if and else)."""
        raw = subschema.raw
        if not evaluated and raw.keys().isdisjoint(("then", "else")):
            return
        condition = self._document.child(subschema, "if")
        held, failed = self.form(condition, evaluated).as_condition(), self.form(negate(condition))
        if "then" in raw:
            held = self._meet(self.form(self._document.child(subschema, "then"), evaluated), [held])
        if "else" in raw:
            failed = self._meet(self.form(self._document.child(subschema, "else"), evaluated), [failed])
        yield together([held, failed], lambda _: False) if evaluated else union([held, failed])

    def _constants(self, subschema: Subschema, evaluated: bool) -> Iterable[Form]:
        yield constants(sequence(subschema.raw, "enum", subschema.pointer), f"{subschema.pointer}/enum")

    def _constant(self, subschema: Subschema, evaluated: bool) -> Iterable[Form]:
        yield constant(subschema.raw["const"], f"{subschema.pointer}/const")

    def _property_names(self, subschema: Subschema, evaluated: bool) -> Iterable[Form]:
        allowed = self.form(self._document.child(subschema, "propertyNames")).strings
        if not allowed:
            yield of_objects(ObjectShape(most=0))
            return
        forbidden = ~language_of(allowed)
        if not forbidden.is_empty:
            yield of_objects(ObjectShape(keyed=((Names(forbidden), NOTHING),)))

    def _dependent_required(self, subschema: Subschema, evaluated: bool) -> Iterable[Form]:
        return self._dependencies(subschema, "dependentRequired", evaluated)

    def _dependent_schemas(self, subschema: Subschema, evaluated: bool) -> Iterable[Form]:
        return self._dependencies(subschema, "dependentSchemas", evaluated)

    def _old_dependencies(self, subschema: Subschema, evaluated: bool) -> Iterable[Form]:
        return self._dependencies(subschema, "dependencies", evaluated)

    def _dependencies(self, subschema: Subschema, keyword: str, evaluated: bool) -> Iterable[Form]:
        """For each name: it is absent, or what depends on it holds."""
        for name, needed in mapping(subschema.raw, keyword, subschema.pointer).items():
            holds = self._needed(subschema, keyword, name, needed, evaluated)
            yield union([self._absent(name, holds), holds])

    def _absent(self, name: str, holds: Form) -> Form:
        """The values without `name`; where it is easily said, only those that are not in `holds`: what many names ask
        of one property then has as many alternatives as that has kinds of values."""
        absent = of_objects(ObjectShape({name: NOTHING}))
        try:
            others = holds.complement(self.inhabited).objects
        except GrammarError:
            return absent
        return absent.meet(of_objects(*others)) if len(others) == 1 else absent

    def _needed(self, subschema: Subschema, keyword: str, name: str, needed: object, evaluated: bool) -> Form:
        if keyword != "dependentSchemas" and (keyword == "dependentRequired" or isinstance(needed, list)):
            required = names(needed, f"{subschema.pointer}/{keyword}")
            return of_objects(ObjectShape(required=frozenset(required), declared=tuple(required)))
        dependent = self.form(self._document.child(subschema, keyword, name), evaluated)
        if not evaluated:
            return of_objects(*dependent.objects)
        present = of_objects(ObjectShape(required=frozenset([name])))
        return of_objects(*present.meet(dependent).objects)


APPLICATORS: dict[str, Callable[[Normaliser, Subschema, bool], Iterable[Form]]] = {
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
