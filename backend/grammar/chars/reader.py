r"""Regular expressions to syntax trees: ECMA-262 (as Annex B reads it) without what a finite automaton cannot honour.

Refused by name: look-around, back-references, `\p`, word boundaries, flags, possessive and atomic constructs. `\w`,
`\d` and `\s` are ASCII; `.` is anything but a line end; lazy quantifiers have the language of greedy ones.
"""

import re
from functools import partial

from backend.grammar.chars import ranges
from backend.grammar.chars.ranges import Ranges
from backend.grammar.chars.syntax import EMPTY_STRING, Alternation, Anchor, Chars, Node, Sequence, repeat
from backend.grammar.errors import GrammarError
from backend.grammar.limits import DEFAULT_LIMITS, Limits

_SETS = {"d": ranges.DIGIT, "w": ranges.WORD, "s": ranges.SPACE}
_WIDE_SETS = _SETS | {"s": ranges.UNICODE_SPACE}
_CONTROLS = {"t": 9, "n": 10, "v": 11, "f": 12, "r": 13}
_GROUP_NAME = re.compile(r"P?<([^\W\d]\w*)>")
_COUNT = re.compile(r"\{(\d+)(?:(,)(\d*))?\}", re.ASCII)
_POSIX_CLASS = re.compile(r"\[[:.=]\w+[:.=]\]")
_UNICODE_ESCAPE = re.compile(r"u(?:\{([0-9A-Fa-f]{1,6})\}|([0-9A-Fa-f]{4}))")
_LOW_SURROGATE = re.compile(r"\\u([Dd][C-Fc-f][0-9A-Fa-f]{2})")
_GROUP_REFUSALS = (
    ("=", "look-ahead '(?='"),
    ("!", "negative look-ahead '(?!'"),
    ("<=", "look-behind '(?<='"),
    ("<!", "negative look-behind '(?<!'"),
    (">", "the atomic group '(?>'"),
    ("#", "the comment '(?#'"),
    ("(", "the conditional '(?('"),
    ("P=", "the back-reference '(?P='"),
    ("P>", "the recursion '(?P>'"),
)
_ESCAPE_REFUSALS = {
    **dict.fromkeys("bB", "the word boundary '\\{}'"),
    **dict.fromkeys("pP", "the Unicode property '\\{}'"),
    **dict.fromkeys("k123456789", "the back-reference '\\{}'"),
    **dict.fromkeys("AZzG", "the anchor '\\{}'"),
}
_MAX_COUNT_DIGITS = 9


def read(text: str, limits: Limits = DEFAULT_LIMITS) -> Node:
    """The syntax tree of a regular expression. Raises GrammarError where it is malformed or not supported."""
    reader = _Reader(text, limits.pattern_nesting)
    node = reader.choice()
    if reader.rest():
        raise reader.error("')' closes no group")
    return node


class _Reader:
    def __init__(self, text: str, nesting: int) -> None:
        self.text, self.position, self.nesting = text, 0, nesting

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
        anchor = self.rest() in ("^", "$")
        node = self.atom()
        bounds = self.quantifier()
        if bounds is None:
            return node
        if anchor:
            raise self.error("an anchor cannot be repeated")
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
                return Chars(ranges.NOT_LINE_END)
            case "^" | "$":
                return Anchor(char == "^")
            case "\\":
                return Chars(ranges.intersection(self.escape(), ranges.SCALARS))
            case "*" | "+" | "?":
                raise self.error(f"'{char}' repeats nothing")
        if char == "{" and _COUNT.match(self.text, self.position - 1):
            raise self.error("a quantifier repeats nothing")
        return Chars(ranges.intersection(_single(ord(char)), ranges.SCALARS))

    def group(self) -> Node:
        if self.skip("?") and not self.skip(":") and not self.match(_GROUP_NAME):
            raise self.group_refusal()
        self.nesting -= 1
        if self.nesting < 0:
            raise GrammarError("the groups of the pattern are nested too deeply")
        node = self.choice()
        self.nesting += 1
        if not self.skip(")"):
            raise self.error("a group is not closed")
        return node

    def group_refusal(self) -> GrammarError:
        for start, name in _GROUP_REFUSALS:
            if self.text.startswith(start, self.position):
                return self.refusal(name)
        if self.rest() in ("<", "P", ""):
            return self.error("a group has no valid name")
        return self.refusal(f"the flag or group '(?{self.rest()}'")

    def escape(self, in_class: bool = False, negated: bool = False) -> Ranges:
        """The set of the escape whose backslash was just read. negated: it stands in a class that begins with '^'."""
        char = self.take()
        if char.lower() in _SETS:
            return self.set_escape(char, negated)
        if in_class and char in ("b", "-"):
            return _single(8 if char == "b" else ord("-"))
        if char in _ESCAPE_REFUSALS:
            raise self.refusal(_ESCAPE_REFUSALS[char].format(char))
        return _single(self.code_point(char))

    def set_escape(self, char: str, negated: bool) -> Ranges:
        inverted = char.isupper()
        chosen = (_WIDE_SETS if inverted != negated else _SETS)[char.lower()]
        return ranges.complement(chosen) if inverted else chosen

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
        negated = self.skip("^")
        members: list[Ranges] = []
        while not self.skip("]"):
            members.append(self.class_part(partial(self.class_member, negated)))
        chosen = ranges.union(*members)
        return ranges.complement(chosen) if negated else ranges.intersection(chosen, ranges.SCALARS)

    def class_part(self, member: "partial[Ranges]") -> Ranges:
        """One member, or a range of two; '-' beside a set such as \\d, or at an end, stands for itself."""
        first = member()
        if self.rest() != "-" or self.rest(2) in ("-", "-]"):
            return first
        self.take()
        last = member()
        if not (_is_single(first) and _is_single(last)):
            return ranges.union(first, last, _single(ord("-")))
        if last[0][0] < first[0][0]:
            raise self.error("a range of a class is out of order")
        return ((first[0][0], last[0][0]),)

    def class_member(self, negated: bool) -> Ranges:
        if self.rest() == "[" and _POSIX_CLASS.match(self.text, self.position):
            raise self.refusal("a POSIX class")
        char = self.take()
        if char == "":
            raise self.error("a class is not closed")
        if char == "\\":
            return self.escape(in_class=True, negated=negated)
        return _single(ord(char))


def _single(code_point: int) -> Ranges:
    return ((code_point, code_point),)


def _is_single(chosen: Ranges) -> bool:
    return len(chosen) == 1 and chosen[0][0] == chosen[0][1]
