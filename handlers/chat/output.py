"""What a chat request asks of the form of its answers, taken out of its body."""

from typing import Any

from generated.models import (
    ChatCompleteBodyToolChoice,
    ContainerChatCompletionBody,
    ResponseFormatGrammar,
    ResponseFormatJsonObject,
    ResponseFormatJsonSchema,
    ResponseFormatRegex,
    ResponseFormatText,
)
from handlers.formats.enforce import Tool
from handlers.generation.output import (
    AnswerForm,
    EndTokens,
    GrammarForm,
    JSONObjectForm,
    JSONSchemaForm,
    OutputRequest,
    ReasoningBudget,
    RegexForm,
    ToolUse,
)
from handlers.http.errors import invalid
from handlers.http.validation import parse_exact

SCHEMA, PATTERN, TOOLS = "response_format.json_schema.schema", "response_format.schema", "tools"
GRAMMAR = "response_format.grammar"


def output_request(body: ContainerChatCompletionBody, text: bytes) -> OutputRequest:
    """What a valid body asks of the form of its answers: tools, response_format, reasoning.

    text: the JSON that the body was made of, from which schemas are taken with every digit.

    Raises APIError 422 where a schema is nested too deeply.
    """
    exact = _Exact(text)
    return OutputRequest(
        _tool_use(body, exact),
        _form(body, exact),
        body.parse_reasoning,
        reasoning_budget(body),
        None if body.eos_token is None else EndTokens(tuple(body.eos_token), "eos_token"),
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


def reasoning_budget(body: ContainerChatCompletionBody) -> ReasoningBudget | None:
    """Most tokens of reasoning that the body allows, None for no limit, which a negative budget says too."""
    limited = body.reasoning_budget is not None and body.reasoning_budget >= 0
    return ReasoningBudget(body.reasoning_budget, "reasoning_budget") if limited else None  # type: ignore[arg-type]


class _Exact:
    """The body's JSON with every digit of its numbers, parsed where a schema is asked for, and once."""

    def __init__(self, text: bytes) -> None:
        self._text = text
        self._parsed: Any = None

    def document(self, param: str) -> Any:
        """param: the schema that is asked for. Raises APIError 422 that names it."""
        if self._parsed is None:
            try:
                self._parsed = parse_exact(self._text)
            except RecursionError as error:
                raise invalid(f"{param} is nested too deeply", param) from error
        return self._parsed


def _tool_use(body: ContainerChatCompletionBody, exact: _Exact) -> ToolUse:
    if not may_call(body):
        return ToolUse()
    tools = tuple(
        Tool(
            name=tool["function"]["name"],
            parameters=tool["function"]["parameters"],
            place=f"tools.{i}.function.parameters",
            strict=tool["function"].get("strict") is True,
        )
        for i, tool in enumerate(exact.document(TOOLS)["tools"])
    )
    choice = body.tool_choice
    only = choice.function.name if isinstance(choice, ChatCompleteBodyToolChoice) else None
    return ToolUse(tools, must_call(body), only, parallel=body.parallel_tool_calls is not False)


def _form(body: ContainerChatCompletionBody, exact: _Exact) -> AnswerForm | None:
    match body.response_format:
        case ResponseFormatJsonSchema():
            asked = exact.document(SCHEMA)["response_format"]["json_schema"]
            return JSONSchemaForm(asked["schema"], SCHEMA, asked.get("strict") is True)
        case ResponseFormatJsonObject():
            return JSONObjectForm("response_format")
        case ResponseFormatRegex(schema_=regex):
            return RegexForm(regex, PATTERN)
        case ResponseFormatGrammar(grammar=grammar, syntax=syntax, max_recursion=levels):
            return GrammarForm(grammar, syntax or "", levels or 0, GRAMMAR)
        case _:
            return None
