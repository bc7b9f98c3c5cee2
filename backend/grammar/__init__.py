"""JSON Schema, a regex or structural terms -> an automaton over bytes -> the tokens that may come next.

This is all that the HTTP side uses. The engine also uses backend.grammar.device, which needs JAX; nothing here does.
"""

from backend.grammar.alphabet import COMPLETE, Alphabet, alphabet_of
from backend.grammar.constraint import Constraint
from backend.grammar.errors import GrammarError
from backend.grammar.limits import DEFAULT_LIMITS, MAX_CLOSING_TOKENS, Limits
from backend.grammar.notes import Notes, behind
from backend.grammar.service.compiler import Compiler, CompilerBusy, Grammar
from backend.grammar.service.worker_pool import CompilerUnavailable
from backend.grammar.structural.codec import structural_constraint
from backend.grammar.structural.control import token_spellings
from backend.grammar.structural.terms import (
    EMPTY,
    AnyOf,
    AnyText,
    Branch,
    Concat,
    ConstText,
    ContextFree,
    ControlToken,
    JsonDialect,
    JsonSchema,
    Marker,
    PythonDialect,
    QuotedDialect,
    Regex,
    Separated,
    TaggedDialect,
    Term,
    ValueDialect,
)

__all__ = [
    "COMPLETE",
    "DEFAULT_LIMITS",
    "EMPTY",
    "MAX_CLOSING_TOKENS",
    "Alphabet",
    "AnyOf",
    "AnyText",
    "Branch",
    "Compiler",
    "CompilerBusy",
    "CompilerUnavailable",
    "Concat",
    "ConstText",
    "Constraint",
    "ContextFree",
    "ControlToken",
    "Grammar",
    "GrammarError",
    "JsonDialect",
    "JsonSchema",
    "Limits",
    "Marker",
    "Notes",
    "PythonDialect",
    "QuotedDialect",
    "Regex",
    "Separated",
    "TaggedDialect",
    "Term",
    "ValueDialect",
    "alphabet_of",
    "behind",
    "structural_constraint",
    "token_spellings",
]
