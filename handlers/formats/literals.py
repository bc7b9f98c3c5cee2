"""Arguments in notations close to JSON, made JSON token by token: Python's literals, and objects with bare keys."""

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from types import MappingProxyType

from handlers.formats.json_reading import json_string, to_json
from handlers.formats.json_text import JsonText
from handlers.formats.python_text import unescape
from handlers.formats.scanner import Malformed, Reading, TextScanner

Brackets = Mapping[str, tuple[str, str]]
"""Opening bracket -> its closing bracket, and the pair of brackets that JSON has in their place."""

_WORDS = {"True": "true", "False": "false", "None": "null", "true": "true", "false": "false", "null": "null"}
_NAME = re.compile(r"[\w.$-]+")
_PYTHON_SCALAR = re.compile(r"[A-Za-z0-9_.+-]+")
_IN_STRING = {quote: re.compile(rf"[^\\{quote}]+") for quote in "'\""}
_BARE_KEY = re.compile(r"[^:,{}\[\]\"\n]+")
_JSON_SCALAR = re.compile(r"[\w.+-]+")


def python_arguments(scanner: TextScanner) -> Reading[str]:
    """Reads Python's keyword arguments up to and with the closing parenthesis; gives them as JSON object text.

    Raises Malformed where they are not literals.
    """
    return (yield from _PythonArguments(scanner).read())


def quoted_arguments(scanner: TextScanner, quote: str) -> Reading[str]:
    """Reads an object whose keys are bare and whose strings stand between two `quote`; gives it as JSON object text.

    Raises Malformed where it is not complete or not such an object.
    """
    return (yield from _QuotedArguments(scanner, quote).read())


@dataclass
class _Bracket:
    close: str
    json_close: str
    has_comma: bool = False


class _Literal(ABC):
    """Reads one object. A subclass knows the brackets, keys and scalars of the notation."""

    brackets: Brackets = MappingProxyType({"{": ("}", "{}"), "[": ("]", "[]")})

    def __init__(self, scanner: TextScanner) -> None:
        self._scanner = scanner
        self._grammar = JsonText()
        self._written: list[str] = []
        self._open: list[_Bracket] = []
        self._comma = False  # read and not written, since nothing may follow it: [1, 2,]

    @abstractmethod
    def key(self) -> Reading[str]:
        """Reads a key; gives its text."""

    @abstractmethod
    def scalar(self, char: str) -> Reading[str]:
        """Reads what begins with `char`; gives JSON."""

    def read(self) -> Reading[str]:
        while not self._grammar.done:
            yield from self._scanner.space()
            char = yield from self._scanner.next()
            if not char:
                raise Malformed
            if self._open and char == self._open[-1].close:
                self._close()
            elif char == "," and self._grammar.expects_comma and not self._comma:
                self._comma = self._open[-1].has_comma = True
                self._scanner.skip()
            else:
                yield from self._token(char)
        return "".join(self._written)

    def _token(self, char: str) -> Reading[None]:
        if self._comma:
            self._comma = False
            self._write(", ")
        if self._grammar.expects_key:
            self._write(to_json((yield from self.key())))
            yield from self._scanner.space()
            yield from self._scanner.expect("=" if self._open[-1].close == ")" else ":")
            self._write(": ")
        elif char in self.brackets:
            self._scanner.skip()
            self.enter(*self.brackets[char])
        else:
            self._write((yield from self.scalar(char)))

    def enter(self, close: str, json_brackets: str) -> None:
        """Something was opened that `close` closes."""
        self._open.append(_Bracket(close, json_brackets[1]))
        self._write(json_brackets[0])

    def _close(self) -> None:
        bracket = self._open.pop()
        if bracket.close == ")" and self._open and self._grammar.expects_comma:
            self._refuse_unless(bracket.has_comma)  # (1) is a number, not a tuple
        self._scanner.skip()
        self._comma = False
        self._write(bracket.json_close)

    def _write(self, json: str) -> None:
        self._grammar.feed(json + " ")  # the blank ends a number
        self._refuse_unless(not self._grammar.failed)
        self._written.append(json)

    def _refuse_unless(self, good: bool) -> None:
        if not good:
            raise Malformed


class _PythonArguments(_Literal):
    brackets: Brackets = MappingProxyType({**_Literal.brackets, "(": (")", "[]")})

    def __init__(self, scanner: TextScanner) -> None:
        super().__init__(scanner)
        self._names: set[str] = set()
        self.enter(")", "{}")

    def key(self) -> Reading[str]:
        if len(self._open) > 1:
            return (yield from self._strings())
        name = yield from self._scanner.run(_NAME)
        self._refuse_unless(name != "" and name not in self._names)
        self._names.add(name)
        return name

    def scalar(self, char: str) -> Reading[str]:
        if char in _IN_STRING:
            return to_json((yield from self._strings()))
        text = yield from self._scanner.run(_PYTHON_SCALAR)
        return _WORDS.get(text) or _number(text)

    def _strings(self) -> Reading[str]:
        """One string, or several in a row, which Python joins."""
        texts: list[str] = []
        while (quote := (yield from self._scanner.next())) in _IN_STRING:
            texts.append((yield from self._string(quote)))
            yield from self._scanner.space()
        self._refuse_unless(bool(texts))
        return "".join(texts)

    def _string(self, quote: str) -> Reading[str]:
        close = quote * 3 if (yield from self._scanner.literal(quote * 3)) else quote
        if close == quote:
            yield from self._scanner.expect(quote)
        parts: list[str] = []
        while not (yield from self._scanner.literal(close)):
            plain = yield from self._scanner.run(_IN_STRING[quote])
            parts.append(plain or (yield from self._escape_or_quote()))
        return unescape("".join(parts))

    def _escape_or_quote(self) -> Reading[str]:
        """A backslash with what follows it, or a quote that does not close the string."""
        char = yield from self._scanner.next()
        self._scanner.skip(len(char))
        following = (yield from self._scanner.next()) if char == "\\" else ""
        self._scanner.skip(len(following))
        self._refuse_unless(char != "" and (char != "\\" or following != ""))
        return char + following


class _QuotedArguments(_Literal):
    def __init__(self, scanner: TextScanner, quote: str) -> None:
        super().__init__(scanner)
        self._quote = quote

    def read(self) -> Reading[str]:
        yield from self._scanner.space()
        self._refuse_unless((yield from self._scanner.next()) == "{")
        return (yield from super().read())

    def key(self) -> Reading[str]:
        text = yield from self._string()
        return (yield from self._bare(_BARE_KEY)).strip() if text is None else text

    def scalar(self, char: str) -> Reading[str]:
        text = yield from self._string()
        return (yield from self._bare(_JSON_SCALAR)) if text is None else to_json(text)

    def _bare(self, pattern: re.Pattern[str]) -> Reading[str]:
        text = yield from self._scanner.run(pattern)
        self._refuse_unless(text != "")
        return text

    def _string(self) -> Reading[str | None]:
        if (yield from self._scanner.literal(self._quote)):
            return (yield from self._scanner.until(self._quote))
        return (yield from json_string(self._scanner)) if (yield from self._scanner.next()) == '"' else None


def _number(text: str) -> str:
    """Python's number as JSON. Raises Malformed for what is none, and for the infinite."""
    with suppress(ValueError):
        return to_json(int(text, 0))
    if "." in text or "e" in text.lower():  # 007 is neither
        with suppress(ValueError):
            return to_json(float(text))
    raise Malformed
