"""A compiler that does what it is told, and tables that mean nothing, to test what a server does with either."""

import os
import re
import time
from dataclasses import fields, replace

import numpy as np

from backend.grammar import Alphabet, Constraint
from backend.grammar.automaton.tables import AutomatonTables
from backend.grammar.compile import compile_constraint as compile_really
from backend.grammar.errors import GrammarError
from backend.grammar.schema.shapes.alternatives import located

TARGET = f"{__name__}:compile_constraint"
ONE = compile_really(Constraint("regex", "a"))
NAMES = [field.name for field in fields(AutomatonTables) if field.name not in ("start", "layout", "notes")]


def make_tables(start: int) -> AutomatonTables:
    """AutomatonTables of `start` + 1 states, told apart by the first of them."""
    states = len(ONE.transitions)
    arrays = {name: getattr(ONE, name) for name in NAMES}
    by_state = {name: array for name, array in arrays.items() if array.shape[0] == states}
    empty = {name: np.zeros((start + 1, *array.shape[1:]), array.dtype) for name, array in by_state.items()}
    return replace(ONE, start=start, **empty)


def compile_constraint(constraint: Constraint, alphabet: Alphabet) -> AutomatonTables:
    """The text of the constraint says what to do; the first state of the tables is its length."""
    match constraint.text.partition(" "):
        case ("sleep", _, seconds):
            time.sleep(float(seconds))
        case ("backtrack", _, _):
            re.match("(a*)*b", "a" * 64)
        case ("allocate", _, mebibytes):
            assert len([bytes(1 << 20) for _ in range(int(mebibytes))]) == int(mebibytes)
        case ("array", _, mebibytes):
            np.zeros(int(mebibytes) << 20, np.uint8)
        case ("keep", _, mebibytes):
            globals()["kept"] = b"x" * (int(mebibytes) << 20)
        case ("exit", _, status):
            os._exit(int(status))
        case ("refuse", _, pointer):
            raise GrammarError("keyword 'x' is not supported", pointer)
        case ("recurse", _, _):
            compile_constraint(constraint, alphabet)
        case ("print", _, _):
            print("noise" * 1000, flush=True)
        case ("fail", _, pointer):
            with located(pointer):
                raise KeyError("a secret fault of ours")
    return make_tables(len(constraint.text))
