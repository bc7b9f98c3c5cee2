"""Puts exchanges together into conversations, with or without tools, a system message and reasoning."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from training.draw import Draw
from training.tiny.tasks import extraction, facts, memory, numbers, talk, tools
from training.tiny.tasks.messages import Exchange, Message, assistant, system, user, without_reasoning
from training.tiny.tasks.toolbox import SUM
from training.tiny.tasks.tools import Tool


@dataclass(frozen=True)
class Conversation:
    """A whole chat whose last message is the assistant's.

    tools: function definitions as the API takes them, or None. thinking: whether the last turn reasons first.
    """

    messages: list[Message]
    tools: list[dict[str, Any]] | None
    thinking: bool

    @property
    def prompt(self) -> list[Message]:
        """Everything before the last message."""
        return self.messages[:-1]


def remembering(draw: Draw, between: int | None = None) -> Exchange:
    """Something told and asked for again, with up to two other exchanges in between."""
    told, asked = memory.telling(draw)
    count = draw.pick([0, 0, 1, 2]) if between is None else between
    others = [message for _ in range(count) for message in draw.pick(FILLERS)(draw)]
    return [*told, *others, *asked]


def persona(draw: Draw) -> Exchange:
    """A system message that gives the model a name, and a question for it."""
    name = draw.name()
    told = draw.pick(
        ["You are {}.", "Your name is {}.", "You are {}, a helpful assistant.", "You are an assistant named {}."]
    )
    asked = draw.pick(["What is your name?", "Who are you?", "What's your name?", "Tell me your name", "who are you"])
    return [
        system(told.format(name)),
        user(asked),
        assistant(f"My name is {name}.", "My system message gives my name."),
    ]


FILLERS: tuple[Callable[[Draw], Exchange], ...] = (talk.small_talk, facts.capital, numbers.multiplication, facts.fact)
PLAIN: dict[str, tuple[Callable[[Draw], Exchange], float]] = {
    "greeting": (talk.greeting, 5),
    "small_talk": (talk.small_talk, 5),
    "unknown": (talk.unknown, 6),
    "persona": (persona, 2),
    "capital": (facts.capital, 4),
    "fact": (facts.fact, 4),
    "listing": (facts.listing, 4),
    "addition": (numbers.addition, 12),
    "subtraction": (numbers.subtraction, 4),
    "multiplication": (numbers.multiplication, 4),
    "comparison": (numbers.comparison, 5),
    "counting": (numbers.counting, 4),
    "how_many": (numbers.how_many, 3),
    "extraction": (extraction.extraction, 20),
    "remembering": (remembering, 8),
    "repeat": (memory.repeat, 10),
}
WITH_TOOLS: dict[str, tuple[Callable[[Draw, list[Tool]], Exchange], float]] = {
    "call": (tools.call, 10),
    "parallel_calls": (tools.parallel_calls, 6),
    "call_and_answer": (tools.call_and_answer, 7),
    "calls_and_answer": (tools.calls_and_answer, 4),
    "no_tool": (tools.no_tool, 2),
}
EXCHANGES = (*PLAIN, *WITH_TOOLS, "tools_unused")
SYSTEM_MESSAGES = (
    *["You are a helpful assistant.", "You are Tiny.", "Be brief.", "Answer in one sentence.", "You are a chatbot."],
    *["You are a helpful, harmless and honest assistant.", "You are a friendly AI.", "Be kind and answer briefly."],
    *[
        "Use the tools when they help.",
        "You can call functions.",
        "Always be polite.",
        "Reply in English.",
        "Think first.",
    ],
)


def system_text(draw: Draw) -> str:
    """A usual system message, or one that tells the model nothing it could use."""
    if draw.chance(0.6):
        return draw.pick(SYSTEM_MESSAGES)
    return " ".join([draw.pick(SYSTEM_MESSAGES), draw.words(2, 8).capitalize() + "."][:: draw.pick([1, -1])])


def conversation(draw: Draw) -> Conversation:
    """A conversation of one to four exchanges, for training."""
    if draw.chance(0.35):
        at_hand = tools.toolset(draw, draw.pick([1, 1, 1, 2, 2, 3]))
        exchanges = [_any_with_tools(draw, at_hand) for _ in range(draw.pick([1, 1, 2, 2, 3]))]
    else:
        at_hand = []
        exchanges = [_weighted(draw, PLAIN)(draw) for _ in range(draw.pick([1, 1, 1, 2, 3]))]
    return _assembled(draw, exchanges, at_hand, draw.chance(0.3))


def exam(draw: Draw, exchange: str, thinking: bool = False) -> Conversation:
    """One exchange of the named sort and nothing else; its last message is what the model should say."""
    if exchange in PLAIN:
        return _assembled(draw, [PLAIN[exchange][0](draw)], [], thinking)
    at_hand = tools.toolset(draw, draw.number(1, 3))
    chosen = WITH_TOOLS[exchange][0] if exchange in WITH_TOOLS else _tools_unused
    return _assembled(draw, [chosen(draw, at_hand)], at_hand, thinking)


def _weighted(draw: Draw, table: dict[str, tuple[Callable[..., Exchange], float]]) -> Callable[..., Exchange]:
    return draw.rng.choices([function for function, _ in table.values()], [weight for _, weight in table.values()])[0]


def _tools_unused(draw: Draw, at_hand: list[Tool]) -> Exchange:
    """An exchange that needs none of the tools at hand."""
    skills = [talk.greeting, talk.small_talk, facts.capital, facts.fact, memory.repeat, remembering]
    if SUM not in [tool.kind for tool in at_hand]:
        skills.append(numbers.addition)
    return draw.pick(skills)(draw)


def _any_with_tools(draw: Draw, at_hand: list[Tool]) -> Exchange:
    if draw.chance(0.15):
        return _tools_unused(draw, at_hand)
    return _weighted(draw, WITH_TOOLS)(draw, at_hand)


def _assembled(draw: Draw, exchanges: list[Exchange], at_hand: list[Tool], thinking: bool) -> Conversation:
    """Joins exchanges. A system message of an exchange moves to the front; only the last exchange may reason."""
    last = exchanges[-1] if thinking else without_reasoning(exchanges[-1])
    messages = [message for exchange in [*map(without_reasoning, exchanges[:-1]), last] for message in exchange]
    given = [message for message in messages if message["role"] == "system"][:1]
    spoken = [message for message in messages if message["role"] != "system"]
    if not given and draw.chance(0.3):
        given = [system(system_text(draw))]
    return Conversation([*given, *spoken], [tool.definition for tool in at_hand] or None, thinking)
