"""What an answer may be, as a composite for the grammar compiler: reasoning, text, calls of the request's tools."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from backend.grammar.structural.terms import (
    EMPTY,
    Composite,
    branch,
    choice,
    pattern,
    scan,
    sequence,
    several,
    text,
    value,
)
from handlers.formats.syntax import (
    Format,
    Identifier,
    JsonArguments,
    JsonCall,
    Name,
    Number,
    Optional,
    Part,
    PythonArguments,
    QuotedArguments,
    ReasoningSyntax,
    Space,
    TaggedArguments,
)

Spell = Callable[[str], list[Composite]]
"""A marker's text as `text` and `control` terms: the control tokens of the model in it are told apart."""
BLANKS = pattern("[ \\n]{0,4}")


@dataclass(frozen=True)
class Tool:
    """A function that may be called. parameters: its JSON Schema. place: what errors call the schema.

    strict: its arguments must be valid, or there is no answer.
    """

    name: str
    parameters: Any
    place: str
    strict: bool = False


@dataclass(frozen=True)
class Grammarian:
    """Writes composites for one format.

    opened, closed: the prompt ends inside the reasoning block, or behind it.
    """

    format: Format
    spell: Spell
    opened: bool = False
    closed: bool = False

    def calls_only(self, tools: Sequence[Tool], parallel: bool) -> Composite:
        """Reasoning if the model wants to, then one call or, if `parallel`, several, and nothing else."""
        syntax = self.format.tools[0]
        return sequence(self._reasoning_first(), self._parts(syntax.begin), self._calls(tools, parallel))

    def text_with_calls(self, tools: Sequence[Tool], parallel: bool) -> Composite:
        """Any text, in which whatever begins a call must become one; without `parallel` the first call is the last.

        Any text whatever, if nothing marks where a call begins.
        """
        syntax = self.format.tools[0]
        if syntax.marker is None:
            return self.any_text()
        if syntax.begin:
            then = sequence(self._parts(syntax.begin[1:]), self._calls(tools, parallel))
        else:
            then = sequence(self._call(syntax.call[1:], tools), self._parts(syntax.end))
        return self._text([branch(self._markers(syntax.marker), then, parallel)])

    def any_text(self) -> Composite:
        """Any text; what is reasoning in it is known as such."""
        return self._text([])

    def after_reasoning(self, answer: Composite) -> Composite:
        """Reasoning if the model wants to, then the answer."""
        head = self._marker("<|channel|>final<|message|>") if self.format.flow == "channels" else EMPTY
        return sequence(self._reasoning_first(), head, answer)

    # Reasoning

    def _reasoning_first(self) -> Composite:
        """What may come before an answer that is not text; nothing where the prompt has the reasoning already."""
        reasoning = self.format.reasoning
        if reasoning is None or self.closed:
            return EMPTY
        body = sequence(self._inside(reasoning, stops=False), self._behind())
        if self.opened:
            return body
        return choice(EMPTY, sequence(self._marker(reasoning.open), body))

    def _behind(self) -> Composite:
        """Between reasoning and an answer."""
        return self._marker("<|start|>assistant") if self.format.flow == "channels" else BLANKS

    def _inside(self, reasoning: ReasoningSyntax, stops: bool) -> Composite:
        """Reasoning from behind its opening marker on; stops: the answer may end in it."""
        return scan([branch(self._markers(reasoning.close), EMPTY, False)], stops=stops, inside=True)

    def _text(self, branches: list[Composite]) -> Composite:
        """Text with branches, in which reasoning may open or, where the syntax says so, come anywhere."""
        reasoning = self.format.reasoning
        if reasoning is None:
            return scan(branches, stops=True)
        inside = self._inside(reasoning, stops=True)
        if self.opened:
            return sequence(inside, scan(branches, stops=True))
        reasons = branch(self._markers(reasoning.open), inside, True)
        if reasoning.anywhere:
            return scan([reasons, *branches], stops=True)
        return scan(branches, reasons, stops=True)

    # Calls

    def _calls(self, tools: Sequence[Tool], parallel: bool) -> Composite:
        """One call or several, and what ends them all."""
        syntax = self.format.tools[0]
        call = self._call(syntax.call, tools)
        return sequence(several(call, self._parts(syntax.between)) if parallel else call, self._parts(syntax.end))

    def _call(self, parts: Sequence[Part], tools: Sequence[Tool]) -> Composite:
        return choice(*(self._parts(parts, tool) for tool in tools))

    def _parts(self, parts: Sequence[Part], tool: Tool | None = None) -> Composite:
        return sequence(*(self._part(part, tool) for part in parts))

    def _part(self, part: Part, tool: Tool | None) -> Composite:
        match part:
            case str():
                return self._marker(part)
            case Optional(text=marker):
                return self._marker(marker)
            case Space(usual=usual):
                return text(usual)
            case Number():
                return pattern("0|[1-9][0-9]{0,2}")
            case Identifier():
                return pattern("[a-zA-Z0-9]{9}")
        assert tool is not None
        return self._of_tool(part, tool)

    def _of_tool(self, part: Part, tool: Tool) -> Composite:
        """The parts that depend on the function that is called."""
        match part:
            case Name():
                return text(tool.name)
            case JsonArguments():
                return self._value(tool)
            case JsonCall(arguments=keys):
                return sequence(text(f'{{"name": "{tool.name}", "{keys[0]}": '), self._value(tool), text("}"))
            case PythonArguments():
                return sequence(self._value(tool, "python"), text(")"))
            case QuotedArguments(quote=quote):
                return self._value(tool, "quoted", self.spell(quote), quote)
            case TaggedArguments():
                return self._value(tool, "tagged", *self._tags(part))
        raise AssertionError(part)

    def _tags(self, part: TaggedArguments) -> list[object]:
        marks = [self.spell(mark) for mark in (part.open, part.key_end, part.value_open, part.close, "\n")]
        return [*marks, part.newline, [[self.spell(kind), is_text] for kind, is_text in part.kinds], part.close]

    def _value(self, tool: Tool, *dialect: object) -> Composite:
        return value(tool.parameters, tool.place, dialect or ("object",))

    # Markers

    def _marker(self, marker: str) -> Composite:
        return sequence(*self.spell(marker))

    def _markers(self, marker: str) -> list[list[Composite]]:
        """How a model may write a marker: with its control tokens, or as plain text."""
        spelled, plain = self.spell(marker), [text(marker)]
        return [spelled] if spelled == plain else [spelled, plain]
