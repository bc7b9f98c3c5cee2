"""What the readers of both syntaxes share: where they are, alternatives, sequences, groups, repetition, escapes."""

import re
from abc import ABC, abstractmethod

from backend.grammar.chars.ranges import LAST
from backend.grammar.chars.syntax import Alternation, Node, nfa_size, repeat
from backend.grammar.context_free.definitions import Names, sequence
from backend.grammar.errors import GrammarError
from backend.grammar.limits import Limits

SIGNS: dict[str, tuple[int, int | None]] = {"*": (0, None), "+": (1, None), "?": (0, 1)}
HEXADECIMAL = {"x": 2, "u": 4, "U": 8}
_COUNTS = re.compile(r"\{\s*(\d{1,9})?\s*(,)?\s*(\d{1,9})?\s*\}", re.ASCII)


class Reader(ABC):
    """Reads `text` from `at` on. rule: what is being defined, for errors."""

    comment: re.Pattern[str]
    beginning: re.Pattern[str]
    """How a rule begins, up to and including what stands before its body."""
    escapes: dict[str, str]
    """What a character stands for behind a backslash."""

    def __init__(self, text: str, limits: Limits) -> None:
        self.text, self.at, self.limits = text, 0, limits
        self.names = Names()
        self.rule = ""
        self._nesting = limits.pattern_nesting
        self._line, self._counted = 1, 0

    @abstractmethod
    def atom(self) -> Node:
        """What a repetition may follow. Raises GrammarError where there is nothing of the kind."""

    @abstractmethod
    def ends(self) -> bool:
        """Whether a sequence ends here; white space has been skipped."""

    @property
    def line(self) -> int:
        """The line, from 1, of the present position."""
        self._line += self.text.count("\n", self._counted, self.at)
        self._counted = self.at
        return self._line

    def error(self, problem: str) -> GrammarError:
        """problem: what is wrong here."""
        where = f"line {self.line}" + (f", rule {self.rule!r}" if self.rule else "")
        return GrammarError(f"the grammar is malformed in {where}: {problem}")

    def refusal(self, construct: str) -> GrammarError:
        """construct: what stands here and is not supported, and what to do instead."""
        where = f"line {self.line}" + (f", rule {self.rule!r}" if self.rule else "")
        return GrammarError(f"{construct} is not supported ({where} of the grammar)")

    def rest(self, length: int = 1) -> str:
        """The next characters."""
        return self.text[self.at : self.at + length]

    def skip(self, text: str) -> bool:
        """Whether `text` comes next; it is passed then."""
        found = self.text.startswith(text, self.at)
        self.at += len(text) * found
        return found

    def match(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        """What matches here; it is passed."""
        found = pattern.match(self.text, self.at)
        if found:
            self.at = found.end()
        return found

    def space(self, lines: bool) -> None:
        """Pass white space and comments. lines: line breaks too."""
        white = " \t\r\n\f" if lines else " \t\f"
        while True:
            while self.at < len(self.text) and self.text[self.at] in white:
                self.at += 1
            if not lines and self.text.startswith("\r\n", self.at):
                self.at += 1
            if not self.match(self.comment):
                return

    def alternatives(self, lines: bool) -> Node:
        """Sequences with '|' between. lines: they stand in a group, where line breaks are space."""
        parts = [self.sequence(lines)]
        while self._continues(lines):
            self.space(True)
            parts.append(self.sequence(lines))
        return parts[0] if len(parts) == 1 else Alternation(tuple(parts))

    def _continues(self, lines: bool) -> bool:
        """Whether '|' comes next, also at the beginning of the next line; it is passed."""
        before = self.at
        self.space(True)
        if self.skip("|"):
            return True
        if not lines:
            self.at = before
        return False

    def sequence(self, lines: bool) -> Node:
        """Parts, each of which may be repeated, one after another."""
        parts: list[Node] = []
        self.space(lines)
        while not self.ends() and not self.beginning.match(self.text, self.at):
            parts.append(self.repeated(self.atom(), lines))
        return sequence(parts)

    def repeated(self, node: Node, lines: bool) -> Node:
        """`node` as often as what follows says."""
        while True:
            self.space(lines)
            bounds = self.bounds()
            if bounds is None:
                return node
            if bounds[1] is not None and bounds[1] < bounds[0]:
                raise self.error("the numbers of a repetition are out of order")
            node = repeat(node, *bounds)
            if nfa_size(node) > self.limits.pattern_nfa_states:
                most = self.limits.pattern_nfa_states
                raise GrammarError(
                    f"a repetition in line {self.line}, rule {self.rule!r}, needs more than {most} states"
                )

    def bounds(self) -> tuple[int, int | None] | None:
        """How often what was read may come, None where nothing says so."""
        for sign, bounds in SIGNS.items():
            if self.skip(sign):
                return bounds
        found = self.match(_COUNTS)
        if found is None:
            if self.rest() == "{":
                raise self.error("'{' begins no repetition; write {2}, {2,} or {2,5}, with at most 9 digits")
            return None
        low, comma, high = found.groups()
        if low is None and high is None:
            raise self.error("a repetition needs a number")
        if comma is None:
            return int(low or high), int(low or high)
        return int(low or 0), None if high is None else int(high)

    def group(self, closing: str) -> Node:
        """Alternatives up to `closing`, whose opening bracket was passed."""
        self._nesting -= 1
        if self._nesting < 0:
            raise self.error(f"groups are nested deeper than {self.limits.pattern_nesting}")
        node = self.alternatives(lines=True)
        self._nesting += 1
        self.space(True)
        if not self.skip(closing):
            raise self.error(f"a group is not closed; '{closing}' is missing")
        return node

    def escape(self) -> str:
        """The character of an escape whose backslash was passed."""
        char = self.rest()
        self.at += 1
        if char in HEXADECIMAL:
            digits = self.rest(HEXADECIMAL[char])
            if not re.fullmatch(f"[0-9A-Fa-f]{{{HEXADECIMAL[char]}}}", digits):
                raise self.error(f"'\\{char}' needs {HEXADECIMAL[char]} hexadecimal digits")
            self.at += len(digits)
            code = int(digits, 16)
            if code > LAST or 0xD800 <= code <= 0xDFFF:
                raise self.error(f"'\\{char}{digits}' is no character")
            return chr(code)
        if char not in self.escapes:
            raise self.error(f"the escape '\\{char}' is not known; write '\\\\' for a backslash")
        return self.escapes[char]

    def finish(self) -> None:
        """Raises GrammarError unless the line, or the text, ends here, or a new line has begun."""
        self.space(False)
        before = self.text[self.text.rfind("\n", 0, self.at) + 1 : self.at]
        if self.at < len(self.text) and self.rest() != "\n" and before.strip():
            raise self.error(f"{self.rest()!r} is not expected here")
