r"""Regular expressions to syntax trees: ECMA-262 with the flag u (but as lenient as Annex B), without what a finite
automaton cannot honour.

Refused by name: back-references, possessive and atomic constructs, conditionals, flags other than i and s. What Python
reads in another way, such as `[^]a]`, is refused as ambiguous. Lazy quantifiers have the language of greedy ones.
"""

import re
from functools import lru_cache

from backend.grammar.chars import ranges
from backend.grammar.chars.properties import code_points, in_any_case
from backend.grammar.chars.ranges import Ranges
from backend.grammar.chars.syntax import (
    EMPTY_STRING,
    Alternation,
    Anchor,
    Chars,
    Look,
    Node,
    Sequence,
    boundary,
    repeat,
)
from backend.grammar.errors import GrammarError
from backend.grammar.limits import DEFAULT_LIMITS, Limits

_SETS = {"d": ranges.DIGIT, "w": ranges.WORD, "s": ranges.ECMA_SPACE}
_ASCII_SETS = _SETS | {"s": ranges.SPACE}
_CONTROLS = {"t": 9, "n": 10, "v": 11, "f": 12, "r": 13}
_GROUP_NAME = re.compile(r"P?<([^\W\d]\w*)>")
_COUNT = re.compile(r"\{(\d+)(?:(,)(\d*))?\}", re.ASCII)
_POSIX_CLASS = re.compile(r"\[[:.=]\w+[:.=]\]")
_UNICODE_ESCAPE = re.compile(r"u(?:\{([0-9A-Fa-f]{1,6})\}|([0-9A-Fa-f]{4}))")
_LOW_SURROGATE = re.compile(r"\\u([Dd][C-Fc-f][0-9A-Fa-f]{2})")
_PROPERTY = re.compile(r"\{([^{}]*)\}")
_FLAGS = re.compile(r"([a-z]*)(?:-([a-z]+))?([:)])")
_LOOKS = {"=": (True, False), "!": (True, True), "<=": (False, False), "<!": (False, True)}
"""What follows '(?': whether it looks ahead, and whether it is negated."""
_ASSERTION = re.compile(r"[\^$]|\\[bB]|\(\?<?[=!]")
_AMBIGUOUS_CLASS = re.compile(r"\^?\](?:[^\\\]]|\\.)*\]", re.DOTALL)
"""Behind a '[': for ECMA-262 the class is empty (or, with '^', full), for Python the ']' is its first member."""
_GROUP_REFUSALS = (
    (">", "the atomic group '(?>'"),
    ("#", "the comment '(?#'"),
    ("(", "the conditional '(?('"),
    ("P=", "the back-reference '(?P='"),
    ("P>", "the recursion '(?P>'"),
)
_ESCAPE_REFUSALS = {
    "B": "the word boundary '\\{}'",
    **dict.fromkeys("k123456789", "the back-reference '\\{}'"),
    **dict.fromkeys("AZzG", "the anchor '\\{}'"),
}
_MAX_COUNT_DIGITS = 9


def read(text: str, limits: Limits = DEFAULT_LIMITS, ascii_only: bool = False) -> Node:
    r"""The syntax tree of a regular expression. ascii_only: `\s` and the flag i know ASCII only.

    Raises GrammarError where it is malformed, not supported or too long.
    """
    if len(text) > limits.pattern_chars:
        raise GrammarError(f"the pattern has {len(text)} characters, more than {limits.pattern_chars}")
    reader = _Reader(text, limits.pattern_nesting, ascii_only)
    reader.skip_leading_flags()
    node = reader.choice()
    if reader.rest():
        raise reader.error("')' closes no group")
    return node


