"""What a request asks of the form of its answers, and what is said where that cannot be done."""

import asyncio
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import orjson

from backend.grammar import (
    DEFAULT_LIMITS,
    CompilerBusy,
    Constraint,
    Grammar,
    GrammarError,
    JsonSchema,
    Regex,
    Term,
    structural_constraint,
)
from generated.models import (
    ChatCompleteBodyToolChoice,
    ContainerChatCompletionBody,
    ResponseFormatJsonObject,
    ResponseFormatJsonSchema,
    ResponseFormatRegex,
)
from handlers.chat.answering import Answering
from handlers.formats.enforce import Grammarian, Tool
from handlers.http.errors import APIError, invalid
from handlers.service import Compiler

SCHEMA, PATTERN, TOOLS = "response_format.json_schema.schema", "response_format.schema", "tools"
_TOOL_PLACE = re.compile(r"tools\.(\d+)\.function\.parameters")


@dataclass(frozen=True)
class Wish:
    """A constraint. tools: those whose schemas need not be enforced if they cannot be, because nothing must be called.

    relaxed: the places of the schemas that are not, and other parameters that have no effect for that.
    """

    constraint: Constraint
    tools: tuple[Tool, ...] = ()
    relaxed: tuple[str, ...] = ()


@dataclass
class Constraints:
    """Makes the grammars of one request. body: valid; raw: as it came, which has its numbers digit by digit."""

    body: ContainerChatCompletionBody
    raw: bytes
    answering: Answering
    compiler: Compiler
    _parsed: dict[str, Any] = field(default_factory=dict)

    async def grammar(self) -> tuple[Grammar | None, tuple[str, ...]]:
        """The grammar of the answers, being compiled, None where any text will do; and the schemas that it leaves out.

        Raises APIError 422 where a schema is too large or what must be called cannot be enforced, 429 where too many
        are being compiled.
        """
        wish = await asyncio.to_thread(self.wish)
        while wish is not None:
            grammar = self._compile(wish.constraint)
            if not wish.tools:
                return grammar, wish.relaxed
            try:
                await asyncio.wrap_future(grammar.tables)
                return grammar, wish.relaxed
            except GrammarError as error:
                wish = await asyncio.to_thread(self._relaxed, wish, error)
        return None, ()

    async def compiled(self, grammar: Grammar) -> None:
        """Waits for the tables; raises APIError 422 where there can be none."""
        try:
            await asyncio.wrap_future(grammar.tables)
        except GrammarError as error:
            place = _TOOL_PLACE.match(error.pointer)
            raise invalid(str(error), place[0] if place else self._param()) from error

    def wish(self) -> Wish | None:
        """What the compiler is asked for; raises APIError 422 where its text is too large."""
        if self.answering.calls:
            return self._of_calls(self._tools())
        if self.body.response_format is not None and (wish := self._of_format()) is not None:
            return wish
        return self._of_budget()

    def _of_budget(self) -> Wish | None:
        """Any text, of which it must be known what is reasoning if that is limited."""
        if self.answering.budget is None:
            return None
        return self._structural(self._grammarian().any_text(), "reasoning_budget")

    # Calls

    def _of_calls(self, tools: tuple[Tool, ...], relaxed: tuple[str, ...] = ()) -> Wish | None:
        grammarian, choice = self._grammarian(), self.body.tool_choice
        parallel = self.body.parallel_tool_calls is not False
        if self.answering.must_call:
            named = isinstance(choice, ChatCompleteBodyToolChoice)
            asked = [tool for tool in tools if not named or tool.name == choice.function.name]  # type: ignore[union-attr]
            return self._structural(grammarian.calls_only(asked, parallel and not named), TOOLS)
        if not self.answering.enforces_calls:
            return self._of_budget()
        wish = self._structural(grammarian.text_with_calls(tools, parallel), TOOLS)
        return replace(wish, tools=tools, relaxed=relaxed)

    def _relaxed(self, wish: Wish, error: GrammarError) -> Wish | None:
        """The same without the schema that the error is about, or without all where it is about them together.

        Where that was tried already, calls are left to the model. Raises APIError 422 for what must be enforced.
        """
        place = _TOOL_PLACE.match(error.pointer)
        concerned = [tool for tool in wish.tools if place is None or tool.place == place[0]]
        if any(tool.strict for tool in concerned):
            raise invalid(str(error), place[0] if place else TOOLS) from error
        relaxed = tuple(dict.fromkeys([*wish.relaxed, *(tool.place for tool in concerned)]))
        if relaxed == wish.relaxed:
            text = self._structural(self._grammarian().any_text(), TOOLS)
            unused = ["parallel_tool_calls"] if self.body.parallel_tool_calls is False else []
            return replace(text, relaxed=(*(tool.place for tool in wish.tools), *unused))
        tools = [replace(tool, parameters=any_arguments(tool)) if tool in concerned else tool for tool in wish.tools]
        return self._of_calls(tuple(tools), relaxed)

    def _tools(self) -> tuple[Tool, ...]:
        given = self._document(TOOLS)["tools"]
        return tuple(
            Tool(
                name=tool["function"]["name"],
                parameters=tool["function"]["parameters"],
                place=f"tools.{i}.function.parameters",
                strict=tool["function"].get("strict") is True,
            )
            for i, tool in enumerate(given)
        )

    # Formats

    def _of_format(self) -> Wish | None:
        """What response_format asks for, behind the reasoning where the model may reason."""
        answer: Term
        match self.body.response_format:
            case ResponseFormatJsonSchema():
                schema = self._document(SCHEMA)["response_format"]["json_schema"]["schema"]
                plain, answer = Constraint("json_schema", _text(schema, SCHEMA)), JsonSchema(schema, "")
            case ResponseFormatJsonObject():
                plain, answer = Constraint("json_object"), JsonSchema({"type": "object"}, "")
            case ResponseFormatRegex(schema_=regex):
                plain, answer = Constraint("regex", regex), Regex(regex)
            case _:
                return None
        if self.answering.may_reason:
            return self._structural(self._grammarian().after_reasoning(answer), self._param())
        return Wish(_checked(plain, self._param()))

    def _grammarian(self) -> Grammarian:
        wanted = self.answering
        return Grammarian(wanted.format, wanted.spell, wanted.opened, wanted.closed)

    def _structural(self, term: Term, param: str) -> Wish:
        """param: what errors name."""
        with encoding(param):
            constraint = structural_constraint(term)
        return Wish(_checked(constraint, param))

    def _document(self, param: str) -> dict[str, Any]:
        """The body as JSON: properties in order and numbers digit by digit.

        The parsed body has neither integers beyond 64 bits nor decimals as they are. Raises APIError 422.
        """
        if not self._parsed:
            try:
                self._parsed = json.loads(self.raw, parse_int=orjson.Fragment, parse_float=orjson.Fragment)
            except RecursionError as error:
                raise invalid(f"{param} is nested too deeply", param) from error
        return self._parsed

    def _compile(self, constraint: Constraint) -> Grammar:
        try:
            return self.compiler.compile(constraint)
        except CompilerBusy as error:
            message = "the server is compiling as many schemas as it can; try again in a second"
            raise APIError(429, message, code="compiler_busy", headers={"Retry-After": "1"}) from error

    def _param(self) -> str:
        params: dict[type, str] = {ResponseFormatJsonSchema: SCHEMA, ResponseFormatRegex: PATTERN}
        if self.answering.calls:
            return TOOLS
        return params.get(type(self.body.response_format), "response_format")


def any_arguments(tool: Tool) -> dict[str, Any]:
    """A schema of the same names, which satisfies every form of calls, with any values."""
    known = tool.parameters.get("properties") if isinstance(tool.parameters, dict) else None
    names = known if isinstance(known, dict) else {}
    return {"type": "object", "properties": {name: {} for name in names}, "additionalProperties": True}


def _text(value: object, param: str) -> str:
    with encoding(param):
        return orjson.dumps(value).decode()


@contextmanager
def encoding(param: str) -> Iterator[None]:
    """Raises APIError 422 where what `param` holds is nested too deeply to be written."""
    try:
        yield
    except (RecursionError, orjson.JSONEncodeError) as error:
        raise invalid(f"{param} is nested too deeply", param) from error


def _checked(constraint: Constraint, param: str) -> Constraint:
    size, most = len(constraint.text.encode()), DEFAULT_LIMITS.schema_bytes
    if size > most:
        raise invalid(f"{param} has {size} bytes, but may have {most}", param)
    return constraint
