"""Which format a model uses: told from its chat template and tokenizer, or by name."""

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from handlers.formats.families import REASONING_SYNTAXES, TOOL_SYNTAXES
from handlers.formats.syntax import Flow, Format, ReasoningSyntax

# The first family all of whose texts are there. A family comes before those whose texts its own contain.
_TOOL_MARKS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("harmony", ("<|channel|>",)),
    ("gemma4", ("<|tool_call>",)),
    ("functiongemma", ("<start_function_call>",)),
    ("deepseek-v3.2", ("｜DSML｜",)),
    ("deepseek-v3", ("<｜tool▁call▁begin｜>", "```json")),
    ("deepseek-v3.1", ("<｜tool▁call▁begin｜>",)),
    ("kimi-k2", ("<|tool_call_begin|>",)),
    ("minimax-m2", ("<minimax:tool_call>",)),
    ("mistral", ("[TOOL_CALLS]", "[ARGS]")),
    ("mistral-list", ("[TOOL_CALLS]",)),
    ("lfm2", ("<|tool_call_start|>",)),
    ("olmo3", ("<function_calls>",)),
    ("llama4", ("<|python_start|>",)),
    ("llama3", ("<|python_tag|>",)),
    ("llama3", ('"parameters": ', "<|eot_id|>")),
    ("glm4", ("<arg_key>",)),
    ("qwen3-coder", ("<function=",)),
    ("hermes", ("<tool_call>",)),
)
_REASONING_MARKS = (
    ("gemma4", "<|channel>"),
    ("mistral", "[THINK]"),
    ("think", "</think>"),
)
_REASONING_FIELDS = ("reasoning_content", "reasoning", "thinking")


def detect(template: str, special_tokens: Collection[str], response_template: Mapping[str, Any] | None) -> Format:
    """How a model writes tool calls and reasoning, told from its chat template and its tokenizer.

    template: its chat template. special_tokens: those its tokenizer knows, which count where the template shows no
    calls. response_template: how the tokenizer itself describes answers, in transformers' terms; its own reasoning
    markers are taken as they are.
    """
    fields = response_template.get("fields") if response_template else None
    fields = fields if isinstance(fields, Mapping) else {}
    described = "\n".join(_texts(fields.get("tool_calls")))
    tools = _tools_in(f"{template}\n{described}") or _tools_in("\n".join(special_tokens)) or "none"
    if tools == "harmony":
        return _format(tools, tools)
    own = next((syntax for name in _REASONING_FIELDS if (syntax := _own_reasoning(fields.get(name)))), None)
    if own is None:
        return _format(tools, next((name for name, mark in _REASONING_MARKS if mark in template), "none"))
    known = [name for name, syntax in REASONING_SYNTAXES.items() if syntax and _markers(syntax) == _markers(own)]
    return _format(tools, known[0]) if known else _format(tools, "own", own)


def named(tools: str | None, reasoning: str | None, detected: Format) -> Format:
    """The format of the families `tools` and `reasoning`; where one is None, that of `detected` is taken.

    Raises ValueError, with the names there are, for a family that is not known.
    """
    _check("tool call", tools, TOOL_SYNTAXES)
    _check("reasoning", reasoning, REASONING_SYNTAXES)
    if reasoning is None and tools != "harmony":
        return _format(tools or detected.tool_name, detected.reasoning_name, detected.reasoning)
    return _format(tools or detected.tool_name, reasoning or "harmony")


def _check(what: str, name: str | None, known: Collection[str]) -> None:
    if name is not None and name not in known:
        raise ValueError(f"there is no {what} format {name!r}; there are {', '.join(known)}")


def _format(tools: str, reasoning: str, own: ReasoningSyntax | None = None) -> Format:
    """Of these names. own: the reasoning syntax where the name is none of a family. Calls in channels need channels."""
    flow: Flow = "channels" if tools == "harmony" or (tools, reasoning) == ("none", "harmony") else "text"
    return Format(TOOL_SYNTAXES[tools], own or REASONING_SYNTAXES[reasoning], flow, tools, reasoning)


def _tools_in(text: str) -> str | None:
    return next((name for name, marks in _TOOL_MARKS if all(mark in text for mark in marks)), None)


def _own_reasoning(field: Any) -> ReasoningSyntax | None:
    """The markers that a response template gives to reasoning, if they are plain texts."""
    if not isinstance(field, Mapping):
        return None
    open, close = (_plain_marker(field.get(side)) for side in ("open", "close"))
    return ReasoningSyntax(open, close) if open and close else None


def _plain_marker(marker: Any) -> str | None:
    """The first of several."""
    if isinstance(marker, list) and marker:
        marker = marker[0]
    return marker if isinstance(marker, str) else None


def _markers(syntax: ReasoningSyntax) -> tuple[str, str]:
    return syntax.open, syntax.close


def _texts(value: Any) -> Iterator[str]:
    """The strings inside, without the backslashes that make them regular expressions."""
    if isinstance(value, str):
        yield re.sub(r"\\(\W)", r"\1", value)
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)