class _Reader:
    """ignore_case, dot_all: the flags i and s, where they are on. behind: inside a look-behind."""

    def __init__(self, text: str, nesting: int, ascii_only: bool) -> None:
        self.text, self.position, self.nesting, self.ascii_only = text, 0, nesting, ascii_only
        self.ignore_case = self.dot_all = self.behind = False

    def rest(self, length: int = 1) -> str:
        return self.text[self.position : self.position + length]

    def take(self) -> str:
        self.position += 1
        return self.text[self.position - 1 : self.position]

    def skip(self, text: str) -> bool:
        found = self.text.startswith(text, self.position)
        self.position += len(text) * found
        return found

    def match(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        found = pattern.match(self.text, self.position)
        if found:
            self.position = found.end()
        return found

    def error(self, problem: str) -> GrammarError:
        return GrammarError(f"the pattern is not a valid regular expression: {problem} (character {self.position})")

    def refusal(self, construct: str) -> GrammarError:
        return GrammarError(f"{construct} (character {self.position} of the pattern) is not supported")

    def choice(self) -> Node:
        parts = [self.sequence()]
        while self.skip("|"):
            parts.append(self.sequence())
        return parts[0] if len(parts) == 1 else Alternation(tuple(parts))

    def sequence(self) -> Node:
        parts = []
        while self.rest() not in ("", "|", ")"):
            parts.append(self.quantified())
        return parts[0] if len(parts) == 1 else Sequence(tuple(parts)) if parts else EMPTY_STRING

    def quantified(self) -> Node:
        assertion = _ASSERTION.match(self.text, self.position)
        node = self.atom()
        bounds = self.quantifier()
        if bounds is None:
            return node
        if assertion:
            raise self.error("an assertion cannot be repeated")
        if self.rest() == "+":
            raise self.refusal("a possessive quantifier")
        self.skip("?")
        if self.quantifier() is not None:
            raise self.error("a quantifier follows a quantifier")
        return repeat(node, *bounds)

    def quantifier(self) -> tuple[int, int | None] | None:
        for sign, bounds in (("*", (0, None)), ("+", (1, None)), ("?", (0, 1))):
            if self.skip(sign):
                return bounds
        if self.rest(2) == "{,":
            raise self.refusal("'{,' (read in two ways: write '{0,' or '\\{,')")
        count = self.match(_COUNT)
        return self.counts(*count.groups()) if count else None

    def counts(self, low: str, comma: str | None, high: str | None) -> tuple[int, int | None]:
        if max(len(low), len(high or "")) > _MAX_COUNT_DIGITS:
            raise self.refusal("a quantifier of more than 9 digits")
        least = int(low)
        most = least if comma is None else int(high) if high else None
        if most is not None and most < least:
            raise self.error("the numbers of a quantifier are out of order")
        return least, most

    def atom(self) -> Node:
        char = self.take()
        match char:
            case "(":
                return self.group()
            case "[":
                return Chars(self.char_class())
            case ".":
                return Chars(ranges.SCALARS if self.dot_all else ranges.NOT_LINE_END)
            case "^" | "$":
                if char == "$" and self.behind:
                    raise self.refusal("'$' inside a look-behind")
                return Anchor(char == "^")
            case "\\":
                return self.boundary() if self.rest() in ("b", "B") else self.chars(self.escape())
            case "*" | "+" | "?":
                raise self.error(f"'{char}' repeats nothing")
        if char == "{" and _COUNT.match(self.text, self.position - 1):
            raise self.error("a quantifier repeats nothing")
        return self.chars(_single(ord(char)))

    def chars(self, chosen: Ranges) -> Chars:
        return Chars(_scalars(self.in_case(chosen)))

    def in_case(self, chosen: Ranges) -> Ranges:
        return in_any_case(chosen, self.ascii_only) if self.ignore_case else chosen

    def boundary(self) -> Node:
        if self.behind:
            raise self.refusal("a word boundary inside a look-behind")
        return boundary(self.in_case(ranges.WORD), self.take() == "B")

    def group(self) -> Node:
        if not self.skip("?") or self.skip(":") or self.match(_GROUP_NAME):
            return self.group_body()
        for start, (ahead, negated) in _LOOKS.items():
            if self.skip(start):
                return self.look(ahead, negated)
        flags = self.match(_FLAGS)
        if flags is None or flags[3] != ":":
            raise self.group_refusal() if flags is None else self.refusal("flags anywhere but at the beginning")
        before = self.ignore_case, self.dot_all
        self.set_flags(flags[1], flags[2] or "")
        node = self.group_body()
        self.ignore_case, self.dot_all = before
        return node

    def group_body(self) -> Node:
        self.nesting -= 1
        if self.nesting < 0:
            raise GrammarError("the groups of the pattern are nested too deeply")
        node = self.choice()
        self.nesting += 1
        if not self.skip(")"):
            raise self.error("a group is not closed")
        return node

    def look(self, ahead: bool, negated: bool) -> Node:
        if ahead and self.behind:
            raise self.refusal("a look-ahead inside a look-behind")
        before, self.behind = self.behind, not ahead
        node = self.group_body()
        self.behind = before
        return Look(node, ahead, negated)

    def skip_leading_flags(self) -> None:
        """Reads the flags that hold for the whole expression, such as '(?i)'."""
        flags = _FLAGS.match(self.text, 2) if self.skip("(?") else None
        if flags is None or flags[3] != ")":
            self.position = 0
            return
        self.position = flags.end()
        self.set_flags(flags[1], flags[2] or "")

    def set_flags(self, on: str, off: str) -> None:
        for flag in on + off:
            if flag not in "is":
                raise self.refusal(f"the flag '{flag}'")
        self.ignore_case = (self.ignore_case or "i" in on) and "i" not in off
        self.dot_all = (self.dot_all or "s" in on) and "s" not in off

    def group_refusal(self) -> GrammarError:
        for start, name in _GROUP_REFUSALS:
            if self.text.startswith(start, self.position):
                return self.refusal(name)
        if self.rest() in ("<", "P", ""):
            return self.error("a group has no valid name")
        return self.refusal(f"the group '(?{self.rest()}'")

    def escape(self, in_class: bool = False) -> Ranges:
        """The set of the escape whose backslash was just read."""
        char = self.take()
        if char.lower() in _SETS:
            return self.set_escape(char)
        if char in ("p", "P"):
            return self.property_escape(char)
        if in_class and char in ("b", "-"):
            return _single(8 if char == "b" else ord("-"))
        if char in _ESCAPE_REFUSALS:
            raise self.refusal(_ESCAPE_REFUSALS[char].format(char))
        return _single(self.code_point(char))

    def set_escape(self, char: str) -> Ranges:
        chosen = self.in_case((_ASCII_SETS if self.ascii_only else _SETS)[char.lower()])
        return _complement(chosen) if char.isupper() else chosen

    def property_escape(self, char: str) -> Ranges:
        name = self.match(_PROPERTY)
        if name is None:
            raise self.error(f"'\\{char}' needs the name of a Unicode property in braces")
        chosen = code_points(name[1])
        return _complement(chosen) if char == "P" else chosen

    def code_point(self, char: str) -> int:
        if char in _CONTROLS:
            return _CONTROLS[char]
        if char == "0" and not self.rest().isdigit():
            return 0
        if char == "c" and self.rest().isalpha() and self.rest().isascii():
            return ord(self.take()) % 32
        if char == "x":
            return self.hexadecimal(2)
        if char == "u":
            return self.unicode_escape()
        if char == "" or (char.isalnum() and char.isascii()):
            raise self.refusal(f"the escape '\\{char}'")
        return ord(char)

    def hexadecimal(self, digits: int) -> int:
        found = self.match(re.compile(f"[0-9A-Fa-f]{{{digits}}}"))
        if not found:
            raise self.error(f"'\\x' needs {digits} hexadecimal digits")
        return int(found[0], 16)

    def unicode_escape(self) -> int:
        self.position -= 1
        found = self.match(_UNICODE_ESCAPE)
        if not found:
            raise self.error("'\\u' needs 4 hexadecimal digits, or up to 6 in braces")
        value = int(found[1] or found[2], 16)
        if value > ranges.LAST:
            raise self.error("'\\u' is beyond the last code point, 10FFFF")
        low = self.match(_LOW_SURROGATE) if found[2] and 0xD800 <= value <= 0xDBFF else None
        return 0x10000 + ((value - 0xD800) << 10) + int(low[1], 16) - 0xDC00 if low else value

    def char_class(self) -> Ranges:
        if _POSIX_CLASS.match(self.text, self.position):
            raise self.refusal("a POSIX class")
        if _AMBIGUOUS_CLASS.match(self.text, self.position):
            raise self.refusal(r"'[]' or '[^]' with another ']' after it (read in two ways: write '\]' in a class)")
        negated = self.skip("^")
        members: list[Ranges] = []
        while not self.skip("]"):
            members.append(self.class_part())
        chosen = self.in_case(_union(*members))
        return _complement(chosen) if negated else _scalars(chosen)

    def class_part(self) -> Ranges:
        """One member, or a range of two; '-' beside a set such as \\d, or at an end, stands for itself."""
        first = self.class_member()
        if self.rest() != "-" or self.rest(2) in ("-", "-]"):
            return first
        self.take()
        last = self.class_member()
        if not (_is_single(first) and _is_single(last)):
            return _union(first, last, _single(ord("-")))
        if last[0][0] < first[0][0]:
            raise self.error("a range of a class is out of order")
        return ((first[0][0], last[0][0]),)

    def class_member(self) -> Ranges:
        if self.rest() == "[" and _POSIX_CLASS.match(self.text, self.position):
            raise self.refusal("a POSIX class")
        char = self.take()
        if char == "":
            raise self.error("a class is not closed")
        if char == "\\":
            return self.escape(in_class=True)
        return _single(ord(char))


_union, _complement = lru_cache(1024)(ranges.union), lru_cache(1024)(ranges.complement)


@lru_cache(1024)
def _scalars(chosen: Ranges) -> Ranges:
    """Without surrogates."""
    return ranges.intersection(chosen, ranges.SCALARS)


def _single(code_point: int) -> Ranges:
    return ((code_point, code_point),)


def _is_single(chosen: Ranges) -> bool:
    return len(chosen) == 1 and chosen[0][0] == chosen[0][1]
