"""JSON read as it arrives: how far a text is the beginning of one JSON value."""

import re

_STRING = re.compile(r'[^"\\]*')
_SPACE = re.compile(r"[ \t\n\r]*")
_LITERALS = {"t": "true", "f": "false", "n": "null"}
_DIGITS = "0123456789"
# Number states: the characters that lead from each to the next. A number may end in the upper-case ones.
_NUMBER: dict[str, dict[str, str]] = {
    "sign": {"0": "ZERO", **dict.fromkeys("123456789", "INT")},
    "ZERO": {".": "point", "e": "e", "E": "e"},
    "INT": {**dict.fromkeys(_DIGITS, "INT"), ".": "point", "e": "e", "E": "e"},
    "point": dict.fromkeys(_DIGITS, "FRACTION"),
    "FRACTION": {**dict.fromkeys(_DIGITS, "FRACTION"), "e": "e", "E": "e"},
    "e": {**dict.fromkeys(_DIGITS, "EXPONENT"), "+": "esign", "-": "esign"},
    "esign": dict.fromkeys(_DIGITS, "EXPONENT"),
    "EXPONENT": dict.fromkeys(_DIGITS, "EXPONENT"),
}


class JsonText:
    """Recognises one JSON value that is fed in any number of parts.

    done: the value is complete. failed: what was fed cannot be the beginning of one.

    Strings may hold control characters as they are, which models write and JSON itself forbids.
    """

    def __init__(self) -> None:
        self.done = self.failed = False
        self._stack: list[str] = []
        self._expect = "value"
        self._rest = ""  # of a literal or an escape; the state of a number

    @property
    def expects_key(self) -> bool:
        """Whether the key of an object's member may come next."""
        return self._expect in ("first_key", "key")

    @property
    def expects_comma(self) -> bool:
        """Whether a comma or closing bracket must come next."""
        return self._expect == "after"

    def feed(self, text: str, start: int = 0) -> int:
        """Takes text[start:]; gives the index where it stopped: the text's end, behind the value, or at a fault."""
        pos = start
        while pos < len(text) and not self.done and not self.failed:
            pos = getattr(self, f"_in_{self._expect}")(text, pos)
        return pos

    def _in_value(self, text: str, pos: int) -> int:
        pos = self._space(text, pos)
        if pos == len(text):
            return pos
        char = text[pos]
        if char in "{[":
            self._stack.append(char)
            self._expect = "first_key" if char == "{" else "first_item"
        elif char == '"':
            self._expect = "string"
        elif char in _LITERALS:
            self._expect, self._rest = "literal", _LITERALS[char][1:]
        elif char == "-" or char in _DIGITS:
            self._expect, self._rest = "number", "sign" if char == "-" else _NUMBER["sign"][char]
        else:
            return self._fail(pos)
        return pos + 1

    def _in_first_item(self, text: str, pos: int) -> int:
        pos = self._space(text, pos)
        if pos < len(text) and text[pos] == "]":
            return self._close(pos)
        self._expect = "value" if pos < len(text) else self._expect
        return pos

    def _in_first_key(self, text: str, pos: int) -> int:
        pos = self._space(text, pos)
        if pos < len(text) and text[pos] == "}":
            return self._close(pos)
        self._expect = "key" if pos < len(text) else self._expect
        return pos

    def _in_key(self, text: str, pos: int) -> int:
        return self._one(text, pos, '"', "key_string")

    def _in_colon(self, text: str, pos: int) -> int:
        return self._one(text, pos, ":", "value")

    def _in_after(self, text: str, pos: int) -> int:
        """Behind a member or item."""
        pos = self._space(text, pos)
        if pos == len(text):
            return pos
        inside = self._stack[-1]
        if text[pos] == ",":
            self._expect = "key" if inside == "{" else "value"
            return pos + 1
        return self._close(pos) if text[pos] == {"{": "}", "[": "]"}[inside] else self._fail(pos)

    def _in_string(self, text: str, pos: int) -> int:
        match = _STRING.match(text, pos)
        assert match is not None
        pos = match.end()
        if pos == len(text):
            return pos
        if text[pos] == "\\":
            self._rest, self._expect = "", f"{self._expect}_escape"
        elif self._expect == "key_string":
            self._expect = "colon"
        else:
            self._finish()
        return pos + 1

    _in_key_string = _in_string

    def _in_string_escape(self, text: str, pos: int) -> int:
        char, string = text[pos], self._expect.removesuffix("_escape")
        if not self._rest:
            if char == "u":
                self._rest = "xxxx"
                return pos + 1
            self._expect = string
            return pos + 1 if char in '"\\/bfnrt' else self._fail(pos)
        if char not in "0123456789abcdefABCDEF":
            return self._fail(pos)
        self._rest = self._rest[1:]
        self._expect = self._expect if self._rest else string
        return pos + 1

    _in_key_string_escape = _in_string_escape

    def _in_literal(self, text: str, pos: int) -> int:
        if text[pos] != self._rest[0]:
            return self._fail(pos)
        self._rest = self._rest[1:]
        if not self._rest:
            self._finish()
        return pos + 1

    def _in_number(self, text: str, pos: int) -> int:
        following = _NUMBER[self._rest].get(text[pos])
        if following is not None:
            self._rest = following
            return pos + 1
        if not self._rest.isupper():
            return self._fail(pos)
        self._finish()
        return pos

    def _one(self, text: str, pos: int, char: str, then: str) -> int:
        pos = self._space(text, pos)
        if pos == len(text):
            return pos
        if text[pos] != char:
            return self._fail(pos)
        self._expect = then
        return pos + 1

    def _space(self, text: str, pos: int) -> int:
        match = _SPACE.match(text, pos)
        assert match is not None
        return match.end()

    def _close(self, pos: int) -> int:
        self._stack.pop()
        self._finish()
        return pos + 1

    def _finish(self) -> None:
        self.done = not self._stack
        self._expect = "after"

    def _fail(self, pos: int) -> int:
        self.failed = True
        return pos
