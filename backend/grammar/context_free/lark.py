"""Lark's syntax, with what llguidance adds to it, to a grammar: `start` is the whole language.

There is no lexer: a terminal ends wherever its expression may, as with Lark's Earley parser and `dynamic_complete`.
What `%ignore` names may come before, between and behind the strings, expressions and terminals of rules.
"""

import json
import re
from decimal import Decimal
from typing import Any

from backend.grammar.chars.ranges import Ranges, union
from backend.grammar.chars.reader import read as read_pattern
from backend.grammar.chars.syntax import Alternation, Chars, Node, Repeat, Sequence
from backend.grammar.context_free.common import COMMON
from backend.grammar.context_free.definitions import (
    Definition,
    Grammar,
    letter,
    literal,
    parts_of,
    references,
    sequence,
    single,
)
from backend.grammar.context_free.patterns import portable
from backend.grammar.context_free.reader import Reader
from backend.grammar.errors import GrammarError
from backend.grammar.limits import DEFAULT_LIMITS, Limits

_RULE = re.compile(r"[!?]{0,2}(_?[a-z][a-z0-9_]*(?:-[a-z0-9_]+)*)")
_TERMINAL = re.compile(r"_?[A-Z][A-Z0-9_]*")
_PRIORITY = re.compile(r"\.-?\d+")
_ALIAS = re.compile(r"->[ \t]*[A-Za-z_][A-Za-z0-9_-]*")
_TIMES = re.compile(r"~[ \t]*(\d{1,9})(?:[ \t]*\.\.[ \t]*(\d{1,9}))?", re.ASCII)
_DIRECTIVE = re.compile(r"%[a-z_]*")
_FLAGS = re.compile(r"[a-z]*")
_INSENSITIVE = re.compile(r"i(?![A-Za-z0-9_])")
_REGEX = re.compile(r"/((?:\\.|\[(?:\\.|[^\\\]\n])*\]|[^\\/\n\[])+)/")
_LIBRARY = re.compile(r"common(?:\.([A-Z_]+))?")
_REFUSED = {
    "declare": "a terminal without a definition",
    "override": "a change of an imported rule",
    "extend": "a change of an imported rule",
    "regex": "a substring expression",
    "lark": "a grammar in a grammar",
    "llguidance": "llguidance's own header",
}
_ESCAPES = {"t": "\t", "n": "\n", "r": "\r", "f": "\f", "\\": "\\", '"': '"'}
IGNORED = "%ignore"


def read_lark(text: str, limits: Limits = DEFAULT_LIMITS) -> Grammar:
    """The grammar that `text` defines. Raises GrammarError, with the line, for what is malformed or not supported."""
    return _Reader(text, limits).read()


