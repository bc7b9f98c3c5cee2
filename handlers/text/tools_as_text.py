"""Tools for chat templates that have no place for them: definitions, calls and results written as text of messages."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from handlers.formats.call_text import Call, write_calls
from handlers.formats.syntax import CallSyntax
from handlers.text.template import Message, TemplateTraits

_TOOLS = """You can call functions. These are their definitions, one a line, with a JSON Schema of the arguments:

<tools>
{definitions}
</tools>"""
_CALLING = """Where a function helps to answer, do not answer yourself: call it, in this form:

{call}

The result is then given to you between <tool_response> and </tool_response>; answer from it in your own words."""
_RESULT_OPENS = "<tool_response>"
_RESULT = _RESULT_OPENS + "\n{}\n</tool_response>"
_EXAMPLE: Call = ("name-of-function", {"name-of-argument": "value"})


@dataclass(frozen=True)
class ToolsAsText:
    """Rewrites a chat so that a template with these traits shows all of its tools.

    traits: of the template. syntax: how the model writes calls; None: calls are not read, so that there are none to
    write. Only what the template has no place for is rewritten: definitions go into the system message, or the first
    message of the user where the template takes no system message; calls into the content of the message that makes
    them; results, in the order of the calls, into a message of the user.
    """

    traits: TemplateTraits
    syntax: CallSyntax | None

    @property
    def rewritten(self) -> tuple[str, ...]:
        """What is rewritten, in words; nothing where the template has a place for everything."""
        places = {"tools": self.traits.tools}
        if self.syntax is not None:
            places |= {"calls": self.traits.arguments is not None, "results": self.traits.tool_results}
        return tuple(what for what, shown in places.items() if not shown)

    def rewrite(
        self, messages: list[Message], tools: list[Message] | None
    ) -> tuple[list[Message], list[Message] | None]:
        """Messages and tools, both shaped (handlers/text/template.py), for the template itself."""
        if "results" in self.rewritten:
            messages = list(self._results_by_users(messages))
        if "calls" in self.rewritten:
            messages = [self._calls_in_content(message) for message in messages]
        if tools and "tools" in self.rewritten:
            messages, tools = self._described(messages, tools), None
        return messages, tools

    def _results_by_users(self, messages: list[Message]) -> Iterator[Message]:
        """One message of the user for all results that follow each other."""
        order: dict[str, int] = {}
        for role, run in groupby(messages, key=lambda message: message["role"]):
            if role != "tool":
                for message in run:
                    order = {call["id"]: i for i, call in enumerate(message.get("tool_calls", []))}
                    yield message
                continue
            results = sorted(run, key=lambda result: order.get(result["tool_call_id"], 0))
            texts = [_RESULT.format(_text(result["content"])) for result in results]
            yield {"role": "user", "content": self._content("\n".join(texts))}

    def _calls_in_content(self, message: Message) -> Message:
        functions = [call["function"] for call in message.get("tool_calls", [])]
        if not functions:
            return message
        calls = self._written(*((function["name"], function["arguments"]) for function in functions))
        said = [_text(message["content"])] if message.get("content") else []
        rest = {key: value for key, value in message.items() if key != "tool_calls"}
        return {**rest, "content": self._content("\n".join([*said, calls]))}

    def _described(self, messages: list[Message], tools: list[Message]) -> list[Message]:
        """The definitions behind a system message's text, or before that of the user where there can be none."""
        definitions = "\n".join(json.dumps(tool, ensure_ascii=False) for tool in tools)
        text = _TOOLS.format(definitions=definitions)
        if "calls" in self.rewritten:
            text += "\n\n" + _CALLING.format(call=self._written(_EXAMPLE))
        role, among = ("system", messages[:1]) if self.traits.system else ("user", messages)
        at = next((i for i, message in enumerate(among) if message["role"] == role), None)
        if at is None:
            return [{"role": role, "content": self._content(text)}, *messages]
        said = messages[at]["content"]
        contents = (said, text) if role == "system" else (text, said)
        described = {**messages[at], "content": _joined("\n\n", [each for each in contents if each], self.traits)}
        return [*messages[:at], described, *messages[at + 1 :]]

    def _written(self, *calls: Call) -> str:
        assert self.syntax is not None
        return write_calls(self.syntax, calls)

    def _content(self, text: str) -> str | list[Message]:
        return _part_content(text, self.traits)


def results_as_text(messages: list[Message], traits: TemplateTraits, every: bool) -> list[Message]:
    """The chat with results that no call before asked for, or `every` one, in messages of the user, one for all that
    follow each other and for what the user says then.

    For templates that refuse such results, as in a history whose beginning was cut off, or two messages of the user.
    """
    rewritten: list[Message] = []
    open_ids: set[str] = set()
    for message in messages:
        if message["role"] != "tool":
            open_ids = {call["id"] for call in message.get("tool_calls", [])}
        elif every or message["tool_call_id"] not in open_ids:
            message = {"role": "user", "content": _part_content(_RESULT.format(_text(message["content"])), traits)}
        last = rewritten[-1] if rewritten else None
        if last is not None and last["role"] == message["role"] == "user" and _RESULT_OPENS in _text(last["content"]):
            message = {**message, "content": _joined("\n", (last["content"], message["content"]), traits)}
            rewritten.pop()
        rewritten.append(message)
    return rewritten


def _part_content(text: str, traits: TemplateTraits) -> str | list[Message]:
    return text if traits.content == "string" else [{"type": "text", "text": text}]


def _text(content: str | list[Message]) -> str:
    return content if isinstance(content, str) else "".join(part.get("text", "") for part in content)


def _joined(separator: str, contents: Sequence[str | list[Message]], traits: TemplateTraits) -> str | list[Message]:
    """Contents with a text between them, as one; a list where there are media among them."""
    parts: list[Message] = []
    for content in contents:
        between = [{"type": "text", "text": separator}] if parts else []
        parts += between + (content if isinstance(content, list) else [{"type": "text", "text": content}])
    if all(part["type"] == "text" for part in parts):
        return _part_content(_text(parts), traits)
    runs = ((is_text, list(run)) for is_text, run in groupby(parts, key=lambda part: part["type"] == "text"))
    return [part for is_text, run in runs for part in ([{"type": "text", "text": _text(run)}] if is_text else run)]
