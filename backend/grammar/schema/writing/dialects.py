"""Dialects: the terms in which it is said how values and properties are written, and the forms that models know."""

import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import permutations
from keyword import iskeyword
from typing import NamedTuple

from backend.grammar.alphabet import Alphabet
from backend.grammar.automaton.encoding import json_content
from backend.grammar.errors import GrammarError

BRACKETS = b"[]{}"
NEVER = frozenset([0xC0, 0xC1, *range(0xF5, 0x100)])
"""Bytes that UTF-8 never uses."""


class LiteralNames(NamedTuple):
    """How these three values are written."""

    null: bytes = b"null"
    false: bytes = b"false"
    true: bytes = b"true"


@dataclass(frozen=True)
class Text:
    """How a string is written: between two `quote`s, its characters with the escapes of JSON if `escape`, else as they
    are.

    marker: bytes that may not occur among the characters, b"" for none. ending: what follows the characters, of which
    all but the last byte may not complete the marker.
    """

    quote: bytes
    escape: bool
    marker: bytes = b""
    ending: bytes = b""

    def __post_init__(self) -> None:
        assert self.quote or self.ending, "nothing would tell where a string ends"
        assert not self.quote or self.quote[0] not in BRACKETS, "a bracket is structure where a value begins"
        assert self.forbidden is not None or not self.marker or not NEVER.isdisjoint(self.marker), "part of a character"

    @property
    def forbidden(self) -> str | None:
        """The marker, where a string could have it."""
        try:
            return self.marker.decode() or None
        except UnicodeDecodeError:
            return None

    @property
    def overlap(self) -> str:
        """What of the ending could complete the marker: nothing where a control token ends the string."""
        try:
            return self.ending.decode()
        except UnicodeDecodeError:
            return ""


JSON_TEXT = Text(b'"', escape=True)


@dataclass(frozen=True)
class Content:
    """What a value may be at some place: a string, something else, or either.

    text: how strings are written. bracketless: none begins with "[" or "{".
    """

    text: Text = JSON_TEXT
    strings: bool = True
    others: bool = True
    bracketless: bool = False

    @property
    def mixed(self) -> bool:
        """Whether a string may look like another value."""
        return self.strings and self.others and not self.text.quote

    def without_brackets(self) -> "Content":
        """The same, with strings that cannot be taken for the beginning of an array or object."""
        return replace(self, bracketless=True)


@dataclass(frozen=True)
class Properties:
    """How properties are written: `open`, the name, `key_end`, a value, `close`; `between` them where several follow.

    name: a name's own bytes, as far as tokens go those of an alphabet; raises GrammarError for one that cannot be
    written. values: what may introduce a value,
    each with what that may then be. spaced: there may be white space, see layout.py. free: how names are written that
    the schema does not declare; None: they cannot be.
    """

    open: bytes
    name: Callable[[str, Alphabet], bytes]
    key_end: bytes
    values: tuple[tuple[bytes, Content], ...]
    close: bytes
    between: bytes
    spaced: bool = False
    free: Text | None = None

    def __post_init__(self) -> None:
        introductions = [introduction for introduction, _ in self.values]
        assert self.key_end, "nothing would tell where a name ends"
        assert not any(b.startswith(a) for a, b in permutations(introductions, 2)), (
            "nothing would tell one from another"
        )

    def key(self, name: str, alphabet: Alphabet) -> bytes:
        """A name with what stands around it; no key begins another. Raises GrammarError for one that has none."""
        return self.open + self.name(name, alphabet) + self.key_end


@dataclass(frozen=True)
class Dialect:
    """How an arguments object is written.

    content: what values are in general. properties: those of objects in braces. bare: those of the outermost object
    where it has no braces. any_value: the outermost value need not be an object.
    """

    literal_names: LiteralNames
    content: Content
    properties: Properties
    bare: Properties | None = None
    any_value: bool = False


# Names


@dataclass(frozen=True)
class JsonName:
    """Any name, as what is inside a JSON string, but for one in which `marker` occurs."""

    marker: bytes = b""

    def __call__(self, name: str, alphabet: Alphabet) -> bytes:
        written = _encoded(name, json_content(name, alphabet))
        _check(name, not self.marker or self.marker not in written, "it would end the value")
        return written


