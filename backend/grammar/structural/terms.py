"""The terms that describe an output of several parts, such as reasoning, then text in which tools may be called."""

from dataclasses import dataclass


@dataclass(frozen=True)
class ConstText:
    """This very text."""

    text: str


@dataclass(frozen=True)
class ControlToken:
    """A control token, which has no text, by its id."""

    token: int


Marker = tuple[ConstText | ControlToken, ...]
"""What tells where a part begins or ends: texts and control tokens, one after the other."""


@dataclass(frozen=True)
class Regex:
    """Text that the whole of a regular expression matches."""

    pattern: str


@dataclass(frozen=True)
class JsonDialect:
    """Values as JSON. objects_only: the value itself must be an object."""

    objects_only: bool = False


@dataclass(frozen=True)
class PythonDialect:
    """Objects as keyword arguments of Python, `a=1, b="x"`."""


@dataclass(frozen=True)
class QuotedDialect:
    """Objects as JSON with bare names and raw strings between two `quote`s.

    plain: the text of the quote, which whoever reads the output takes for it.
    """

    quote: Marker
    plain: str


@dataclass(frozen=True)
class TaggedDialect:
    """Objects as properties of the form `open` name `key_end` `value_open` value `close`, `between` in between.

    Strings are raw, everything else is JSON. newline: one stands before and one after each value. kinds: in place of
    `value_open`, markers that say whether the value is a string (True) or anything else; empty where there are none.
    plain: the text of `close`, which whoever reads the output takes for it.
    """

    open: Marker
    key_end: Marker
    value_open: Marker
    close: Marker
    between: Marker
    newline: bool
    kinds: tuple[tuple[Marker, bool], ...]
    plain: str


ValueDialect = JsonDialect | PythonDialect | QuotedDialect | TaggedDialect
"""How the value of a JSON Schema is written."""


@dataclass(frozen=True)
class ContextFree:
    """Text of the language of a context-free grammar.

    syntax: "gbnf", "lark", or "" to tell it from the grammar. place: what notes of JSON schemas in it call it.
    max_recursion: levels of recursion of which an automaton can follow no more; 0 refuses it.
    """

    grammar: str
    place: str
    syntax: str = ""
    max_recursion: int = 0


@dataclass(frozen=True)
class JsonSchema:
    """A value that satisfies a JSON Schema, written in a dialect.

    schema: anything that `orjson.dumps` takes; `orjson.Fragment`s keep the digits of its numbers. place: what errors
    call the schema. strict: it is refused where a keyword cannot be enforced. texts: by name of a property whose values
    are strings, in whatever object it is, of what language they must be; its own schema is then not looked at.
    """

    schema: object
    place: str
    dialect: ValueDialect = JsonDialect()
    strict: bool = False
    texts: tuple[tuple[str, Regex | ContextFree], ...] = ()


@dataclass(frozen=True)
class Concat:
    """One part after the other; no parts: nothing."""

    parts: tuple["Term", ...]


@dataclass(frozen=True)
class AnyOf:
    """Any one of the parts."""

    parts: tuple["Term", ...]


@dataclass(frozen=True)
class Separated:
    """The part, once or more often, with `separator` between."""

    part: "Term"
    separator: "Term"


@dataclass(frozen=True)
class Branch:
    """What follows where `AnyText` comes upon any of `markers`; resumes: the text goes on behind it, else it ends."""

    markers: tuple[Marker, ...]
    then: "Term"
    resumes: bool


@dataclass(frozen=True)
class AnyText:
    """Any bytes, up to the first of the markers of `branches`, wherever it comes.

    opening: a branch whose markers count at the very beginning only, after white space. may_stop: the whole output may
    end anywhere before a marker. in_reasoning: the text is reasoning, whose length may be limited. cut: the rest of the
    whole output where that limit ends the text, beginning with what then ends it; None where it ends as ever.
    """

    branches: tuple[Branch, ...]
    opening: Branch | None = None
    may_stop: bool = False
    in_reasoning: bool = False
    cut: "Term | None" = None


Term = ConstText | ControlToken | Regex | JsonSchema | ContextFree | Concat | AnyOf | Separated | AnyText

EMPTY = Concat(())
