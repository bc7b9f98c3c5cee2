"""What one request wants of its answers besides text: calls, reasoning apart, a limit on it."""

from collections.abc import Sequence
from dataclasses import dataclass

from generated.models import (
    ChatCompleteBodyToolChoice,
    ContainerChatCompletionBody,
    ResponseFormatText,
)
from handlers.formats.enforce import Spell
from handlers.formats.syntax import Format
from handlers.service import Loaded

TAIL_TOKENS = 64
"""Of a prompt: they show whether it ends inside reasoning."""


@dataclass(frozen=True)
class Answering:
    """How the answers to one request are to be written and read.

    spell: markers as the model's tokens. enforceable: grammars can be enforced. calls: tools may be called; must_call:
    nothing else may come. opened, closed: the prompt ends inside reasoning, or behind it. split: reasoning is told
    apart. budget: tokens of reasoning at most, None for any number.
    """

    format: Format
    spell: Spell
    enforceable: bool
    calls: bool = False
    must_call: bool = False
    opened: bool = False
    closed: bool = False
    split: bool = False
    budget: int | None = None

    @property
    def enforces_calls(self) -> bool:
        """Whether calls are written by a grammar: all that must come, others where a marker tells that one begins."""
        marked = self.calls and self.format.tools[0].marker is not None
        return self.enforceable and (self.must_call or marked)

    @property
    def may_reason(self) -> bool:
        """Whether reasoning may come before an answer."""
        return self.format.reasoning is not None and not self.closed


def answering(body: ContainerChatCompletionBody, loaded: Loaded, prompt: Sequence[int]) -> Answering:
    """What a valid body asks for. prompt: token ids."""
    format = loaded.format
    opened, closed = _prompt_ends(loaded, prompt)
    formatted = wants_format(body) and not closed
    return Answering(
        format=format,
        spell=loaded.tokenizer.spell,
        enforceable=loaded.engine.unconstrainable is None,
        calls=bool(body.tools) and body.tool_choice != "none" and bool(format.tools),
        must_call=must_call(body),
        opened=opened,
        closed=closed,
        split=format.reasoning is not None and (splits_reasoning(body, loaded) or formatted),
        budget=reasoning_budget(body, format),
    )


def wants_format(body: ContainerChatCompletionBody) -> bool:
    """Whether response_format restricts the answer."""
    return body.response_format is not None and not isinstance(body.response_format, ResponseFormatText)


def must_call(body: ContainerChatCompletionBody) -> bool:
    """Whether an answer must call a tool."""
    return body.tool_choice == "required" or isinstance(body.tool_choice, ChatCompleteBodyToolChoice)


def splits_reasoning(body: ContainerChatCompletionBody, loaded: Loaded) -> bool:
    """Whether reasoning is told apart as far as the request and the server's default say; always so in channels."""
    asked = loaded.parse_reasoning if body.parse_reasoning is None else body.parse_reasoning
    return asked or loaded.format.flow == "channels"


def reasoning_budget(body: ContainerChatCompletionBody, format: Format) -> int | None:
    """Tokens of reasoning at most, where the model reasons and the request limits it."""
    limited = body.reasoning_budget is not None and body.reasoning_budget >= 0
    return body.reasoning_budget if limited and format.reasoning is not None else None


def _prompt_ends(loaded: Loaded, prompt: Sequence[int]) -> tuple[bool, bool]:
    """Whether the prompt ends inside reasoning, or right behind it."""
    reasoning = loaded.format.reasoning
    if reasoning is None:
        return False, False
    tail = loaded.tokenizer.tail(prompt, TAIL_TOKENS).rstrip()
    return tail.endswith(reasoning.open.rstrip()), tail.endswith(reasoning.close.rstrip())