def identifier(name: str, _: Alphabet) -> bytes:
    """A name that Python reads as the name of an argument, and as the same one."""
    known = name.isidentifier() and not iskeyword(name) and unicodedata.normalize("NFKC", name) == name
    _check(name, known, "it is no Python identifier")
    return _encoded(name, name)


def bare_name(name: str, _: Alphabet) -> bytes:
    """A name of letters, digits, '_', '.' and '-'."""
    known = re.fullmatch("[A-Za-z0-9_.-]+", name) is not None
    _check(name, known, "it has characters other than letters, digits, '_', '.' and '-'")
    return _encoded(name, name)


@dataclass(frozen=True)
class TagName:
    """Names that can stand in a tag before `key_end`: without its first character, white space, '<', '>' and '"'."""

    key_end: bytes

    def __call__(self, name: str, _: Alphabet) -> bytes:
        unsafe = '<>"' + self.key_end.decode(errors="ignore")[:1]
        known = name != "" and not any(char in unsafe or char.isspace() for char in name)
        _check(name, known, "it cannot stand in a tag")
        return _encoded(name, name)


def _check(name: str, known: bool, reason: str) -> None:
    if not known:
        raise GrammarError(f"the property name {name!r} cannot be written in the form of this model's calls: {reason}")


def _encoded(name: str, text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise GrammarError(f"the property name {name!r} has a lone surrogate and cannot be written") from error


# Dialects


def _json(
    literal_names: LiteralNames, marker: bytes = b"", bare: Properties | None = None, any_value: bool = False
) -> Dialect:
    """JSON but for its `literal_names`, with no `marker` in strings and names. bare: of the outermost properties."""
    text = Text(b'"', True, marker)
    content = Content(text)
    properties = Properties(b'"', JsonName(marker), b'"', ((b":", content),), b"", b",", spaced=True, free=text)
    return Dialect(literal_names, content, properties, bare, any_value)


JSON = _json(LiteralNames(), any_value=True)
"""Any JSON value."""

PYTHON = _json(
    LiteralNames(b"None", b"False", b"True"), bare=Properties(b"", identifier, b"=", ((b"", Content()),), b"", b", ")
)
"""Keyword arguments, `a=1, b="x"`: JSON but for three literal names, the escapes of its strings being Python's too."""


def quoted(quote: bytes, plain: bytes = b"") -> Dialect:
    """JSON without white space, with bare names and raw strings between two `quote`s: `{a:1,b:<quote>text<quote>}`.

    quote: UTF-8 text, or bytes that have one of NEVER; then `plain` is the text that a reader takes for it.
    """
    content = Content(Text(quote, escape=False, marker=plain or quote, ending=quote))
    return Dialect(LiteralNames(), content, Properties(b"", bare_name, b":", ((b"", content),), b"", b","))


def tagged(
    open: bytes,
    key_end: bytes,
    value_open: bytes,
    close: bytes,
    between: bytes,
    newline: bool,
    kinds: Sequence[tuple[bytes, bool]] | None = None,
    plain: bytes = b"",
) -> Dialect:
    """Properties as `open` name `key_end` `value_open` value `close`, with `between` where several follow.

    Strings are raw, everything else is JSON; `close` does not occur in either. newline: one stands before and one after
    each value. kinds: in place of `value_open`, texts that say whether the value is a string. Where there are none, a
    reader takes a value for JSON if that satisfies the property's schema, else for a string; what is written satisfies
    it when it is read so. plain: where `close` has one of NEVER, the text that a reader takes for it.
    """
    edge = b"\n" if newline else b""
    marker = plain or close
    raw = Text(b"", escape=False, marker=marker, ending=edge + close)
    values = [(kind, Content(raw, is_text, not is_text)) for kind, is_text in kinds or ()]
    values = values or [(value_open, Content(raw))]
    introduced = tuple((introduction + edge, content) for introduction, content in values)
    bare = Properties(open, TagName(key_end), key_end, introduced, edge + close, between)
    return _json(LiteralNames(), marker, bare)
