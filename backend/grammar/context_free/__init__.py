"""Context-free grammars in GBNF or Lark syntax -> graph: read, freed of recursion that is a repetition, bracketed.

What is left of recursion stands between an opening and a closing character, and becomes containers of the graph.
"""

from backend.grammar.automaton.graph import Graph, Rule
from backend.grammar.context_free.gbnf import is_gbnf, read_gbnf
from backend.grammar.context_free.lark import read_lark
from backend.grammar.context_free.writing import Writing, write
from backend.grammar.errors import GrammarError
from backend.grammar.limits import DEFAULT_LIMITS, Limits
from backend.grammar.notes import Notebook
from backend.grammar.schema import Text

__all__ = ["build"]

READERS = {"gbnf": read_gbnf, "lark": read_lark}


def build(
    text: str,
    syntax: str,
    graph: Graph,
    notebook: Notebook,
    *,
    unrolled: int = 0,
    open_objects: bool = False,
    limits: Limits = DEFAULT_LIMITS,
    within: Text | None = None,
) -> Rule:
    """Write into `graph` the texts of a grammar's language; their rule is returned.

    syntax: "gbnf", "lark", or "" to tell it from the text. unrolled: how often recursion may repeat of which an
    automaton can follow no more; 0 refuses it. notebook, open_objects: of JSON schemas in it, see `schema.build`.
    within: how the string is written in which the texts stand; None where they stand for themselves.
    Raises GrammarError, with the rule and its line, for what is malformed, not supported or no such language.
    """
    chosen = syntax or ("gbnf" if is_gbnf(text) else "lark")
    if chosen not in READERS:
        raise GrammarError(f"the syntax {syntax!r} is not known; use one of {', '.join(READERS)}")
    grammar = READERS[chosen](text, limits)
    writing = Writing(graph, notebook, open_objects, limits, within)
    return write(grammar, writing, unrolled)
