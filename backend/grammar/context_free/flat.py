"""A grammar whose rules refer to each other -> one language of characters, where it is one."""

from backend.grammar.chars.dfa import CharDfa
from backend.grammar.chars.nfa import Nfa
from backend.grammar.context_free.automata import deterministic, unconnected
from backend.grammar.context_free.definitions import FIRST_LETTER, referred
from backend.grammar.context_free.resolve import Resolved
from backend.grammar.errors import GrammarError
from backend.grammar.limits import Limits


def flattened(resolved: Resolved, limits: Limits) -> CharDfa:
    """The texts of the whole grammar. Raises GrammarError where rules stand in brackets, or there is a JSON schema."""
    return _Flattener(resolved, limits).language(resolved.grammar.start)


class _Flattener:
    def __init__(self, resolved: Resolved, limits: Limits) -> None:
        self._resolved, self._limits = resolved, limits
        self._found: dict[int, CharDfa] = {}

    def language(self, number: int) -> CharDfa:
        found = self._found.get(number)
        if found is None:
            found = self._found[number] = self._flat(number)
        return found

    def _flat(self, number: int) -> CharDfa:
        definition = self._resolved.grammar.definitions[number]
        if definition.is_schema or definition.brackets is not None:
            what = "has a JSON schema" if definition.is_schema else "contains itself in brackets"
            raise GrammarError(
                f"{definition.called} {what}, which cannot stand in a string of this model's form of calls: nothing "
                "would keep it from having the text that ends the string"
            )
        language = self._resolved.languages[number]
        if all(high < FIRST_LETTER for arcs in language.next for _, high, _ in arcs):
            return language
        nfa = unconnected()
        self._insert(nfa, language, nfa.start, nfa.final)
        return deterministic(nfa, definition, self._limits)

    def _insert(self, nfa: Nfa, language: CharDfa, a: int, b: int) -> None:
        """The strings of a language lead from a to b, those of others in the place of their references."""
        states = [nfa.state() for _ in language.next]
        if len(nfa.reads) > self._limits.pattern_nfa_states:
            raise GrammarError(f"the grammar needs more than {self._limits.pattern_nfa_states} NFA states in a string")
        nfa.silent[a].append((states[0], None))
        for state, arcs in enumerate(language.next):
            for low, high, target in arcs:
                number = referred(((low, high),))
                if number is None:
                    nfa.reads[states[state]].append((((low, high),), states[target]))
                    continue
                for one in range(number, number + high - low + 1):
                    self._insert(nfa, self.language(one), states[state], states[target])
            if language.accept[state]:
                nfa.silent[states[state]].append((b, None))
