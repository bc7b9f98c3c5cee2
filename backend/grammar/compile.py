"""A constraint -> the tables that enforce it."""

import json
from dataclasses import replace
from decimal import Decimal
from typing import Any

from backend.grammar import schema
from backend.grammar.alphabet import COMPLETE, Alphabet
from backend.grammar.automaton.assemble import assemble
from backend.grammar.automaton.graph import Graph, Rule
from backend.grammar.automaton.pushdown import PushdownAutomaton
from backend.grammar.automaton.tables import COMPACT, INDENTED, OPEN, SPACED, AutomatonTables
from backend.grammar.chars.parse import pattern
from backend.grammar.constraint import Constraint
from backend.grammar.errors import GrammarError
from backend.grammar.limits import DEFAULT_LIMITS, Limits
from backend.grammar.notes import Notebook
from backend.grammar.structural import writing as structural
from backend.grammar.structural.codec import decode

LAYOUTS = {
    "model": (OPEN, b""),
    "compact": (COMPACT, b""),
    "spaced": (SPACED, b" "),
    "indented": (INDENTED + 2, b"\n "),
}
"""By what a constraint says of white space, the layout and the bytes that it needs."""


def compile_constraint(
    constraint: Constraint, alphabet: Alphabet = COMPLETE, limits: Limits = DEFAULT_LIMITS
) -> AutomatonTables:
    """The automaton of those words of a constraint that `alphabet` can write, without the characters that the
    constraint has none of, and that leads to no dead end.

    Raises GrammarError for what is not supported, too large or empty; if that is for want of characters, it names them.
    """
    graph, notebook = Graph(alphabet.without(constraint.without)), Notebook(constraint.strict)
    if not constraint.bounded_numbers:
        limits = replace(limits, integer_digits=0, fraction_digits=0)
    root = _root(constraint, graph, notebook, limits)
    automaton = PushdownAutomaton(graph, root, limits)
    return replace(assemble(automaton, limits, _layout(constraint, graph.alphabet)), notes=notebook.notes())


def _layout(constraint: Constraint, alphabet: Alphabet) -> int:
    """The layout with which JSON begins, COMPACT where the white space of another cannot be written."""
    layout, needed = LAYOUTS[constraint.whitespace]
    return COMPACT if alphabet.lacking(needed) else layout


def _root(constraint: Constraint, graph: Graph, notebook: Notebook, limits: Limits) -> Rule:
    if constraint.kind == "regex":
        return _pattern_rule(constraint.text, graph, limits)
    if constraint.kind == "structural":
        term = decode(_parse(constraint.text))
        return structural.build(term, graph, notebook, open_objects=constraint.open_objects, limits=limits)
    value = {"type": "object"} if constraint.kind == "json_object" else _parse(constraint.text)
    return schema.build(value, graph, notebook, open_objects=constraint.open_objects, limits=limits)


def _pattern_rule(text: str, graph: Graph, limits: Limits) -> Rule:
    language = pattern(text, search=False, limits=limits, ascii_only=True)
    if language.is_empty:
        raise GrammarError("the regular expression matches nothing")
    rule = graph.rule()
    graph.embed(rule.start, language, rule.end, escape=False)
    return rule


def _parse(text: str) -> Any:
    try:
        return json.loads(text, parse_float=Decimal, parse_constant=_refuse_constant)
    except ValueError as error:
        raise GrammarError(f"the schema is not valid JSON: {error}") from error


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")
