"""Recursion that is a repetition: the regular languages of rules that refer to each other, where they have some.

The languages are guessed, then proved. The guess returns from a reference to wherever some reference to the same rule
returns (Mohri and Nederhof, "Regular approximation of context-free grammars through transformation", 2001, in terms of
automata); only the outermost rule is kept apart. It holds all strings of the rules. Conversely it holds no others if
each of its strings is one of the rule's body with strings of the guess for references, all of them shorter than the
whole: by induction on its length.
"""

from collections.abc import Sequence

from backend.grammar.chars.dfa import CharDfa
from backend.grammar.chars.nfa import Nfa
from backend.grammar.context_free.automata import automaton_of, deterministic, unconnected
from backend.grammar.context_free.definitions import FIRST_LETTER, Grammar, referred
from backend.grammar.errors import GrammarError
from backend.grammar.limits import Limits

Languages = dict[int, CharDfa]
SMALL = 8
"""States of a language that takes the place of references to it."""


def regular_languages(grammar: Grammar, component: Sequence[int], known: Languages, limits: Limits) -> Languages | None:
    """By definition of a component that leads back to itself, its language; references out of it are characters.

    known: languages of others, of which small ones take the place of their references, so that it is seen that
    `ws x ws` is a repetition.
    None where it is not regular, or not in a way that is seen here within `limits`. Raises GrammarError for a rule that
    is too large by itself.
    """
    rules = _Component(grammar, component, known, limits)
    try:
        return rules.languages()
    except GrammarError:
        return None


