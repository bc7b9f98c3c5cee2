"""A regular expression to its language."""

from backend.grammar.chars.dfa import CharDfa
from backend.grammar.chars.memory import remembered
from backend.grammar.chars.minimise import minimise
from backend.grammar.chars.nfa import Nfa
from backend.grammar.chars.reader import read
from backend.grammar.chars.subsets import Determinisation
from backend.grammar.chars.syntax import nfa_size
from backend.grammar.errors import GrammarError
from backend.grammar.limits import DEFAULT_LIMITS, Limits


@remembered
def pattern(text: str, search: bool = True, limits: Limits = DEFAULT_LIMITS) -> CharDfa:
    """The texts that a regular expression matches: somewhere in them if `search`, else as a whole.

    Raises GrammarError where the expression is malformed, not supported (see reader.py) or too large.
    """
    node = read(text, limits)
    if nfa_size(node) > limits.pattern_nfa_states:
        raise GrammarError(f"the pattern needs more than {limits.pattern_nfa_states} NFA states")
    return CharDfa(*minimise(*Determinisation(Nfa(node, search), limits).run()))
