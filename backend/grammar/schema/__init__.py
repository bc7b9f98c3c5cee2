"""JSON Schema -> graph: a strict reader, a small algebra of schemas, and the writer of the values that satisfy one.

Every keyword is enforced, an annotation, noted as not enforced, or refused with its place.
"""

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from backend.grammar.automaton.graph import Graph, Rule
from backend.grammar.errors import GrammarError
from backend.grammar.limits import DEFAULT_LIMITS, Limits
from backend.grammar.notes import Notebook
from backend.grammar.schema.document import Document
from backend.grammar.schema.measure import check_size
from backend.grammar.schema.normal import Normaliser
from backend.grammar.schema.writing.dialects import JSON, PYTHON, Dialect, Text, quoted, tagged
from backend.grammar.schema.writing.digits import Digits
from backend.grammar.schema.writing.texts import TextWriter, writable
from backend.grammar.schema.writing.values import Emitter

__all__ = ["JSON", "PYTHON", "Dialect", "Text", "TextWriter", "build", "quoted", "tagged", "writable"]
NO_TEXTS: Mapping[str, TextWriter] = MappingProxyType({})


def build(
    schema: Any,
    graph: Graph,
    notebook: Notebook,
    *,
    open_objects: bool = False,
    limits: Limits = DEFAULT_LIMITS,
    dialect: Dialect = JSON,
    texts: Mapping[str, TextWriter] = NO_TEXTS,
) -> Rule:
    """Write into `graph` the values that `schema` (parsed JSON) accepts; their rule is returned.

    notebook: takes what is not enforced. open_objects: an object schema with `properties` and nothing about others
    admits others, as JSON Schema says; otherwise it does not. dialect: how values are written; all but JSON write
    objects only, with the properties that the schema names. texts: by name of a property whose values are strings, what
    writes these in place of its schema. Raises GrammarError, with the place in the schema, for what
    cannot be enforced exactly, and for a name that the dialect cannot write.
    """
    check_size(schema, limits)
    document = Document(schema, notebook)
    digits = Digits(limits.integer_digits or math.inf, limits.fraction_digits or math.inf)
    try:
        rule = Emitter(graph, Normaliser(document), open_objects, dialect, digits, texts).emit(document.root)
    except RecursionError as error:
        raise GrammarError("the references of the schema lead too deep; use fewer or shallower ones") from error
    notebook.repeat(document.repetitions)
    return rule
