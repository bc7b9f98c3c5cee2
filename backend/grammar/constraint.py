"""What a compilation is asked for."""

from dataclasses import dataclass
from typing import Literal

Whitespace = Literal["model", "compact", "spaced", "indented"]
Kind = Literal["json_schema", "json_object", "regex", "structural"]


@dataclass(frozen=True)
class Constraint:
    """What an output must be. text: the JSON Schema as JSON, or the pattern; nothing for json_object; what
    `structural_constraint` writes for structural.

    open_objects: objects may have properties that the schema does not name wherever JSON Schema itself says so.
    strict: a schema with a keyword that cannot be enforced is refused; each schema in structural terms says so itself.
    whitespace: the look of JSON: compact, spaced (a space behind each separator), indented by two spaces, or the one of
    them or of other indentations that the model begins. bounded_numbers: numbers have few digits, see `Limits`.
    without: characters of which the output has none, see `Alphabet.without`, since their tokens end it in this request.
    """

    kind: Kind
    text: str = ""
    open_objects: bool = False
    strict: bool = False
    without: str = ""
    whitespace: Whitespace = "model"
    bounded_numbers: bool = True