class _Reader(Reader):
    comment = re.compile(r"//[^\n]*|#[^\n]*")
    beginning = re.compile(r"[!?]{0,2}_?[A-Za-z][A-Za-z0-9_-]*(?:\.-?\d+)?[ \t]*:")
    escapes = _ESCAPES

    def __init__(self, text: str, limits: Limits) -> None:
        super().__init__(text, limits)
        self.in_terminal = False
        self.ignores = re.search(r"^[ \t]*%ignore\b", text, re.MULTILINE) is not None
        self.ignored: list[Node] = []

    def read(self) -> Grammar:
        self.space(True)
        while self.at < len(self.text):
            self.statement()
            self.space(True)
        if not self.ignores:
            return _checked(self.names.grammar("start"))
        skipped = self.names.reference(IGNORED, 1)
        self.names.define(Definition(IGNORED, 1, Repeat(Alternation(tuple(self.ignored)), 0, None)))
        grammar = _checked(self.names.grammar("start"))
        start = grammar.definitions[grammar.start]
        body = Sequence((skipped, letter(grammar.start)))
        return Grammar(grammar.definitions, grammar.add(Definition(start.name, start.line, body)))

    # Statements

    def statement(self) -> None:
        self.rule, line = "", self.line
        directive = self.match(_DIRECTIVE)
        if directive:
            return self.directive(directive[0][1:])
        rule = self.match(_RULE)
        terminal = None if rule else self.match(_TERMINAL)
        if not rule and not terminal:
            raise self.error(f"{self.rest()!r} begins neither a rule nor a terminal; write: name: ...")
        self.rule = rule[1] if rule else terminal[0] if terminal else ""
        self.in_terminal = rule is None
        self.match(_PRIORITY)
        if self.rest() in ("{", "["):
            raise self.refusal("a template, or attributes, of a rule")
        self.space(False)
        if self.rest(3) == "::=":
            raise self.error("'::=' is GBNF; write ':', or give the syntax as gbnf")
        if not self.skip(":"):
            raise self.error(f"':' is missing behind {self.rule!r}")
        body = self.alternatives(lines=False)
        self.finish()
        self.names.define(Definition(self.rule, line, body))
        return None

    def directive(self, name: str) -> None:
        if name == "import":
            return self.imported()
        if name != "ignore":
            raise self.refusal(f"'%{name}' ({_REFUSED.get(name, 'unknown')})")
        self.in_terminal, self.rule = True, IGNORED
        self.ignored.append(self.alternatives(lines=False))
        self.finish()
        return None

    def imported(self) -> None:
        self.space(False)
        found = self.match(_LIBRARY)
        if not found:
            raise self.refusal("'%import' of anything but common")
        if found[1]:
            return self.imported_one(found[1], lines=False)
        self.space(False)
        if not self.skip("("):
            raise self.error("'%import common' needs a name, or names in brackets")
        while True:
            self.space(True)
            name = self.match(_TERMINAL)
            self.imported_one(name[0] if name else "", lines=True)
            if not self.skip(","):
                break
        if not self.skip(")"):
            raise self.error("the names of '%import common' are not closed")
        return self.finish()

    def imported_one(self, name: str, lines: bool) -> None:
        """`name`, and the other name that may follow."""
        if name not in COMMON:
            raise self.error(f"common has no terminal {name!r}; it has {', '.join(COMMON)}")
        self.space(lines)
        alias = name
        if self.skip("->"):
            self.space(lines)
            found = self.match(_TERMINAL)
            if not found:
                raise self.error("an imported terminal needs a name in capitals")
            alias = found[0]
            self.space(lines)
        if not lines:
            self.finish()
        self.names.define(Definition(alias, self.line, read_pattern(COMMON[name], self.limits)))

    # Expressions

    def ends(self) -> bool:
        if self.match(_ALIAS):
            self.space(False)
            if self.rest() not in ("", "|", ")", "]", "\n"):
                raise self.error("an alias ('->') stands at the end of an alternative")
        return self.rest() in ("", "|", ")", "]", "\n")

    def bounds(self) -> tuple[int, int | None] | None:
        found = self.match(_TIMES)
        if found:
            return int(found[1]), int(found[2] or found[1])
        return super().bounds()

    def atom(self) -> Node:
        char = self.rest()
        name = self.match(_RULE) if char not in "!?" else None
        if name:
            if self.rest() == "{" and not self.rest(2)[1:].isdigit() and self.rest(2) != "{,":
                raise self.refusal("a template")
            return self.names.reference(name[1], self.line)
        name = self.match(_TERMINAL)
        if name:
            return self.token(self.names.reference(name[0], self.line))
        match char:
            case '"':
                return self.token(self.string())
            case "/":
                return self.token(self.regex())
            case "(" | "[":
                self.at += 1
                inner = self.group(")" if char == "(" else "]")
                return inner if char == "(" else Repeat(inner, 0, 1)
            case "%":
                return self.embedded()
            case "<":
                raise self.refusal("a token by its name or number ('<...>')")
            case "@":
                raise self.refusal("another grammar ('@')")
            case "&" | "~":
                raise self.refusal(f"'{char}' of terminals")
        raise self.error(f"{char!r} is not expected here")

    def token(self, node: Node) -> Node:
        """`node`, and what is ignored behind it in a rule."""
        if self.in_terminal or not self.ignores:
            return node
        return sequence([node, self.names.reference(IGNORED, self.line)])

    def string(self) -> Node:
        """A literal, in any case if it says so, or the range of characters that two of them are."""
        node = self.quoted()
        if not self.skip(".."):
            return node
        low, high = single(node), single(self.quoted())
        if low is None or high is None or high < low:
            raise self.error("a range ('..') needs two single characters in their order")
        return Chars(((low, high),))

    def quoted(self) -> Node:
        if not self.skip('"'):
            raise self.error("a literal must follow")
        chars = []
        while not self.skip('"'):
            char = self.rest()
            if char in ("", "\n"):
                raise self.error("a literal is not closed")
            self.at += 1
            chars.append(self.escape() if char == "\\" else char)
        node = literal("".join(chars))
        return sequence([_in_any_case(char) for char in chars]) if self.match(_INSENSITIVE) else node

    def regex(self) -> Node:
        found = self.match(_REGEX)
        if not found:
            raise self.error("a regular expression is empty or not closed; write '\\/' for a slash in it")
        flags = self.match(_FLAGS)
        on = "" if flags is None else flags[0]
        if not set(on) <= set("imsu"):
            raise self.refusal(f"the flags {on!r} of a regular expression")
        prefix = "".join(flag for flag in "is" if flag in on)
        try:
            node = read_pattern(f"(?{prefix})" * bool(prefix) + portable(found[1]), self.limits)
        except GrammarError as error:
            raise GrammarError(f"{error.message}, in line {self.line}, rule {self.rule!r}") from error
        if not _is_plain(node):
            raise self.refusal("an anchor or look-around in a terminal")
        return node

    def embedded(self) -> Node:
        """A JSON schema."""
        name = self.match(_DIRECTIVE)
        if name is None or name[0] != "%json":
            found = "" if name is None else name[0][1:]
            raise self.refusal(f"'%{found}' ({_REFUSED.get(found, 'unknown')})")
        if self.in_terminal:
            raise self.error("a terminal cannot have a JSON schema; use it in a rule")
        self.space(True)
        line, decoder = self.line, json.JSONDecoder(parse_float=Decimal, parse_constant=self.no_number)
        try:
            schema, self.at = decoder.raw_decode(self.text, self.at)
        except ValueError as error:
            raise self.error(f"a JSON schema must follow '%json': {error}") from error
        key = f"%json {self.at}"
        self.names.define(Definition(self.rule, line, schema=schema, is_schema=True), key)
        return self.token(self.names.reference(key, line))

    def no_number(self, name: str) -> Any:
        raise self.error(f"{name} is not JSON")


def _checked(grammar: Grammar) -> Grammar:
    """Raises GrammarError for a terminal that refers to a rule."""
    for definition in grammar.definitions:
        if _TERMINAL.fullmatch(definition.name) or definition.name == IGNORED:
            for number in references(definition.body):
                name = grammar.definitions[number].name
                if not _TERMINAL.fullmatch(name):
                    raise GrammarError(f"{definition.called} is a terminal and cannot use the rule {name!r}")
    return grammar


def _in_any_case(char: str) -> Node:
    forms: list[Ranges] = [((ord(form), ord(form)),) for form in {char, char.lower(), char.upper()} if len(form) == 1]
    return Chars(union(*forms))


def _is_plain(node: Node) -> bool:
    """Whether a tree asks nothing of what is around the text that it matches."""
    return isinstance(node, Chars | Sequence | Alternation | Repeat) and all(map(_is_plain, parts_of(node)))
