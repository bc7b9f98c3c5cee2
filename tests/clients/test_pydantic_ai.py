"""pydantic-ai, whose agents call tools until the model answers in text."""

import pytest
from pydantic_ai import Agent, BinaryContent, ImageUrl, NativeOutput, PromptedOutput, ThinkingPart, ToolOutput
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider

from backend import Picture, Sound
from tests.clients.tools import (
    FLIGHT,
    FRANK,
    OSLO_TO_CAIRO,
    PERSON,
    THINKING,
    WEATHER,
    WEATHER_OF_ONE,
    BookFlight,
    Person,
    SetLight,
    round_trips,
    tells,
)
from tests.handlers.chat.seeing import PNG, WAV, url

pytestmark = pytest.mark.clients


@pytest.fixture
def agent(url):
    def agent(**parameters):
        model = OpenAIChatModel("tiny", provider=OpenAIProvider(base_url=url, api_key="unused"))
        return Agent(model, **parameters, retries=0, model_settings={"temperature": 0, "seed": 1})

    return agent


@pytest.fixture
def able(agent, tools):
    """An agent with all tools."""
    return agent(tools=[tools.get_weather, tools.get_price])


@round_trips
async def test_a_round_trip(able, tools, question, calls, results):
    run = await able.run(question)
    assert sorted(tools.calls) == sorted(calls)  # sorted, because they run side by side
    assert tells(run.output, *results)
    assert run.usage.requests == 2


@round_trips
async def test_a_streamed_round_trip(able, tools, question, calls, results):
    async with able.run_stream(question) as run:
        parts = [part async for part in run.stream_text(delta=True, debounce_by=None)]
    assert sorted(tools.calls) == sorted(calls)
    assert len(parts) > 3 and tells("".join(parts), *results)


@pytest.mark.parametrize("stream", [False, True])
async def test_a_round_trip_with_reasoning(able, tools, stream):
    if stream:
        async with able.run_stream(WEATHER_OF_ONE, model_settings={"extra_body": THINKING}) as run:
            answer = await run.get_output()
    else:
        run = await able.run(WEATHER_OF_ONE, model_settings={"extra_body": THINKING})
        answer = run.output
    thoughts = [part for message in run.all_messages() for part in message.parts if isinstance(part, ThinkingPart)]
    assert tools.calls == [("get_weather", "Paris")] and tells(answer, WEATHER["Paris"])
    assert len(thoughts) == 2 and "get_weather" in thoughts[0].content


@pytest.mark.parametrize(
    "output", [Person, ToolOutput(Person, strict=True), NativeOutput(Person), PromptedOutput(Person)]
)
async def test_structured_output(agent, output):
    assert (await agent(output_type=output).run(PERSON)).output == FRANK
    async with agent(output_type=output).run_stream(PERSON) as run:
        assert await run.get_output() == FRANK


async def test_the_model_chooses_among_forms(agent):
    run = await agent(output_type=[SetLight, BookFlight]).run(FLIGHT)
    assert run.output == OSLO_TO_CAIRO


async def test_pictures_and_sound_in_a_question(seeing):
    model = OpenAIChatModel("tiny", provider=OpenAIProvider(base_url=seeing.base_url, api_key="unused"))
    question = [
        "Hi",
        ImageUrl(url(PNG, "image/png"), media_type="image/png"),
        BinaryContent(PNG, media_type="image/png"),
        BinaryContent(WAV, media_type="audio/wav"),
    ]
    run = await Agent(model, retries=0, model_settings={"seed": 0}).run(question)
    assert run.output
    *pictures, heard = seeing.encoder.given[-1][1]
    assert len(pictures) == 2 and all(isinstance(medium, Picture) for medium in pictures)
    assert isinstance(heard, Sound)
