"""A grammar's text compiled as a request's would be."""

from functools import cache

from backend.grammar import Constraint, ContextFree, structural_constraint
from backend.grammar.automaton.run import Runner
from backend.grammar.automaton.tables import AutomatonTables
from backend.grammar.compile import compile_constraint


def constraint(text: str, syntax: str = "", max_recursion: int = 0) -> Constraint:
    """That the output is of the grammar's language."""
    return structural_constraint(ContextFree(text, "grammar", syntax, max_recursion))


@cache
def tables(text: str, syntax: str = "", max_recursion: int = 0) -> AutomatonTables:
    """Raises GrammarError for what is refused."""
    return compile_constraint(constraint(text, syntax, max_recursion))


def runner(text: str, syntax: str = "", max_recursion: int = 0) -> Runner:
    """Runs strings through the tables."""
    return Runner(tables(text, syntax, max_recursion))


def accepts(grammar: str, text: str, max_recursion: int = 0) -> bool:
    """Whether `text` is of the grammar's language."""
    return runner(grammar, "", max_recursion).accepts(text.encode())
