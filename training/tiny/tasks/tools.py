"""Tool calls, alone and in parallel, and answers from what the tools returned."""

import json
from dataclasses import dataclass
from string import Formatter
from typing import Any

from training.draw import Draw, Phrases, joined, with_articles
from training.tiny.tasks.messages import Exchange, Message, assistant, calls, result, user
from training.tiny.tasks.toolbox import KINDS, SUM, Kind, Parameter, Schema

PLAIN_NAMES = ("get", "fetch", "run", "do", "my", "api", "v2", "tool", "new", "fast", "list", "read")
JOINING = (" And ", " Also, ", " Then ", " ")
NO_TOOL = "Sorry, I have no tool for that."


@dataclass(frozen=True)
class Tool:
    """A kind under the names that this conversation uses. keys: parameter to its key in the arguments."""

    kind: Kind
    name: str
    keys: dict[str, str]
    definition: dict[str, Any]


@dataclass(frozen=True)
class Wish:
    """What the user asks for, and the call that does it."""

    text: str
    tool: Tool
    arguments: dict[str, Any]


def toolset(draw: Draw, size: int) -> list[Tool]:
    return [_tool(draw, kind) for kind in draw.some(KINDS, size)]


def _tool(draw: Draw, kind: Kind) -> Tool:
    name = _name(draw, kind)
    keys: dict[str, str] = {}
    for parameter, spec in kind.parameters.items():
        free = [key for key in spec.names if key not in keys.values()]
        keys[parameter] = free[0] if draw.chance(0.5) else draw.pick(free)
    return Tool(kind, name, keys, _definition(draw, kind, name, keys))


def _name(draw: Draw, kind: Kind) -> str:
    name = draw.phrase(kind.names)
    if draw.chance(0.65):
        return name
    other = draw.pick(PLAIN_NAMES) if draw.chance(0.4) else draw.word()
    return draw.pick([f"{name}_{other}", f"{other}_{name}", f"{name}-{other}", f"{other}{name.capitalize()}", other])


def _definition(draw: Draw, kind: Kind, name: str, keys: dict[str, str]) -> dict[str, Any]:
    titled, described = draw.chance(0.2), draw.chance(0.7)
    properties = {keys[key]: _property(spec, keys[key], titled, described) for key, spec in kind.parameters.items()}
    schema: Schema = {"type": "object", "properties": properties}
    if draw.chance(0.3):
        schema = {"properties": properties, "type": "object"}
    schema["required"] = [keys[key] for key, spec in kind.parameters.items() if spec.required]
    if draw.chance(0.3):
        schema["additionalProperties"] = False
    function: dict[str, Any] = {"name": name}
    if draw.chance(0.85):
        function["description"] = draw.pick(kind.descriptions)
    function["parameters"] = schema
    if draw.chance(0.1):
        function["strict"] = True
    return {"type": "function", "function": function}


def _property(spec: Parameter, key: str, titled: bool, described: bool) -> Schema:
    titles = {"title": key.replace("_", " ").title()} if titled else {}
    about = {"description": spec.description} if described else {}
    return {**titles, **spec.schema, **about}


def wish(draw: Draw, tool: Tool) -> Wish:
    """A request for one call; its arguments are in the order of the definition."""
    pattern = draw.phrase(tool.kind.asks)
    slots = {slot for _, slot, _, _ in Formatter().parse(pattern) if slot}
    values = {key: spec.value(draw) for key, spec in tool.kind.parameters.items() if key in slots}
    return Wish(pattern.format(**values), tool, {tool.keys[key]: value for key, value in values.items()})


def wishes(draw: Draw, tools: list[Tool]) -> tuple[str, list[Wish]]:
    """One request for two or three calls, and the wishes in it."""
    tool = draw.pick(tools)
    if tool.kind.pairs and draw.chance(0.6):
        return _pair(draw, tool, tool.kind.pairs)
    many = [wish(draw, draw.pick(tools)) for _ in range(3 if draw.chance(0.15) else 2)]
    return draw.pick(JOINING).join(each.text for each in many), many


def _pair(draw: Draw, tool: Tool, pairs: Phrases) -> tuple[str, list[Wish]]:
    parameter = next(iter(tool.kind.parameters))
    values = [tool.kind.parameters[parameter].value(draw) for _ in range(2)]
    text = with_articles(draw.phrase(pairs).format(*values))
    return text, [Wish(text, tool, {tool.keys[parameter]: value}) for value in values]


def _calls(many: list[Wish]) -> Message:
    steps = [f"I call {each.tool.name} with {_spelled(each.arguments)}." for each in many]
    return calls(" ".join(steps), [(each.tool.name, each.arguments) for each in many])


def _spelled(arguments: dict[str, Any]) -> str:
    return joined([f"{key} {value}" for key, value in arguments.items()])


def call(draw: Draw, tools: list[Tool]) -> Exchange:
    asked = wish(draw, draw.pick(tools))
    return [user(draw.casual(asked.text) if _safe(asked) else asked.text), _calls([asked])]


def _safe(asked: Wish) -> bool:
    """Whether changing the end of the text leaves the last argument as it is."""
    return not any(asked.text.endswith(str(value)) for value in asked.arguments.values())


def parallel_calls(draw: Draw, tools: list[Tool]) -> Exchange:
    text, many = wishes(draw, tools)
    return [user(text), _calls(many)]


def call_and_answer(draw: Draw, tools: list[Tool]) -> Exchange:
    asked = wish(draw, draw.pick(tools))
    returned = (
        {"error": draw.pick(["not found", "timeout", "denied"])} if draw.chance(0.06) else asked.tool.kind.results(draw)
    )
    answer = assistant(told(returned), "The tool answered. I say what it found.")
    return [user(asked.text), _calls([asked]), result(_wire(draw, returned)), answer]


def calls_and_answer(draw: Draw, tools: list[Tool]) -> Exchange:
    text, many = wishes(draw, tools)
    returned = [each.tool.kind.results(draw) for each in many]
    answer = " ".join(
        f"For {next(iter(each.arguments.values()))}: {told(value)}" for each, value in zip(many, returned, strict=True)
    )
    answers = [result(_wire(draw, value)) for value in returned]
    return [user(text), _calls(many), *answers, assistant(answer, "The tools answered. I say what they found.")]


def no_tool(draw: Draw, tools: list[Tool]) -> Exchange:
    """A request for a tool that is not among the ones at hand."""
    at_hand = [tool.kind for tool in tools]
    missing = draw.pick([kind for kind in KINDS if kind is not SUM and kind not in at_hand])
    asked = wish(draw, _tool(draw, missing))
    return [user(asked.text), assistant(NO_TOOL, "None of my tools does this.")]


def _wire(draw: Draw, value: Any) -> str:
    """The result as a tool message carries it: text as it is, other values as JSON in one of its spacings."""
    if isinstance(value, str):
        return value
    return json.dumps(value, separators=(",", ":")) if draw.chance(0.25) else json.dumps(value)


def told(value: Any) -> str:
    """A result as a sentence: a sentence itself, `The result is 7.`, `The price is 7 and the currency is EUR.`"""
    if isinstance(value, str):
        return value if value.endswith(".") else f"The result is {value}."
    if "error" in value:
        return f"Sorry, the tool failed: {value['error']}."
    clauses = joined([_clause(key, entry) for key, entry in value.items()])
    return f"{clauses[0].upper()}{clauses[1:]}."


def _clause(key: str, entry: Any) -> str:
    return f"the {key} are {joined(entry)}" if isinstance(entry, list) else f"the {key} is {entry}"
