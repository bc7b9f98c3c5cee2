"""Trees of definitions as finite automata, in which a reference is one character of its own."""

from backend.grammar.chars.dfa import CharDfa
from backend.grammar.chars.nfa import Nfa
from backend.grammar.chars.parse import determinised
from backend.grammar.chars.syntax import Chars, nfa_size
from backend.grammar.context_free.definitions import Definition
from backend.grammar.errors import GrammarError
from backend.grammar.limits import Limits


def unconnected() -> Nfa:
    """An automaton whose start leads nowhere."""
    return Nfa(Chars(()), before=False, after=False)


def automaton_of(definition: Definition, limits: Limits) -> Nfa:
    """The strings of the definition's body. Raises GrammarError where they need too many states."""
    if nfa_size(definition.body) > limits.pattern_nfa_states:
        raise GrammarError(f"{definition.called} needs more than {limits.pattern_nfa_states} NFA states")
    return Nfa(definition.body, before=False, after=False)


def deterministic(nfa: Nfa, definition: Definition, limits: Limits) -> CharDfa:
    """The language of `nfa`. Raises GrammarError, which names the definition, where it is too large."""
    try:
        return determinised(nfa, definition.body, limits)
    except GrammarError as error:
        raise GrammarError(f"{definition.called}: {error.message}") from error
