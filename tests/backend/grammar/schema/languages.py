"""Helpers: the language of a schema, run on the host."""

from typing import Any

from backend.grammar.assemble import assemble
from backend.grammar.automaton import Automaton
from backend.grammar.graph import Graph
from backend.grammar.run import Runner
from backend.grammar.schema import JSON, Dialect, build


def language(schema: Any, *, open_objects: bool = False, dialect: Dialect = JSON) -> Runner:
    """The texts that a schema admits."""
    graph = Graph()
    return Runner(assemble(Automaton(graph, build(schema, graph, open_objects=open_objects, dialect=dialect))))
