"""JSON Schema, a regex or structural terms -> an automaton over bytes -> the tokens that may come next.

This is all that the HTTP side uses. The engine also uses backend.grammar.device, which needs JAX; nothing here does.
"""

from backend.grammar.constraint import Constraint
from backend.grammar.errors import GrammarError
from backend.grammar.limits import DEFAULT_LIMITS, MAX_CLOSING_TOKENS, Limits
from backend.grammar.service.compiler import Compiler, CompilerBusy, Grammar
from backend.grammar.structural import terms
from backend.grammar.structural.control import spelled

__all__ = [
    "DEFAULT_LIMITS",
    "MAX_CLOSING_TOKENS",
    "Compiler",
    "CompilerBusy",
    "Constraint",
    "Grammar",
    "GrammarError",
    "Limits",
    "spelled",
    "terms",
]
