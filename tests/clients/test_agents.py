"""The OpenAI Agents SDK, which calls tools until the model answers in text: by responses, its default, and by chats."""

import json

import agents
import pytest
from agents import (
    Agent,
    ModelSettings,
    OpenAIChatCompletionsModel,
    OpenAIResponsesModel,
    ReasoningItem,
    Runner,
    function_tool,
)
from openai import AsyncOpenAI
from openai.types.shared import Reasoning

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
    Room,
    SetLight,
    State,
    round_trips,
    tells,
)

pytestmark = pytest.mark.clients

agents.set_tracing_disabled(True)


KINDS = {
    "responses": (OpenAIResponsesModel, ModelSettings(reasoning=Reasoning(effort="high", summary="auto"))),
    "chats": (OpenAIChatCompletionsModel, ModelSettings(extra_body={**THINKING, "seed": 1})),
}
"""By API, what asks it and how it is told to reason."""


@pytest.fixture(params=KINDS)
def kind(request):
    return KINDS[request.param]


@pytest.fixture
async def agent(url, kind):
    async with AsyncOpenAI(base_url=url, api_key="unused", max_retries=0) as client:

        def agent(settings=None, **parameters):
            model = kind[0](model="tiny", openai_client=client)
            always = ModelSettings(temperature=0, extra_body={"seed": 1})
            return Agent(name="tester", model=model, model_settings=always.resolve(settings), **parameters)

        yield agent


@pytest.fixture(params=["whole", "stream"])
def run(request):
    """The result of an agent's run on a question, with either way of asking."""

    async def stream(agent, question):
        result = Runner.run_streamed(agent, question, max_turns=3)
        events = [event async for event in result.stream_events()]
        assert sum(event.type == "raw_response_event" for event in events) > 3
        return result

    return {"whole": lambda agent, question: Runner.run(agent, question, max_turns=3), "stream": stream}[request.param]


@pytest.mark.parametrize("strict", [True, False], ids=["strict", "lax"])
@round_trips
async def test_a_round_trip(agent, run, tools, strict, question, calls, results):
    functions = [function_tool(each, strict_mode=strict) for each in (tools.get_weather, tools.get_price)]
    result = await run(agent(tools=functions), question)
    assert tools.calls == calls
    assert tells(result.final_output, *results)


async def test_a_round_trip_with_reasoning(agent, kind, run, tools):
    able = agent(kind[1], tools=[function_tool(tools.get_weather)])
    result = await run(able, WEATHER_OF_ONE)
    thoughts = [item.raw_item.summary[0].text for item in result.new_items if isinstance(item, ReasoningItem)]
    assert tools.calls == [("get_weather", "Paris")] and tells(result.final_output, WEATHER["Paris"])
    assert len(thoughts) == 2 and "get_weather" in thoughts[0]


@pytest.mark.parametrize(
    ("choice", "form"), [("required", BookFlight), ("book_flight", BookFlight), ("set_light", SetLight)]
)
async def test_a_tool_that_must_run_does(agent, run, choice, form):
    seen, returned = [], {"flight": "K7", "price": 250}

    def book_flight(origin: str, destination: str) -> str:
        """Book a flight between two cities."""
        seen.append(BookFlight(origin=origin, destination=destination))
        return json.dumps(returned)

    def set_light(room: Room, state: State) -> str:
        """Switch the light in a room on or off."""
        seen.append(SetLight(room=room, state=state))
        return json.dumps(returned)

    able = agent(ModelSettings(tool_choice=choice), tools=[function_tool(set_light), function_tool(book_flight)])
    result = await run(able, FLIGHT)
    assert [type(each) for each in seen] == [form]
    assert form is SetLight or seen == [OSLO_TO_CAIRO]
    assert tells(result.final_output, returned)


async def test_no_tool_runs_where_none_is_wanted(agent, run, tools):
    able = agent(ModelSettings(tool_choice="none"), tools=[function_tool(tools.get_weather)])
    result = await run(able, WEATHER_OF_ONE)
    assert tools.calls == [] and result.final_output


async def test_structured_output(agent, run):
    result = await run(agent(output_type=Person), PERSON)
    assert result.final_output == FRANK
