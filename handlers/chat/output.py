"""What a chat request asks of the form of its answers, taken out of its body."""

from collections.abc import Callable
from typing import Any

from backend.grammar import ContextFree, Regex
from generated.models import (
    ChatCompleteBodyToolChoice,
    ContainerChatCompletionBody,
    ResponseFormatGrammar,
    ResponseFormatJsonObject,
    ResponseFormatJsonSchema,
    ResponseFormatRegex,
    ResponseFormatText,
)
from handlers.chat.request import ChatRequest
from handlers.formats.enforce import Tool
from handlers.formats.names import FunctionNames
from handlers.generation.output import (
    AnswerForm,
    EndTokens,
    GrammarForm,
    JSONObjectForm,
    JSONSchemaForm,
    OutputRequest,
    ReasoningBudget,
    RegexForm,
    TextForm,
    ToolUse,
)
from handlers.http.errors import invalid
from handlers.http.validation import parse_exact

SCHEMA, PATTERN = "response_format.json_schema.schema", "response_format.schema"
GRAMMAR = "response_format.grammar"
ResponseFormat = (
    ResponseFormatText
    | ResponseFormatJsonObject
    | ResponseFormatJsonSchema
    | ResponseFormatRegex
    | ResponseFormatGrammar
)
NO_PARAMETERS: dict[str, Any] = {"type": "object", "properties": {}}


def output_request(request: ChatRequest, names: FunctionNames, text: bytes) -> OutputRequest:
    """What a valid request asks of the form of its answers: tools, response_format, reasoning.

    names: what the model knows the functions as. text: the JSON that its body was made of, from which schemas are taken
    with every digit.

    Raises APIError 422 where a schema is nested too deeply.
    """
    exact, body = _Exact(text, request), request.body
    return OutputRequest(
        _tool_use(request, names, exact),
        answer_form(
            request.body.response_format, lambda: exact.part("response_format", request.told(SCHEMA)), request.told
        ),
        body.parse_reasoning,
        _reasoning_budget(request),
        None if body.eos_token is None else EndTokens(tuple(body.eos_token), request.told("eos_token")),
    )


def wants_form(body: ContainerChatCompletionBody) -> bool:
    """Whether the body's response_format restricts the answer."""
    return body.response_format is not None and not isinstance(body.response_format, ResponseFormatText)


def may_call(body: ContainerChatCompletionBody) -> bool:
    """Whether an answer to the body may call a tool."""
    return bool(body.tools) and body.tool_choice != "none"


def must_call(body: ContainerChatCompletionBody) -> bool:
    """Whether an answer to the body must call a tool."""
    return body.tool_choice == "required" or isinstance(body.tool_choice, ChatCompleteBodyToolChoice)


def limits_reasoning(body: ContainerChatCompletionBody) -> bool:
    """Whether the body limits the tokens of reasoning; a negative budget says that there is no limit."""
    return body.reasoning_budget is not None and body.reasoning_budget >= 0


def _reasoning_budget(request: ChatRequest) -> ReasoningBudget | None:
    if not limits_reasoning(request.body):
        return None
    return ReasoningBudget(request.body.reasoning_budget, request.told("reasoning_budget"))  # type: ignore[arg-type]


def answer_form(
    asked: ResponseFormat | None, exact: Callable[[], Any], told: Callable[[str], str] = str
) -> AnswerForm | None:
    """The form that a `response_format` asks for, None for any text.

    exact: gives its JSON with every digit; asked where there is a schema. told: what the API calls its fields.
    """
    match asked:
        case ResponseFormatJsonSchema():
            schema = exact()["json_schema"]
            return JSONSchemaForm(schema["schema"], told(SCHEMA), schema.get("strict") is True)
        case ResponseFormatJsonObject():
            return JSONObjectForm(told("response_format"))
        case ResponseFormatRegex(schema_=regex):
            return RegexForm(regex, told(PATTERN))
        case ResponseFormatGrammar(grammar=grammar, syntax=syntax, max_recursion=levels):
            return GrammarForm(grammar, syntax or "", levels or 0, told(GRAMMAR))
        case _:
            return None


class _Exact:
    """Tools and response_format with every digit of their numbers, parsed where a schema is asked for, and once."""

    def __init__(self, text: bytes, request: ChatRequest) -> None:
        self._text, self._request = text, request
        self._parsed: Any = None

    def part(self, name: str, param: str) -> Any:
        """`tools` or `response_format`. param: the schema that is asked for. Raises APIError 422 that names it."""
        if self._parsed is None:
            try:
                self._parsed = self._request.exact(parse_exact(self._text))
            except RecursionError as error:
                raise invalid(f"{param} is nested too deeply", param) from error
        return self._parsed[name]


def _tool_use(request: ChatRequest, names: FunctionNames, exact: _Exact) -> ToolUse:
    body, told = request.body, request.told
    if not may_call(body):
        return ToolUse()
    functions = [tool["function"] for tool in exact.part("tools", told("tools"))]
    tools = tuple(
        Tool(
            name=names.written(function["name"]),
            parameters=NO_PARAMETERS if (schema := function.get("parameters")) is None else schema,
            place=(place := f"tools.{i}.function.parameters"),
            param=told(place),
            strict=function.get("strict") is True,
            told=function["name"],
            texts=tuple((key, _language(form)) for key, form in request.texts.get(function["name"], {}).items()),
        )
        for i, function in enumerate(functions)
        if request.may_be_called(function["name"])
    )
    choice = body.tool_choice
    only = names.written(choice.function.name) if isinstance(choice, ChatCompleteBodyToolChoice) else None
    parallel = body.parallel_tool_calls is not False and not request.functions
    subset = None if request.allowed is None else told("tool_choice")
    return ToolUse(tools, must_call(body), only, parallel, told("tools"), told("parallel_tool_calls"), subset)


def _language(form: TextForm) -> Regex | ContextFree:
    if isinstance(form, RegexForm):
        return Regex(form.pattern)
    return ContextFree(form.grammar, form.param, form.syntax, form.max_recursion)