class _Component:
    def __init__(self, grammar: Grammar, component: Sequence[int], known: Languages, limits: Limits) -> None:
        self.grammar, self.limits = grammar, limits
        self.bodies = {member: automaton_of(grammar.definitions[member], limits) for member in component}
        for body in self.bodies.values():
            _insert_small(body, known)
        self.nullable = self._nullable()

    def languages(self) -> Languages | None:
        guess = {member: self._deterministic(self._guess(member), member) for member in self.bodies}
        return guess if all(self._proved(member, guess) for member in self.bodies) else None

    def _deterministic(self, nfa: Nfa, member: int) -> CharDfa:
        return deterministic(nfa, self.grammar.definitions[member], self.limits)

    def _member(self, ranges: tuple[tuple[int, int], ...]) -> int | None:
        """The member of the component to which a character refers."""
        number = referred(ranges)
        return number if number in self.bodies else None

    def _nullable(self) -> set[int]:
        """Members with the empty string."""
        found: set[int] = set()
        while True:
            more = {member for member in self.bodies if member not in found and self._is_empty_in(member, found)}
            if not more:
                return found
            found |= more

    def _is_empty_in(self, member: int, nullable: set[int]) -> bool:
        body = self.bodies[member]
        return body.final in self._silently(body, body.start, nullable)

    def _silently(self, body: Nfa, state: int, nullable: set[int]) -> set[int]:
        """The states to which the empty string leads."""
        seen, pending = {state}, [state]
        while pending:
            at = pending.pop()
            reached = [to for to, _ in body.silent[at]]
            reached += [to for ranges, to in body.reads[at] if self._member(ranges) in nullable]
            new = set(reached) - seen
            seen |= new
            pending += new
        return seen

    def _guess(self, entry: int) -> Nfa:
        """All bodies in one, that of the entry twice, with silent moves for references and for their returns."""
        nfa = unconnected()
        first = {member: _reserve(nfa, body) for member, body in self.bodies.items()}
        outermost = _reserve(nfa, self.bodies[entry])
        for shift, member in [*((shift, member) for member, shift in first.items()), (outermost, entry)]:
            body = self.bodies[member]
            for state, (reads, silent) in enumerate(zip(body.reads, body.silent, strict=True)):
                nfa.silent[shift + state] += [(shift + to, None) for to, _ in silent]
                for ranges, to in reads:
                    other = self._member(ranges)
                    if other is None:
                        nfa.reads[shift + state].append((ranges, shift + to))
                    else:
                        nfa.silent[shift + state].append((first[other] + self.bodies[other].start, None))
                        nfa.silent[first[other] + self.bodies[other].final].append((shift + to, None))
        nfa.silent[nfa.start].append((outermost + self.bodies[entry].start, None))
        nfa.silent[outermost + self.bodies[entry].final].append((nfa.final, None))
        return nfa

    def _proved(self, member: int, guess: Languages) -> bool:
        """Whether all that is guessed of a member is in its language, if that holds of shorter strings."""
        if guess[member].accept[0] and member not in self.nullable:
            return False
        nfa = unconnected()
        for other in self._units(member):
            self._add_proper(nfa, self.bodies[other], guess)
        missing = guess[member] - self._deterministic(nfa, member)
        return missing.is_empty or missing == CharDfa.literals([""])

    def _units(self, member: int) -> set[int]:
        """Members that may stand for the whole of `member`, itself included."""
        found, pending = {member}, [member]
        while pending:
            body = self.bodies[pending.pop()]
            before = self._silently(body, body.start, self.nullable)
            for state in before:
                for ranges, to in body.reads[state]:
                    other = self._member(ranges)
                    if other is None or other in found:
                        continue
                    if body.final in self._silently(body, to, self.nullable):
                        found.add(other)
                        pending.append(other)
        return found

    def _add_proper(self, nfa: Nfa, body: Nfa, guess: Languages) -> None:
        """The strings of a body with guessed strings for references, none of which is the whole.

        There are three copies of each state: nothing was read so far, one guessed string was, something else was.
        """
        first = len(nfa.reads)
        for _ in range(3 * len(body.reads)):
            nfa.state()
        for state, (reads, silent) in enumerate(zip(body.reads, body.silent, strict=True)):
            for copy in range(3):
                at = first + 3 * state + copy
                nfa.silent[at] += [(first + 3 * to + copy, None) for to, _ in silent]
                for ranges, to in reads:
                    other, target = self._member(ranges), first + 3 * to
                    if other is None:
                        nfa.reads[at].append((ranges, target + 2))
                        continue
                    _add_strings(nfa, at, guess[other], target + min(copy + 1, 2))
                    if other in self.nullable:
                        nfa.silent[at].append((target + copy, None))
        nfa.silent[nfa.start].append((first + 3 * body.start, None))
        nfa.silent[first + 3 * body.final + 2].append((nfa.final, None))


def _reserve(nfa: Nfa, body: Nfa) -> int:
    """The first of new states, as many as `body` has."""
    first = len(nfa.reads)
    for _ in body.reads:
        nfa.state()
    return first


def _insert_small(body: Nfa, known: Languages) -> None:
    """References to small languages of nothing but characters become the languages."""
    small = {number for number, language in known.items() if _is_small(language)}
    for state in range(len(body.reads)):
        reads, body.reads[state] = body.reads[state], []
        for ranges, to in reads:
            number = referred(ranges)
            if number is None or number not in small:
                body.reads[state].append((ranges, to))
                continue
            _add_strings(body, state, known[number], to)
            if known[number].accept[0]:
                body.silent[state].append((to, None))


def _is_small(language: CharDfa) -> bool:
    return len(language) <= SMALL and all(high < FIRST_LETTER for arcs in language.next for _, high, _ in arcs)


def _add_strings(nfa: Nfa, a: int, language: CharDfa, b: int) -> None:
    """The strings of `language` but the empty one lead from a to b."""
    nodes = [nfa.state() for _ in language.next]
    for state, arcs in enumerate(language.next):
        for low, high, target in arcs:
            nfa.reads[nodes[state]].append((((low, high),), nodes[target]))
            if state == 0:
                nfa.reads[a].append((((low, high),), nodes[target]))
        if language.accept[state]:
            nfa.silent[nodes[state]].append((b, None))
