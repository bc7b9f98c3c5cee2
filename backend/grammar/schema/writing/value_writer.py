"""What the writers of arrays and of objects ask for, so that neither knows who writes the values in them."""

from typing import Any, Protocol

from backend.grammar.automaton.graph import Graph, Rule
from backend.grammar.notes import Notebook
from backend.grammar.schema.expressions import Expression
from backend.grammar.schema.writing.dialects import Content, Dialect


class ValueWriter(Protocol):
    """Writes values of any kind into `graph`. notebook: takes what is not enforced. open_objects: no object is closed
    unless its schema says so."""

    graph: Graph
    notebook: Notebook
    open_objects: bool
    dialect: Dialect

    def value(self, expression: Expression, content: Content) -> Rule:
        """The rule of the values that satisfy `expression`, as far as `content` admits them. Raises GrammarError."""
        ...

    def listed(self, expression: Expression, most: int) -> list[Any] | None:
        """Every value of `expression`, None where they are more than `most` or are not seen to be fewer."""
        ...

    def property_value(self, name: str | None, expression: Expression, content: Content) -> Rule:
        """`value` for a property. name: None for one that the schema does not declare."""
        ...
