"""GBNF, the syntax of llama.cpp (grammars/README.md there), to a grammar: `root` is the whole language.

Characters are code points; there is no lexer and nothing is skipped. Tokens by name or number are refused.
"""

import re
import string

from backend.grammar.chars import ranges
from backend.grammar.chars.ranges import Ranges
from backend.grammar.chars.syntax import Chars, Node
from backend.grammar.context_free.definitions import Definition, Grammar, literal
from backend.grammar.context_free.reader import Reader
from backend.grammar.limits import DEFAULT_LIMITS, Limits

_NAME = re.compile(r"[A-Za-z0-9_-]+")
_BEGINNING = re.compile(r"[A-Za-z0-9_-]+[ \t]*::=")
_RULE = re.compile(rf"^[ \t]*{_BEGINNING.pattern}", re.MULTILINE)
_ESCAPES = {"t": "\t", "n": "\n", "r": "\r"} | {char: char for char in string.punctuation}


def is_gbnf(text: str) -> bool:
    """Whether a line of `text` defines a rule as GBNF does."""
    return _RULE.search(text) is not None


def read_gbnf(text: str, limits: Limits = DEFAULT_LIMITS) -> Grammar:
    """The grammar that `text` defines. Raises GrammarError, with the line, for what is malformed or not supported."""
    return _Reader(text, limits).read()


class _Reader(Reader):
    comment = re.compile(r"#[^\n]*")
    beginning = _BEGINNING
    escapes = _ESCAPES

    def read(self) -> Grammar:
        self.space(True)
        while self.at < len(self.text):
            self.definition()
            self.space(True)
        return self.names.grammar("root")

    def definition(self) -> None:
        line, name = self.line, self.match(_NAME)
        self.rule = ""
        if not name:
            raise self.error(f"{self.rest()!r} begins no rule; write: name ::= ...")
        self.space(False)
        if not self.skip("::="):
            raise self.error(f"'::=' is missing behind {name[0]!r}")
        self.rule = name[0]
        self.space(True)
        body = self.alternatives(lines=False)
        self.finish()
        self.names.define(Definition(name[0], line, body))

    def ends(self) -> bool:
        return self.rest() in ("", "|", ")", "\n")

    def atom(self) -> Node:
        name = self.match(_NAME)
        if name:
            return self.names.reference(name[0], self.line)
        char = self.rest()
        if char in ("<", "!"):
            raise self.refusal("a token by its name or number ('<...>')")
        self.at += 1
        match char:
            case '"':
                return literal(self.quoted())
            case "[":
                return Chars(self.char_class())
            case ".":
                return Chars(ranges.SCALARS)
            case "(":
                return self.group(")")
        self.at -= 1
        raise self.error(f"{char!r} is not expected here")

    def quoted(self) -> str:
        chars = []
        while not self.skip('"'):
            chars.append(self.character("a literal"))
        return "".join(chars)

    def character(self, what: str) -> str:
        """One character or escape. what: in what it stands, for errors."""
        char = self.rest()
        if char == "" or char == "\n":
            raise self.error(f"{what} is not closed")
        self.at += 1
        return self.escape() if char == "\\" else char

    def char_class(self) -> Ranges:
        negated = self.skip("^")
        if self.rest() == "]":
            raise self.error("a class of characters is empty; write '\\]' for the bracket itself")
        members = []
        while not self.skip("]"):
            first = last = ord(self.character("a class of characters"))
            if self.rest() == "-" and self.rest(2) != "-]":
                self.at += 1
                last = ord(self.character("a class of characters"))
            if last < first:
                raise self.error("a range of a class is out of order")
            members.append((first, last))
        chosen = ranges.union(members)
        return ranges.complement(chosen) if negated else ranges.intersection(chosen, ranges.SCALARS)
