"""What an answer may be, as terms for the grammar compiler: reasoning, text, calls of the request's tools."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from backend.grammar import (
    EMPTY,
    AnyOf,
    AnyText,
    Branch,
    Concat,
    ConstText,
    ContextFree,
    JsonDialect,
    JsonSchema,
    Marker,
    PythonDialect,
    QuotedDialect,
    Regex,
    Separated,
    TaggedDialect,
    Term,
    ValueDialect,
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

Spell = Callable[[str], Marker]
"""Text of a marker -> the same in parts: control tokens of the model by their ids, and plain text."""
NEVER = AnyOf(())
BLANKS = Regex("[ \\n]{0,4}")
OBJECT = JsonDialect(objects_only=True)


@dataclass(frozen=True)
class Tool:
    """A function that may be called. parameters: its JSON Schema. place: what grammars call that, the same whatever API
    the tool comes by, so that it has one grammar. param: path of it in the request, "" where that is the place.

    strict: its arguments must be valid, or there is no answer. name: what the model knows it as. told: its name in
    answers, "" where that is the same. texts: by name of an argument, of what language its text must be.
    """

    name: str
    parameters: Any
    place: str
    strict: bool = False
    told: str = ""
    texts: tuple[tuple[str, Regex | ContextFree], ...] = ()
    param: str = ""


@dataclass(frozen=True)
class OutputGrammar:
    """Makes grammar terms of what an answer in one format may be.

    spell: a marker's text in control tokens and plain text. opened, closed: the prompt ends inside the reasoning block,
    or right behind it. limited: reasoning may be ended by force; a model that then reasons on must not be able to
    end it once more in what is its answer.
    """

    format: Format
    spell: Spell
    opened: bool = False
    closed: bool = False
    limited: bool = False

    def calls_only(self, tools: Sequence[Tool], parallel: bool) -> Term:
        """Reasoning if the model wants to, then one call or, if `parallel`, several, and nothing else."""
        syntax = self.format.tools[0]
        return Concat((self._reasoning_first(), self._parts(syntax.begin), self._calls(tools, parallel)))

    def text_with_calls(self, tools: Sequence[Tool], parallel: bool) -> Term:
        """Any text, in which whatever begins a call must become one; without `parallel` the first call is the last.

        Any text whatever, if nothing marks where a call begins.
        """
        syntax = self.format.tools[0]
        if syntax.marker is None:
            return self.any_text()
        if syntax.begin:
            then = Concat((self._parts(syntax.begin[1:]), self._calls(tools, parallel)))
        else:
            then = Concat((self._call(syntax.call[1:], tools), self._parts(syntax.end)))
        return self._text(Branch(self._markers(syntax.marker), then, parallel))

    def calls_or(self, tools: Sequence[Tool], parallel: bool, answer: Term) -> Term:
        """Reasoning if the model wants to, then calls as in `calls_only`, or `answer` in their place."""
        calls = Concat((self._parts(self.format.tools[0].begin), self._calls(tools, parallel)))
        return Concat((self._reasoning_first(), AnyOf((calls, Concat((self._answer_head(), answer))))))

    def any_text(self) -> Term:
        """Any text; what is reasoning in it is marked as such, so that it can be limited."""
        return self._text()

    def after_reasoning(self, answer: Term) -> Term:
        """Reasoning if the model wants to, then `answer`."""
        return Concat((self._reasoning_first(), self._answer_head(), answer))

    def _answer_head(self) -> Term:
        """What stands before an answer that is no call."""
        return self._marker("<|channel|>final<|message|>") if self.format.flow == "channels" else EMPTY

    # Reasoning

    def _reasoning_first(self) -> Term:
        """What may come before an answer that is not text; nothing where the prompt has the reasoning already."""
        reasoning = self.format.reasoning
        if reasoning is None or self.closed:
            return EMPTY
        body = Concat((self._inside(reasoning, may_stop=False), self._behind()))
        if self.opened:
            return body
        return AnyOf((EMPTY, Concat((self._marker(reasoning.open), body))))

    def _behind(self) -> Term:
        """Between reasoning and an answer."""
        if self.format.flow == "channels":
            return self._marker("<|start|>assistant")
        behind = self.format.reasoning.behind if self.format.reasoning else ""
        return AnyOf((BLANKS, ConstText(behind))) if behind else BLANKS

    def _inside(self, reasoning: ReasoningSyntax, may_stop: bool, cut: Term | None = None) -> Term:
        """Reasoning from behind its opening marker on; may_stop: the answer may end in it. cut: see AnyText."""
        ends = Branch(self._markers(reasoning.close), EMPTY, resumes=False)
        return AnyText((ends,), may_stop=may_stop, in_reasoning=True, cut=cut)

    def _text(self, *branches: Branch) -> Term:
        """Text with branches, in which reasoning may open or, where the syntax says so, come anywhere."""
        reasoning = self.format.reasoning
        if reasoning is None:
            return AnyText(branches, may_stop=True)
        cut = self._cut(reasoning, branches) if self.limited else None
        inside = self._inside(reasoning, may_stop=True, cut=cut)
        reasons = Branch(self._markers(reasoning.open), inside, resumes=True)
        again = (reasons,) if reasoning.anywhere else ()
        if self.opened:
            return Concat((inside, AnyText((*again, *branches), may_stop=True)))
        return AnyText((*again, *branches), None if again else reasons, may_stop=True)

    def _cut(self, reasoning: ReasoningSyntax, branches: Sequence[Branch]) -> Term:
        """What follows where reasoning is ended by force: its end, then text with branches, without another end."""
        inside = self._inside(reasoning, may_stop=True)
        again = [Branch(self._markers(reasoning.open), inside, resumes=True)] if reasoning.anywhere else []
        text = AnyText((*again, *self._no_more(reasoning), *branches), may_stop=True)
        return Concat((self._marker(reasoning.close), text))

    def _no_more(self, reasoning: ReasoningSyntax) -> list[Branch]:
        """What may not come behind reasoning that was ended by force: its markers, but the one that may come anywhere,
        and in channels the one that ends all messages.
        """
        opens = [] if reasoning.anywhere else [reasoning.open.removesuffix("<|message|>")]
        closes = [] if self.format.flow == "channels" else [reasoning.close]
        return [Branch(self._markers(marker), NEVER, resumes=False) for marker in (*opens, *closes)]

    # Calls

    def _calls(self, tools: Sequence[Tool], parallel: bool) -> Term:
        """One call or several, and what ends them all."""
        syntax = self.format.tools[0]
        call = self._call(syntax.call, tools)
        return Concat((Separated(call, self._parts(syntax.between)) if parallel else call, self._parts(syntax.end)))

    def _call(self, parts: Sequence[Part], tools: Sequence[Tool]) -> Term:
        return AnyOf(tuple(self._parts(parts, tool) for tool in tools))

    def _parts(self, parts: Sequence[Part], tool: Tool | None = None) -> Term:
        return Concat(tuple(self._part(part, tool) for part in parts))

    def _part(self, part: Part, tool: Tool | None) -> Term:
        match part:
            case str():
                return self._marker(part)
            case Optional(text=marker):
                return self._marker(marker)
            case Space(usual=usual):
                return ConstText(usual)
            case Number():
                return Regex("0|[1-9][0-9]{0,2}")
            case Identifier():
                return Regex("[a-zA-Z0-9]{9}")
        assert tool is not None
        return self._of_tool(part, tool)

    def _of_tool(self, part: Part, tool: Tool) -> Term:
        """The parts that depend on the function that is called."""
        match part:
            case Name():
                return ConstText(tool.name)
            case JsonArguments():
                return self._value(tool, OBJECT)
            case JsonCall(arguments=keys):
                return Concat(
                    (ConstText(f'{{"name": "{tool.name}", "{keys[0]}": '), self._value(tool, OBJECT), ConstText("}"))
                )
            case PythonArguments():
                return Concat((self._value(tool, PythonDialect()), ConstText(")")))
            case QuotedArguments(quote=quote):
                return self._value(tool, QuotedDialect(self.spell(quote), quote))
            case TaggedArguments():
                return self._value(tool, self._tags(part))
        raise AssertionError(part)

    def _tags(self, part: TaggedArguments) -> TaggedDialect:
        return TaggedDialect(
            open=self.spell(part.open),
            key_end=self.spell(part.key_end),
            value_open=self.spell(part.value_open),
            close=self.spell(part.close),
            between=self.spell("\n"),
            newline=part.newline,
            kinds=tuple((self.spell(kind), is_text) for kind, is_text in part.kinds),
            plain=part.close,
        )

    def _value(self, tool: Tool, dialect: ValueDialect) -> Term:
        return JsonSchema(tool.parameters, tool.place, dialect, tool.strict, tool.texts)

    # Markers

    def _marker(self, marker: str) -> Term:
        return Concat(self.spell(marker))

    def _markers(self, marker: str) -> tuple[Marker, ...]:
        """How a model may write a marker: with its control tokens, or as plain text."""
        spelled, plain = self.spell(marker), (ConstText(marker),)
        return (spelled,) if spelled == plain else (spelled, plain)
