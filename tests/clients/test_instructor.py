"""Instructor, which makes answers into pydantic objects, and asks again where they are not valid."""

from collections.abc import Iterable

import instructor
import pytest
from instructor import Mode
from openai import AsyncOpenAI, OpenAI
from pydantic import BaseModel, field_validator

from tests.clients.tools import (
    FLIGHT,
    FRANK,
    OSLO_TO_CAIRO,
    PERSON,
    WEATHER_OF_TWO,
    BookFlight,
    Person,
    SetLight,
)

pytestmark = pytest.mark.clients

ALWAYS = {"model": "tiny", "temperature": 0, "seed": 1, "max_retries": 0}
STRUCTURED = [Mode.JSON_SCHEMA, Mode.TOOLS]


class GetWeather(BaseModel):
    """Get the current weather in a city."""

    city: str


@pytest.fixture
def client(url, mode):
    with OpenAI(base_url=url, api_key="unused", max_retries=0) as client:
        yield instructor.from_openai(client, mode=mode)


def same(found, expected):
    """Whether they are equal but for Instructor's own class, which is derived from the expected one's."""
    return isinstance(found, type(expected)) and found.model_dump() == expected.model_dump()


def user(text):
    return [{"role": "user", "content": text}]


@pytest.mark.parametrize("mode", STRUCTURED)
def test_a_person_read_out_of_a_sentence(client):
    assert same(client.create(**ALWAYS, messages=user(PERSON), response_model=Person), FRANK)


@pytest.mark.parametrize("mode", STRUCTURED)
async def test_the_asynchronous_client(url, mode):
    async with AsyncOpenAI(base_url=url, api_key="unused", max_retries=0) as plain:
        client = instructor.from_openai(plain, mode=mode)
        assert same(await client.create(**ALWAYS, messages=user(PERSON), response_model=Person), FRANK)


@pytest.mark.parametrize("mode", STRUCTURED)
def test_a_person_that_grows_in_a_stream(client):
    grown = list(client.create_partial(**ALWAYS, messages=user(PERSON), response_model=Person))
    assert len(grown) > 3 and grown[0].city is None
    assert grown[-1].model_dump() == FRANK.model_dump()


@pytest.mark.parametrize("mode", STRUCTURED)
def test_the_whole_answer_beside_the_object(client):
    person, answer = client.create_with_completion(**ALWAYS, messages=user(PERSON), response_model=Person)
    (choice,) = answer.choices
    calls = [call.function.arguments for call in choice.message.tool_calls or []]
    (text,) = calls or [choice.message.content]
    assert same(person, Person.model_validate_json(text))


@pytest.mark.parametrize("mode", STRUCTURED)
def test_a_refused_answer_is_asked_for_again(client):
    seen = []

    class Demanding(Person):
        @field_validator("age")
        @classmethod
        def is_not_the_first(cls, age):
            seen.append(age)
            if len(seen) == 1:
                raise ValueError("Say it again.")
            return age

    answer = client.create(**{**ALWAYS, "max_retries": 1}, messages=user(PERSON), response_model=Demanding)
    assert seen == [FRANK.age, answer.age]


@pytest.mark.parametrize("mode", [Mode.TOOLS])
def test_the_arguments_of_a_tool(client):
    assert same(client.create(**ALWAYS, messages=user(FLIGHT), response_model=BookFlight), OSLO_TO_CAIRO)


@pytest.mark.parametrize("mode", [Mode.PARALLEL_TOOLS])
def test_calls_side_by_side(client):
    found = client.create(**ALWAYS, messages=user(WEATHER_OF_TWO), response_model=Iterable[GetWeather | SetLight])
    assert list(found) == [GetWeather(city="Paris"), GetWeather(city="Rome")]
