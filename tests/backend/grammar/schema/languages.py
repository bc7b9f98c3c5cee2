"""Helpers: the language of a schema, run on the host."""

from typing import Any

from backend.grammar.automaton.assemble import assemble
from backend.grammar.automaton.graph import Graph
from backend.grammar.automaton.pushdown import PushdownAutomaton
from backend.grammar.automaton.run import Runner
from backend.grammar.notes import Notebook
from backend.grammar.schema import JSON, Dialect, build


def language(schema: Any, *, open_objects: bool = False, dialect: Dialect = JSON) -> Runner:
    """The texts that a schema admits."""
    graph = Graph()
    return Runner(
        assemble(PushdownAutomaton(graph, build(schema, graph, Notebook(), open_objects=open_objects, dialect=dialect)))
    )
