"""The tools of a request for a response as the functions of a chat."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from generated.models import (
    ChatCompleteBodyToolChoice,
    ChatCompleteBodyToolChoiceFunction,
    ContainerResponsesBody,
    Function,
    ResponsesCustomTool,
    ResponsesCustomToolGrammar,
    ResponsesFunctionTool,
    ResponsesHostedTool,
    ResponsesNamespaceTool,
    ResponsesToolChoiceAllowed,
    ResponsesToolChoiceCustom,
    ResponsesToolChoiceFunction,
    Tool,
)
from handlers.generation.output import GrammarForm, RegexForm, TextForm
from handlers.http.errors import invalid
from handlers.responses.conversation import qualified
from handlers.responses.custom_input import INPUT
from handlers.responses.items import ToolTarget

Choice = ChatCompleteBodyToolChoice | str | None


@dataclass(frozen=True)
class OwnTool:
    """A tool that the model may call. path: where it stands in the request. steps: how to get there in its JSON.

    namespace: the one that has it, None for none. about: what that is said to be for.
    """

    tool: ResponsesFunctionTool | ResponsesCustomTool
    path: str
    steps: tuple[str | int, ...]
    namespace: str | None = None
    about: str | None = None

    @property
    def name(self) -> str:
        """By which a chat knows it."""
        return qualified(self.namespace, self.tool.name)

    @property
    def grammar(self) -> ResponsesCustomToolGrammar | None:
        """What the input of a custom tool must be, None for any text."""
        format = self.tool.format if isinstance(self.tool, ResponsesCustomTool) else None
        return format if isinstance(format, ResponsesCustomToolGrammar) else None

    @property
    def form(self) -> TextForm | None:
        """The same, for the constraint."""
        grammar, path = self.grammar, f"{self.path}.format.definition"
        if grammar is None:
            return None
        if grammar.syntax == "regex":
            return RegexForm(grammar.definition, path)
        return GrammarForm(grammar.definition, "lark", 0, path)

    def function(self) -> Function:
        """It as a function: a custom tool is one with a text as its one argument."""
        description = "\n\n".join(filter(None, (self.about, self.tool.description))) or None
        if isinstance(self.tool, ResponsesFunctionTool):
            parameters, strict = self.tool.parameters, self.tool.strict
        else:
            parameters, strict = custom_parameters(self.grammar), True
        name = self.name  # which may be longer than a chat's names
        return Function.model_construct(name=name, description=description, parameters=parameters, strict=strict)


def custom_parameters(grammar: ResponsesCustomToolGrammar | None) -> dict[str, Any]:
    """The JSON Schema of a custom tool's arguments, which tells the model what the text must be."""
    text: dict[str, Any] = {"type": "string"}
    if grammar is not None:
        kind = "regular expression" if grammar.syntax == "regex" else "Lark grammar"
        text["description"] = f"Text of this {kind}: {grammar.definition}"
    return {"type": "object", "properties": {INPUT: text}, "required": [INPUT], "additionalProperties": False}


@dataclass(frozen=True)
class Tools:
    """own: those that the model is shown. choice: of them, in the words of a chat; allowed: names of those that it may
    call, None for all. inert: paths of those that it is not shown, although they may be called.
    """

    own: tuple[OwnTool, ...] = ()
    choice: Choice = None
    allowed: tuple[str, ...] | None = None
    inert: tuple[str, ...] = ()

    def functions(self) -> list[Tool] | None:
        """They as a chat has them, None for none."""
        return [Tool(type="function", function=one.function()) for one in self.own] or None

    def targets(self) -> Mapping[str, ToolTarget]:
        """What the name of a call stands for."""
        return {
            one.name: ToolTarget(one.tool.name, one.namespace, isinstance(one.tool, ResponsesCustomTool))
            for one in self.own
        }

    def texts(self) -> Mapping[str, Mapping[str, TextForm]]:
        """What texts must be, by function and argument: the inputs of custom tools that have a grammar."""
        return {one.name: {INPUT: form} for one in self.own if (form := one.form) is not None}

    def exact(self, value: Any) -> list[dict[str, Any]]:
        """They as a chat has them, of the parsed JSON of the request, with every digit of their numbers."""
        return [{"function": self._exact(one, value)} for one in self.own]

    def _exact(self, one: OwnTool, value: Any) -> dict[str, Any]:
        for step in one.steps:
            value = value[step]
        if isinstance(one.tool, ResponsesCustomTool):
            return {"name": one.name, "parameters": custom_parameters(one.grammar), "strict": True}
        return {"name": one.name, "parameters": value.get("parameters"), "strict": value.get("strict")}

    def paths(self) -> dict[str, str]:
        """Paths of a chat's fields -> where they stand in the request."""
        found: dict[str, str] = {}
        for i, one in enumerate(self.own):
            found |= {f"tools.{i}": one.path, f"tools.{i}.function": one.path}
            if isinstance(one.tool, ResponsesCustomTool):
                schema = one.path if one.form is None else one.form.param
                found[f"tools.{i}.function.parameters"] = schema
        return {**found, "tool_choice.function.name": "tool_choice.name"}


def read_tools(body: ContainerResponsesBody) -> Tools:
    """The tools of a request. Raises APIError 422 for a choice that names none of them."""
    own, inert = list(_own(body.tools or [])), list(_hosted(body.tools or []))
    match body.tool_choice:
        case ResponsesToolChoiceAllowed() as allowed:
            return Tools(tuple(own), allowed.mode, tuple(_allowed(allowed, own)), tuple(inert))
        case ResponsesToolChoiceFunction(name=name) | ResponsesToolChoiceCustom(name=name):
            named = next((one.name for one in own if name in (one.name, one.tool.name)), name)
            function = ChatCompleteBodyToolChoiceFunction.model_construct(name=named)
            named_choice = ChatCompleteBodyToolChoice(type="function", function=function)
            return Tools(tuple(own), named_choice, inert=tuple(inert))
        case choice:
            return Tools(tuple(own), choice, inert=tuple(inert))


def _own(tools: Sequence[Any]) -> Iterator[OwnTool]:
    for i, tool in enumerate(tools):
        if isinstance(tool, ResponsesFunctionTool | ResponsesCustomTool):
            yield OwnTool(tool, f"tools.{i}", ("tools", i))
        elif isinstance(tool, ResponsesNamespaceTool):
            for j, member in enumerate(tool.tools):
                path, steps = f"tools.{i}.tools.{j}", ("tools", i, "tools", j)
                yield OwnTool(member, path, steps, tool.name, tool.description)


def _hosted(tools: Sequence[Any]) -> Iterator[str]:
    for i, tool in enumerate(tools):
        if isinstance(tool, ResponsesHostedTool):
            yield f"tools.{i}"


def _allowed(allowed: ResponsesToolChoiceAllowed, own: Sequence[OwnTool]) -> Iterator[str]:
    for i, choice in enumerate(allowed.tools):
        found = [one for one in own if choice.name in (one.name, one.tool.name)]
        if not found:
            path = f"tool_choice.tools.{i}.name"
            raise invalid(f"{path} is {choice.name!r}, which is none of tools; give one that is", path)
        yield from (one.name for one in found)
