"""The text that the bundled model learns from."""

import dataclasses
import json
import random
import re
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.draw import Draw, Phrases, reserved
from training.tiny.tasks import EXCHANGES, conversation, exam, extraction, facts, memory, numbers, talk, toolbox
from training.tiny.tasks.messages import Message
from training.tiny.tasks.tools import told

seeds = st.integers(0, 2**32)


def banks(value: Any) -> Iterator[Phrases]:
    """Every bank of phrasings within a module's constants."""
    if isinstance(value, Phrases):
        yield value
    elif isinstance(value, tuple | list):
        for entry in value:
            yield from banks(entry)
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        for field in dataclasses.fields(value):
            yield from banks(getattr(value, field.name))


def every_bank() -> list[Phrases]:
    modules = (talk, facts, numbers, memory, extraction, toolbox)
    return [bank for module in modules for value in vars(module).values() for bank in banks(value)]


def plain(phrase: str) -> str:
    """A phrasing without what `Draw.casual` may change."""
    return re.sub(r"[^\w{} +*-]", "", phrase.lower()).removesuffix(" please").strip()


def test_no_held_out_phrasing_is_a_training_phrasing_in_other_casing_or_punctuation() -> None:
    found = every_bank()
    assert len(found) > 50
    for bank in found:
        assert not {plain(phrase) for phrase in bank.train} & {plain(phrase) for phrase in bank.held_out}


@given(seeds, st.booleans())
def test_values_are_on_their_side_of_the_reserved_share(seed: int, new: bool) -> None:
    draw = Draw(random.Random(seed), new_values=new)
    assert reserved(draw.word()) == new
    a, b = draw.pair(0, 99)
    assert reserved(f"{a} {b}") == new
    if new:
        assert reserved(draw.name().lower()) and reserved(draw.city().lower())


@given(seeds)
def test_a_conversation_is_one_that_the_api_would_take(seed: int) -> None:
    chat = conversation(Draw(random.Random(seed)))
    roles = [message["role"] for message in chat.messages]
    assert roles[-1] == "assistant" and "system" not in roles[1:]
    called = [call for message in chat.messages for call in message.get("tool_calls", [])]
    assert (roles.count("tool") <= len(called)) and (chat.tools is not None or not called)
    for call in called:
        check_call(call["function"], chat.tools or [])
    assert any("reasoning_content" in message for message in chat.messages) == chat.thinking


def check_call(function: dict[str, Any], tools: list[dict[str, Any]]) -> None:
    """The call names a tool at hand and its arguments fit that tool's schema."""
    schema = next(tool["function"]["parameters"] for tool in tools if tool["function"]["name"] == function["name"])
    assert set(schema["required"]) <= set(function["arguments"]) <= set(schema["properties"])
    for key, value in function["arguments"].items():
        given_schema = schema["properties"][key]
        assert isinstance(value, {"string": str, "integer": int}[given_schema["type"]])
        assert value in given_schema.get("enum", [value])


@given(seeds)
def test_arguments_are_what_the_user_wrote(seed: int) -> None:
    chat = exam(Draw(random.Random(seed)), "parallel_calls")
    asked = chat.prompt[-1]["content"]
    for call in chat.messages[-1]["tool_calls"]:
        assert all(str(value) in asked for value in call["function"]["arguments"].values())


@given(seeds)
def test_extracted_values_are_in_the_text(seed: int) -> None:
    chat = exam(Draw(random.Random(seed)), "extraction")
    for value in json.loads(chat.messages[-1]["content"]).values():
        for entry in value if isinstance(value, list) else [value]:
            assert isinstance(entry, bool) or str(entry) in chat.prompt[-1]["content"]


@pytest.mark.parametrize(("skill", "sign"), [("addition", "+"), ("subtraction", "-"), ("multiplication", "*")])
def test_sums_are_right(skill: str, sign: str) -> None:
    draw = Draw(random.Random(0))
    for _ in range(200):
        chat = exam(draw, skill, thinking=True)
        for equation in equations(chat.messages[-1]):
            left, right = equation.split(" = ")
            assert sum_of(left) == int(right)
        assert sign in chat.messages[-1]["content"]


def equations(message: Message) -> list[str]:
    return re.findall(r"\d+(?: [-+*] \d+)+ = \d+", f"{message['content']} {message['reasoning_content']}")


def sum_of(text: str) -> int:
    first, *rest = re.findall(r"[-+*]|\d+", text)
    total = int(first)
    for sign, number in zip(rest[::2], rest[1::2], strict=True):
        total = {"+": int.__add__, "-": int.__sub__, "*": int.__mul__}[sign](total, int(number))
    return total


@pytest.mark.parametrize("skill", EXCHANGES)
def test_every_skill_can_be_asked_in_new_words_and_answered(skill: str) -> None:
    draw = Draw(random.Random(1), new_phrases=True, new_values=True)
    answer = exam(draw, skill).messages[-1]
    assert answer["content"] or answer["tool_calls"]


def test_the_same_seed_writes_the_same_text() -> None:
    assert conversation(Draw(random.Random("0/7"))) == conversation(Draw(random.Random("0/7")))


def test_a_tool_result_becomes_a_sentence() -> None:
    assert told("It is sunny.") == "It is sunny."
    assert told("12") == "The result is 12."
    assert told({"price": 7, "currency": "EUR"}) == "The price is 7 and the currency is EUR."
    assert told({"results": ["a", "b", "c"]}) == "The results are a, b and c."
    assert told({"error": "timeout"}) == "Sorry, the tool failed: timeout."
