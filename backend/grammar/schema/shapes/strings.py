"""Sets of strings: candidates, or a language of characters together with bounds on the length, which stay numbers."""

from collections.abc import Iterable
from dataclasses import dataclass

from backend.grammar.chars.dfa import CharDfa
from backend.grammar.chars.lengths import has_length
from backend.grammar.schema.shapes.alternatives import Refusal, refuse, together


@dataclass(frozen=True, slots=True, eq=False)
class StringShape:
    """Strings of `language` (None: any) that have `least` to `most` (None: any number of) characters.

    values: the only candidates, None for all; they already satisfy the rest. refusals: what cannot be enforced.
    one_sided: why strings outside the set may be taken for members by others, such as a format of which only a part is
    written. Such a set has no complement, and is never seen to have nothing in common with another. keywords: pointers
    of those that `language` stems from.
    """

    language: CharDfa | None = None
    least: int = 0
    most: int | None = None
    values: frozenset[str] | None = None
    refusals: tuple[Refusal, ...] = ()
    one_sided: tuple[Refusal, ...] = ()
    keywords: tuple[str, ...] = ()

    def meet(self, other: "StringShape") -> "StringShape | None":
        """The strings in both; None where that is seen to be none."""
        refusals, one_sided = self.refusals + other.refusals, self.one_sided + other.one_sided
        if self.values is not None:
            values = frozenset(filter(other._admits, self.values))
            either = values or one_sided
            return StringShape(values=values, refusals=refusals, one_sided=one_sided) if either else None
        if other.values is not None:
            return other.meet(self)
        language = other.language if self.language is None else self.language
        keywords = tuple(dict.fromkeys(self.keywords + other.keywords))
        if self.language is not None and other.language is not None:
            with together(keywords):
                language = self.language & other.language
        most = min((most for most in (self.most, other.most) if most is not None), default=None)
        least = max(self.least, other.least)
        if (most is not None and least > most) or (language is not None and language.is_empty and not one_sided):
            return None
        return StringShape(language, least, most, None, refusals, one_sided, keywords)

    def complement(self) -> list["StringShape"]:
        """The strings outside, as alternatives. Raises GrammarError for a restriction that cannot be enforced."""
        refuse(self.refusals + self.one_sided)
        if self.values is not None:
            return [StringShape(~CharDfa.literals(self.values))]
        outside = []
        if self.language is not None:
            rest = ~self.language
            outside += [] if rest.is_empty else [StringShape(rest, keywords=self.keywords)]
        if self.least > 0:
            outside.append(StringShape(most=self.least - 1))
        if self.most is not None:
            outside.append(StringShape(least=self.most + 1))
        return outside

    def inhabited(self) -> bool:
        """Whether there may be such a string."""
        if self.one_sided or self.language is None:
            return True
        return bool(self.values) if self.values is not None else has_length(self.language, self.least, self.most)

    def contents(self) -> CharDfa | None:
        """Every string of the set, as one language; None for any string. Raises GrammarError where it is too large."""
        if self.values is not None:
            return CharDfa.literals(self.values)
        least, most = self.idle_left_out()
        if least == 0 and most is None:
            return self.language
        with together((*self.keywords, "a bound on the length")):
            lengths = CharDfa.lengths(least, most)
            return lengths if self.language is None else self.language & lengths

    def idle_left_out(self) -> tuple[int, int | None]:
        """The bounds on the length, without those that the language alone sees to."""
        least, most = self.least, self.most
        if self.language is None or self.language.is_empty:
            return (least, most) if self.language is None else (0, None)
        longest = None if most is None else self.language.longest()
        enough = least > 0 and self.language.shortest() >= least
        return 0 if enough else least, None if longest is not None and longest <= (most or 0) else most

    def _admits(self, value: str) -> bool:
        if self.values is not None:
            return value in self.values
        enough = self.least <= len(value) and (self.most is None or len(value) <= self.most)
        return enough and (self.language is None or self.language.matches(value))


ANY_STRING = StringShape()


def with_values_together(shapes: Iterable[StringShape]) -> tuple[StringShape, ...]:
    """The same union, with one shape for all candidates."""
    others, values = [], []
    for shape in shapes:
        if shape.values is None or shape.refusals or shape.one_sided:
            others.append(shape)
        else:
            values.append(shape.values)
    return (*others, StringShape(values=frozenset().union(*values))) if values else tuple(others)


def language_of(shapes: tuple[StringShape, ...]) -> CharDfa:
    """Every string of a union. Raises GrammarError for a restriction that cannot be enforced."""
    union: CharDfa | None = None
    keywords: list[str] = []
    for shape in shapes:
        refuse(shape.refusals)
        contents = shape.contents()
        if contents is None:
            return CharDfa.any_string()
        keywords += shape.keywords
        with together(keywords):
            union = contents if union is None else union | contents
    assert union is not None, "an empty union has no language"
    return union
