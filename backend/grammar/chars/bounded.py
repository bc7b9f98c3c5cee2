"""Regular expressions such as `^[a-z]{1,500}$`, or with a look-ahead `(?=.{1,253}$)`: the length stays a number.

An automaton that counts, together with one that does not, would need a state for every pair.
"""

from itertools import product, takewhile
from math import prod
from typing import NamedTuple

from backend.grammar.chars.dfa import CharDfa
from backend.grammar.chars.nfa import AT_END, AT_START
from backend.grammar.chars.parse import language_of, pattern
from backend.grammar.chars.reader import read
from backend.grammar.chars.syntax import Chars, Look, Node, Repeat, Sequence

_FEW = 32
"""Characters that an automaton may as well count."""
_MOST_ALTERNATIVES = 16


class Bounded(NamedTuple):
    """Texts of `language` of `least` to `most` characters."""

    language: CharDfa
    least: int = 0
    most: int | None = None


def bounded_pattern(text: str) -> list[Bounded]:
    """The texts in which a regular expression matches somewhere, as a union. Raises GrammarError as `pattern` does."""
    node = read(text)
    parts = node.parts if isinstance(node, Sequence) else ()
    if parts[:1] != (AT_START,):
        return [Bounded(pattern(text))]
    looks = list(takewhile(lambda part: isinstance(part, Look), parts[1:]))
    body = parts[1 + len(looks) :]
    counted = [found for found in (*map(_counted_look, looks), _counted(body)) if found]
    if not counted or prod(map(len, counted)) > _MOST_ALTERNATIVES:
        return [Bounded(pattern(text))]
    others = [look for look in looks if not _counted_look(look)]
    alternatives = [Bounded(language_of(Sequence((AT_START, *others, *(() if _counted(body) else body)))))]
    for found in counted:
        alternatives = [_both(a, b) for a, b in product(alternatives, found)]
    return alternatives


def _both(a: Bounded, b: Bounded) -> Bounded:
    most = min((most for most in (a.most, b.most) if most is not None), default=None)
    return Bounded(a.language & b.language, max(a.least, b.least), most)


def _counted_look(node: Node) -> list[Bounded]:
    if isinstance(node, Look) and node.ahead and not node.negated and isinstance(node.part, Sequence):
        return _counted(node.part.parts)
    return []


def _counted(parts: tuple[Node, ...]) -> list[Bounded]:
    """The texts of a long repetition and few more characters up to the end; nothing for any other parts."""
    if len(parts) < 2 or parts[-1] != AT_END or not all(map(_is_one_or_none, parts[1:-1])):
        return []
    first, rest = parts[0], parts[1:]
    if not (isinstance(first, Repeat) and isinstance(first.part, Chars) and (first.high or 0) > _FEW):
        return []
    assert first.high is not None
    endings = {tuple(char for option in chosen for char in option) for chosen in product(*map(_options, rest[:-1]))}
    return [
        Bounded(
            language_of(Sequence((AT_START, Repeat(first.part, 0, None), *ending, AT_END))),
            first.low + len(ending),
            first.high + len(ending),
        )
        for ending in sorted(endings, key=len)
    ]


def _is_one_or_none(node: Node) -> bool:
    return isinstance(node, Chars) or (isinstance(node, Repeat) and isinstance(node.part, Chars) and node.high == 1)


def _options(node: Node) -> list[tuple[Node, ...]]:
    """The ways of writing a part: a character, or nothing where it may be left out."""
    if isinstance(node, Repeat):
        return [(), (node.part,)] if node.low == 0 else [(node.part,)]
    return [(node,)]
