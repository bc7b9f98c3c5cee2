"""A regular expression to its language."""

from backend.grammar.chars.dfa import CharDfa
from backend.grammar.chars.lookaround import Context, Lookarounds
from backend.grammar.chars.memory import remembered
from backend.grammar.chars.minimise import minimise
from backend.grammar.chars.nfa import Nfa
from backend.grammar.chars.reader import read
from backend.grammar.chars.subsets import Determinisation
from backend.grammar.chars.syntax import Node, nfa_size
from backend.grammar.errors import GrammarError
from backend.grammar.limits import DEFAULT_LIMITS, Limits


@remembered
def pattern(text: str, search: bool = True, limits: Limits = DEFAULT_LIMITS, ascii_only: bool = False) -> CharDfa:
    r"""The texts that a regular expression matches: somewhere in them if `search`, else as a whole.

    ascii_only: `\s` and the flag i know ASCII only, as `\d` and `\w` always do; otherwise they are ECMA-262's.
    Raises GrammarError where the expression is malformed, not supported (see reader.py) or too large.
    """
    return language_of(read(text, limits, ascii_only), search, limits)


def language_of(node: Node, search: bool = True, limits: Limits = DEFAULT_LIMITS) -> CharDfa:
    """`pattern` of a syntax tree."""
    if nfa_size(node) > limits.pattern_nfa_states:
        raise GrammarError(f"the pattern needs more than {limits.pattern_nfa_states} NFA states")
    return determinised(Nfa(node, before=search, after=search), node, limits)


def determinised(nfa: Nfa, node: Node, limits: Limits = DEFAULT_LIMITS) -> CharDfa:
    """The language of `nfa`, whose look-arounds are those of `node`. Raises GrammarError where it is too large."""

    def build(nfa: Nfa, looks: Lookarounds, context: Context) -> CharDfa:
        return CharDfa(*minimise(*Determinisation(nfa, looks, limits).run(context)))

    looks = Lookarounds(node, build)
    return build(nfa, looks, looks.start)
