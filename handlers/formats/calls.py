"""Tool calls, read in one of a family's syntaxes."""

import re
from bisect import bisect_left
from collections.abc import Callable, Mapping
from typing import Any

from handlers.formats.call_writer import Call, CallWriter
from handlers.formats.json_calls import json_arguments, json_call
from handlers.formats.literals import python_arguments, quoted_arguments
from handlers.formats.scanner import Malformed, Reading, TextScanner
from handlers.formats.syntax import (
    Arguments,
    CallSyntax,
    Identifier,
    JsonArguments,
    JsonCall,
    Name,
    Number,
    Optional,
    Part,
    PythonArguments,
    QuotedArguments,
    Space,
    TaggedArguments,
)
from handlers.formats.tagged import tagged_arguments
from handlers.formats.values import ArgumentValues
from handlers.formats.writer import SegmentWriter

_DIGITS, _LETTERS = re.compile("[0-9]+"), re.compile("[A-Za-z0-9]+")


class CallParser:
    """Reads tool calls from a scanner and gives them to a writer.

    tools: function name to the JSON schema of its parameters. names: function name to the one that it stands for, where
    that is another. new_id: the id of call 0, 1, ...
    enforced: the syntax in which a grammar has calls written: of what its markers begin and the end of the text cuts,
    what is no call yet is structure. unfinished: the text ended inside a call, or before all that must follow one.
    A read that raises Malformed without adding to `count` has given nothing; one that added to it has given a call that
    is broken, and the scanner stands where it broke.
    """

    def __init__(
        self,
        scanner: TextScanner,
        writer: SegmentWriter,
        tools: Mapping[str, Any],
        names: Mapping[str, str],
        new_id: Callable[[int], str],
    ) -> None:
        self.enforced: CallSyntax | None = None
        self.unfinished = False
        self._scanner, self._names = scanner, sorted(tools)
        self._out = CallWriter(writer, {name: names.get(name, name) for name in tools}, new_id)
        self._values = {name: ArgumentValues(parameters) for name, parameters in tools.items()}

    @property
    def count(self) -> int:
        """How many calls of this answer were begun."""
        return self._out.count

    def calls(self, syntax: CallSyntax, *, begin: bool) -> Reading[None]:
        """Reads a call, and those that follow it in the same syntax.

        begin: what opens all calls together in that syntax is read as well. Raises Malformed for what is no call.
        """
        start, count = self._scanner.pos, self.count
        try:
            if begin:
                yield from self._parts(syntax.begin, Call())
            yield from self._call(syntax.call)
        except Malformed:
            if self.count > count or not self._is_cut(syntax, start, (syntax.begin if begin else syntax.call)[0]):
                raise
            self.drop_rest()
            return
        while (yield from self._another(syntax)):
            pass
        yield from self._end(syntax)

    def drop_rest(self) -> None:
        """The text has ended inside a call: what was not given of it is structure."""
        self.unfinished = True
        self._scanner.seek(self._scanner.size)
        self._out.structure(self._scanner.size)

    def named(self) -> Reading[Call]:
        """Reads the name of a tool, and gives a call with that name. Raises Malformed where there is no such tool."""
        call, start = Call(), self._scanner.pos
        name = yield from self._name()
        self._out.name(call, name, start, self._scanner.pos)
        return call

    def arguments_of(self, call: Call) -> Reading[None]:
        """Reads the JSON arguments of `call`, with which it is complete. Raises Malformed where they are not valid."""
        yield from json_arguments(self._scanner, self._out, call)
        self._out.finish(call, self._scanner.pos)

    def _call(self, parts: tuple[Part, ...]) -> Reading[None]:
        call = Call()
        end = yield from self._parts(parts, call)
        self._scanner.seek(end)
        self._out.finish(call, end)

    def _another(self, syntax: CallSyntax) -> Reading[bool]:
        end, count = self._scanner.pos, self.count
        try:
            yield from self._parts(syntax.between, Call())
            yield from self._call(syntax.call)
        except Malformed:
            if self.count > count:
                raise
            self._scanner.retry(end)
            return False
        return True

    def _is_cut(self, syntax: CallSyntax, start: int, first: Part) -> bool:
        """Whether the text from offset `start` on is a call that is enforced, which it is behind the marker `first`."""
        if syntax is not self.enforced or not self._scanner.starved or not isinstance(first, str):
            return False
        return self._scanner.slice(start, self._scanner.size).startswith(first)

    def _end(self, syntax: CallSyntax) -> Reading[None]:
        try:
            yield from self._parts(syntax.end, Call())
        except Malformed:  # as much of it as is there
            if syntax is self.enforced and self._scanner.starved:
                self.drop_rest()
        self._out.structure(self._scanner.pos)

    def _parts(self, parts: tuple[Part, ...], call: Call) -> Reading[int]:
        """Reads these parts; gives the end of the last that is there and not white space. Raises Malformed."""
        end = self._scanner.pos
        for part in parts:
            if isinstance(part, Space):
                yield from self._scanner.space()
            elif isinstance(part, Optional):
                end = self._scanner.pos if (yield from self._scanner.literal(part.text)) else end
            elif isinstance(part, str) and not (yield from self._scanner.literal(part)):
                self._scanner.seek(end)
                raise Malformed
            else:
                yield from self._part(part, call)
                end = self._scanner.pos
        return end

    def _part(self, part: Part, call: Call) -> Reading[None]:
        match part:
            case Name():
                start = self._scanner.pos
                name = yield from self._name()
                self._out.name(call, name, start, self._scanner.pos)
            case Number() | Identifier():
                if not (yield from self._scanner.run(_DIGITS if isinstance(part, Number) else _LETTERS)):
                    raise Malformed
            case JsonArguments():
                yield from self._scanner.space()
                yield from json_arguments(self._scanner, self._out, call)
            case JsonCall():
                yield from json_call(self._scanner, self._out, call, part)
            case TaggedArguments() | PythonArguments() | QuotedArguments():
                start = self._scanner.pos
                call.arguments = yield from self._translated(part, call.name)
                call.arguments_at = (start, self._scanner.pos)

    def _translated(self, part: Arguments, name: str) -> Reading[str]:
        match part:
            case TaggedArguments():
                return (yield from tagged_arguments(self._scanner, part, self._values[name]))
            case QuotedArguments():
                return (yield from quoted_arguments(self._scanner, part.quote))
        return (yield from python_arguments(self._scanner))

    def _name(self) -> Reading[str]:
        """Reads on while it may become the name of a tool."""
        name = ""
        while char := (yield from self._scanner.next()):
            following = bisect_left(self._names, name + char)
            if following == len(self._names) or not self._names[following].startswith(name + char):
                break
            name += char
            self._scanner.skip()
        return name
