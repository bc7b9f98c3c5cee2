"""OpenAI's own client."""

import json

import openai
import pytest

from tests.clients.tools import (
    BOTH_TOOLS,
    FLIGHT,
    OSLO_TO_CAIRO,
    THINKING,
    WEATHER,
    WEATHER_OF_ONE,
    WEATHER_OF_TWO,
    BookFlight,
    SetLight,
    Tools,
    round_trips,
    tells,
)

pytestmark = pytest.mark.clients

DEFINITIONS = [
    {
        "type": "function",
        "function": {
            "name": name,
            "description": getattr(Tools, name).__doc__,
            "parameters": {
                "type": "object",
                "properties": {key: {"type": "string", "description": about}},
                "required": [key],
            },
        },
    }
    for name, key, about in [
        ("get_weather", "city", "The name of the city, e.g. Paris"),
        ("get_price", "item", "The item"),
    ]
]
FORMS = [openai.pydantic_function_tool(form) for form in (SetLight, BookFlight)]


@pytest.fixture(scope="module")
def completions(url):
    with openai.OpenAI(base_url=url, api_key="unused", max_retries=0) as client:
        yield client.chat.completions


@pytest.fixture(params=["whole", "stream"])
def ask(request, completions):
    """The message that answers a list of messages, with either way of asking."""

    def whole(messages, **parameters):
        result = completions.create(model="tiny", messages=messages, temperature=0, seed=1, **parameters)
        return ended(result.choices[0])

    def stream(messages, **parameters):
        asked = completions.stream(model="tiny", messages=messages, temperature=0, seed=1, **parameters)
        with asked as events:
            return ended(events.get_final_completion().choices[0])

    return {"whole": whole, "stream": stream}[request.param]


def ended(choice):
    assert choice.finish_reason == ("tool_calls" if choice.message.tool_calls else "stop")
    return choice.message


def run(tools, message):
    """The messages that the calls of a message lead to."""
    return [
        {
            "role": "tool",
            "tool_call_id": call.id,
            "content": getattr(tools, call.function.name)(**json.loads(call.function.arguments)),
        }
        for call in message.tool_calls
    ]


@round_trips
def test_a_round_trip(ask, tools, question, calls, results):
    messages = [{"role": "user", "content": question}]
    message = ask(messages, tools=DEFINITIONS)
    messages += [message, *run(tools, message)]
    answer = ask(messages, tools=DEFINITIONS)
    assert tools.calls == calls and not answer.tool_calls
    assert tells(answer.content, *results)


def test_a_round_trip_with_reasoning(ask, tools):
    messages = [{"role": "user", "content": WEATHER_OF_ONE}]
    message = ask(messages, tools=DEFINITIONS, extra_body=THINKING)
    assert "get_weather" in message.reasoning_content and not message.content
    messages += [message, *run(tools, message)]
    answer = ask(messages, tools=DEFINITIONS, extra_body=THINKING)
    assert tools.calls == [("get_weather", "Paris")]
    assert answer.reasoning_content and tells(answer.content, WEATHER["Paris"])


def test_the_chunks_of_a_call(completions):
    messages = [{"role": "user", "content": BOTH_TOOLS}]
    chunks = completions.create(model="tiny", messages=messages, tools=DEFINITIONS, temperature=0, stream=True)
    deltas = [part for chunk in chunks for choice in chunk.choices for part in choice.delta.tool_calls or []]
    names, arguments = {}, {}
    for part in deltas:
        assert part.type == "function"
        if part.index not in names:
            assert part.id and part.function.name
            names[part.index], arguments[part.index] = part.function.name, ""
        else:
            assert part.function.name is None
        arguments[part.index] += part.function.arguments
    assert names == {0: "get_weather", 1: "get_price"}
    assert [json.loads(text) for text in arguments.values()] == [{"city": "Paris"}, {"item": "guitar"}]


@pytest.mark.parametrize("choice", ["auto", "required", {"type": "function", "function": {"name": "BookFlight"}}])
def test_arguments_that_the_client_validates(completions, choice):
    messages = [{"role": "user", "content": FLIGHT}]
    parameters = {"model": "tiny", "messages": messages, "temperature": 0, "tools": FORMS, "tool_choice": choice}
    (call,) = completions.parse(**parameters).choices[0].message.tool_calls
    assert call.function.parsed_arguments == OSLO_TO_CAIRO
    with completions.stream(**parameters) as events:
        done = [event for event in events if event.type == "tool_calls.function.arguments.done"]
    assert [event.parsed_arguments for event in done] == [OSLO_TO_CAIRO]


def test_a_function_that_must_be_called_is(ask):
    choice = {"type": "function", "function": {"name": "SetLight"}}
    message = ask([{"role": "user", "content": FLIGHT}], tools=FORMS, tool_choice=choice)
    (call,) = message.tool_calls
    assert call.function.name == "SetLight" and SetLight.model_validate_json(call.function.arguments)
    assert not message.content, "the prompt closed the reasoning"


def test_one_call_where_parallel_ones_are_not_wanted(ask):
    message = ask([{"role": "user", "content": WEATHER_OF_TWO}], tools=DEFINITIONS, parallel_tool_calls=False)
    assert [json.loads(call.function.arguments) for call in message.tool_calls] == [{"city": "Paris"}]


def test_no_call_where_none_is_wanted(ask):
    message = ask([{"role": "user", "content": WEATHER_OF_ONE}], tools=DEFINITIONS, tool_choice="none")
    assert not message.tool_calls and message.content
