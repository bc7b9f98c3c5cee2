"""How the answers to one request are to be written and read: calls, form, reasoning apart, a limit on it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from handlers.formats.enforce import Spell, Tool
from handlers.formats.syntax import Format
from handlers.loaded import LoadedModel

TAIL_TOKENS = 64
"""How many of a prompt's last tokens are read to see whether it ends inside reasoning."""


@dataclass(frozen=True)
class ToolUse:
    """The functions that answers may call.

    tools: none where nothing may be called. required: every answer is calls and nothing else. only: name of the one
    that must be called, None for any of them. parallel: an answer may have several calls.
    param, parallel_param: what the endpoint calls the tools, and what it calls `parallel`; errors name these.
    subset_param: what it calls the choice of these among all that the model is shown, None where they are all.
    """

    tools: tuple[Tool, ...] = ()
    required: bool = False
    only: str | None = None
    parallel: bool = True
    param: str = "tools"
    parallel_param: str = "parallel_tool_calls"
    subset_param: str | None = None


@dataclass(frozen=True)
class JSONSchemaForm:
    """Answers are JSON that is valid by a schema.

    schema: a JSON schema as plain values; its numbers may be `orjson.Fragment`s of their digits. param: what the
    endpoint calls it; errors name it. strict: a schema with a keyword that cannot be enforced is refused.
    """

    schema: Any
    param: str
    strict: bool = False


@dataclass(frozen=True)
class JSONObjectForm:
    """Answers are JSON objects. param: what the endpoint calls it; errors name it."""

    param: str


@dataclass(frozen=True)
class RegexForm:
    """Answers match the whole of a regular expression. param: what the endpoint calls it; errors name it."""

    pattern: str
    param: str


@dataclass(frozen=True)
class GrammarForm:
    """Answers are of the language of a context-free grammar.

    syntax: "gbnf", "lark", or "" to tell it from the grammar. max_recursion: levels of recursion that is neither a
    repetition nor between brackets; 0 refuses it. param: what the endpoint calls the grammar; errors name it.
    """

    grammar: str
    syntax: str
    max_recursion: int
    param: str


TextForm = RegexForm | GrammarForm
AnswerForm = JSONSchemaForm | JSONObjectForm | TextForm


@dataclass(frozen=True)
class ReasoningBudget:
    """Most tokens of reasoning that an answer may have. param: what the endpoint calls it; errors name it."""

    tokens: int
    param: str


@dataclass(frozen=True)
class EndTokens:
    """Tokens that end an answer, where a request names them. param: what the endpoint calls them; errors name it."""

    tokens: tuple[int, ...]
    param: str


@dataclass(frozen=True)
class OutputRequest:
    """What a request asks of the form of its answers, taken out of an endpoint's own body.

    form: None where any text will do. parse_reasoning: whether reasoning is told apart, None to leave it to the server.
    reasoning_budget: None for any number of tokens. end_tokens: None for the model's own.
    """

    tool_use: ToolUse = field(default_factory=ToolUse)
    form: AnswerForm | None = None
    parse_reasoning: bool | None = None
    reasoning_budget: ReasoningBudget | None = None
    end_tokens: EndTokens | None = None


@dataclass(frozen=True)
class OutputPlan:
    """What a request asks of its answers, as far as this model can do it with this prompt.

    format: how the model writes calls and reasoning. spell: markers as the model's tokens. enforceable: grammars can be
    enforced with the model. tool_use: no tools where the model's format has no calls. form: None for any text.
    opened, closed: the prompt ends inside reasoning, or right behind it. split: reasoning is told apart from content.
    budget: most tokens of reasoning; None for any number, and where the model does not reason. end_tokens: those that
    the request names, with the bytes that each would write, b"" for none; end_param: what the endpoint calls them.
    """

    format: Format
    spell: Spell
    enforceable: bool
    tool_use: ToolUse = field(default_factory=ToolUse)
    form: AnswerForm | None = None
    opened: bool = False
    closed: bool = False
    split: bool = False
    budget: ReasoningBudget | None = None
    end_tokens: Mapping[int, bytes] = field(default_factory=dict)
    end_param: str = ""

    @property
    def calls(self) -> bool:
        """Whether answers may call tools."""
        return bool(self.tool_use.tools)

    @property
    def enforces_calls(self) -> bool:
        """Whether calls are written by a grammar: all that must come, others where a marker tells that one begins or
        nothing but an answer in a form may come in their place.
        """
        marked = self.calls and self.format.tools[0].marker is not None
        return self.enforceable and (self.tool_use.required or marked or self.form is not None)

    @property
    def may_reason(self) -> bool:
        """Whether the model may write reasoning before its answer."""
        return self.format.reasoning is not None and not self.closed


def plan_output(asked: OutputRequest, loaded: LoadedModel, prompt: Sequence[int]) -> OutputPlan:
    """What the loaded model can do of what is asked of its answers.

    prompt: token ids up to where the answer begins, whose end shows whether reasoning has begun or ended.
    """
    format, ends = loaded.format, asked.end_tokens
    if asked.form is not None and not asked.tool_use.required:
        format = format.marked_first()  # an answer in a form may begin as a call that nothing marks
    opened, closed = _prompt_ends(loaded, prompt)
    formatted = asked.form is not None and not closed
    return OutputPlan(
        format=format,
        spell=loaded.tokenizer.spell,
        enforceable=loaded.engine.constraint_unsupported_reason is None,
        tool_use=asked.tool_use if format.tools else ToolUse(),
        form=asked.form,
        opened=opened,
        closed=closed,
        split=format.reasoning is not None and (_splits_reasoning(asked, loaded) or formatted),
        budget=asked.reasoning_budget if format.reasoning is not None else None,
        end_tokens={token: loaded.tokenizer.token_bytes(token) or b"" for token in (ends.tokens if ends else ())},
        end_param=ends.param if ends else "",
    )


def _splits_reasoning(asked: OutputRequest, loaded: LoadedModel) -> bool:
    """Whether reasoning is told apart as far as the request and the server's default say; always so in channels."""
    wanted = loaded.parse_reasoning if asked.parse_reasoning is None else asked.parse_reasoning
    return wanted or loaded.format.flow == "channels"


def _prompt_ends(loaded: LoadedModel, prompt: Sequence[int]) -> tuple[bool, bool]:
    """Whether the prompt ends inside reasoning, or right behind it."""
    reasoning = loaded.format.reasoning
    if reasoning is None:
        return False, False
    tail = loaded.tokenizer.decode_tail(prompt, TAIL_TOKENS).rstrip()
    return tail.endswith(reasoning.open.rstrip()), tail.endswith(reasoning.close.rstrip())
