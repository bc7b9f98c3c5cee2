"""Tools, questions and forms of the kinds that the bundled model was trained on."""

import json
from typing import Any, Literal

import pytest
from pydantic import BaseModel

Room = Literal["kitchen", "bedroom", "bathroom", "garage", "office"]
State = Literal["on", "off"]

WEATHER = {"Paris": {"temperature": 17, "condition": "rainy"}, "Rome": {"temperature": 29, "condition": "sunny"}}
PRICE = {"guitar": {"price": 75, "currency": "EUR"}}

WEATHER_OF_ONE = "What is the weather in Paris?"
WEATHER_OF_TWO = "What is the weather in Paris and Rome?"
PRICE_OF_ONE = "How much is a guitar?"
BOTH_TOOLS = "What is the weather in Paris? Then What is the price of a guitar?"
FLIGHT = "Book a flight from Oslo to Cairo."
PERSON = "Extract name, age and city as JSON: Frank is 42 years old and comes from Oslo."

THINKING = {"chat_template_kwargs": {"enable_thinking": True}, "parse_reasoning": True}

round_trips = pytest.mark.parametrize(
    ("question", "calls", "results"),
    [
        (WEATHER_OF_ONE, [("get_weather", "Paris")], [WEATHER["Paris"]]),
        (PRICE_OF_ONE, [("get_price", "guitar")], [PRICE["guitar"]]),
        (WEATHER_OF_TWO, [("get_weather", "Paris"), ("get_weather", "Rome")], [WEATHER["Paris"], WEATHER["Rome"]]),
        (BOTH_TOOLS, [("get_weather", "Paris"), ("get_price", "guitar")], [WEATHER["Paris"], PRICE["guitar"]]),
    ],
    ids=["weather", "price", "two cities", "two tools"],
)


class Tools:
    """What the model can call. calls: name and argument of each run, in order."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, str]] = []

    def get_weather(self, city: str) -> str:
        """Get the current weather in a city."""
        self.calls.append(("get_weather", city))
        return json.dumps(WEATHER[city])

    def get_price(self, item: str) -> str:
        """Get the price of an item."""
        self.calls.append(("get_price", item))
        return json.dumps(PRICE[item])


class BookFlight(BaseModel):
    """Book a flight between two cities."""

    origin: str
    destination: str


class SetLight(BaseModel):
    """Switch the light in a room on or off."""

    room: Room
    state: State


class Person(BaseModel):
    name: str
    age: int
    city: str


OSLO_TO_CAIRO = BookFlight(origin="Oslo", destination="Cairo")
FRANK = Person(name="Frank", age=42, city="Oslo")


def tells(answer: str, *results: dict[str, Any]) -> bool:
    """Whether a text names every value that the tools returned."""
    return all(str(value) in answer for result in results for value in result.values())
