"""LiteLLM, with the server as an OpenAI-compatible provider: its habits of `stop`, tools, formats and batches."""

import json
import os

import pytest

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # or it fetches prices

import litellm

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
    tells,
)

pytestmark = pytest.mark.clients

TOOL = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Get the current weather in a city.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


@pytest.fixture
def ask(url):
    """One answer to a question or to messages."""

    def ask(question, **parameters):
        messages = [{"role": "user", "content": question}] if isinstance(question, str) else question
        options = {"temperature": 0, "seed": 1, "num_retries": 0, **parameters}
        return litellm.completion(model="openai/tiny", api_base=url, api_key="unused", messages=messages, **options)

    return ask


@pytest.fixture
def collect(ask):
    """The same as a stream, put together by the library."""

    def collect(question, **parameters):
        chunks = list(ask(question, stream=True, stream_options={"include_usage": True}, **parameters))
        return litellm.stream_chunk_builder(chunks)

    return collect


@pytest.mark.parametrize("stop", ["a", ["a", "b"]])
def test_stop_as_a_string_and_as_a_list(ask, collect, stop):
    for answer in (
        ask("What is the capital of France?", stop=stop),
        collect("What is the capital of France?", stop=stop),
    ):
        (choice,) = answer.choices
        assert choice.finish_reason == "stop" and "a" not in choice.message.content


@pytest.mark.parametrize("way", ["ask", "collect"])
def test_a_round_trip(way, request):
    ask = request.getfixturevalue(way)
    (choice,) = ask(WEATHER_OF_ONE, tools=[TOOL]).choices
    (call,) = choice.message.tool_calls
    assert choice.finish_reason == "tool_calls" or way == "collect"  # what puts a stream together says "stop"
    assert json.loads(call.function.arguments) == {"city": "Paris"}
    result = {"role": "tool", "tool_call_id": call.id, "content": json.dumps(WEATHER["Paris"])}
    messages = [{"role": "user", "content": WEATHER_OF_ONE}, choice.message.model_dump(), result]
    (choice,) = ask(messages, tools=[TOOL]).choices
    assert choice.finish_reason == "stop" and tells(choice.message.content, WEATHER["Paris"])


@pytest.mark.parametrize("way", ["ask", "collect"])
def test_a_call_that_must_come(way, request):
    schema = BookFlight.model_json_schema()
    tool = {"type": "function", "function": {"name": "BookFlight", "parameters": schema}}
    choice = request.getfixturevalue(way)(FLIGHT, tools=[tool], tool_choice="required").choices[0]
    (call,) = choice.message.tool_calls
    assert BookFlight.model_validate_json(call.function.arguments) == OSLO_TO_CAIRO


@pytest.mark.parametrize("way", ["ask", "collect"])
def test_structured_output(way, request):
    answer = request.getfixturevalue(way)(PERSON, response_format=Person)
    assert Person.model_validate_json(answer.choices[0].message.content) == FRANK


def test_what_a_stop_phrase_cuts_of_a_format_says_length(ask):
    (choice,) = ask(PERSON, response_format=Person, stop=['"age']).choices
    assert choice.finish_reason == "length" and '"age' not in choice.message.content


@pytest.mark.parametrize("way", ["ask", "collect"])
def test_reasoning(way, request):
    answer = request.getfixturevalue(way)("What is 27 + 58?", extra_body=THINKING)
    message = answer.choices[0].message
    assert message.reasoning_content and message.content and "think>" not in message.content


def test_a_batch(url):
    questions = [[{"role": "user", "content": f"What is {n} + 1?"}] for n in range(1, 6)]
    options = {"api_base": url, "api_key": "unused", "temperature": 0, "num_retries": 0}
    answers = litellm.batch_completion(model="openai/tiny", messages=questions, **options)
    alone = [litellm.completion(model="openai/tiny", messages=question, **options) for question in questions]
    texts = [[answer.choices[0].message.content for answer in some] for some in (answers, alone)]
    assert texts[0] == texts[1] and all(texts[0])


async def test_the_asynchronous_ways(url):
    options = {"api_base": url, "api_key": "unused", "temperature": 0, "num_retries": 0}
    messages = [{"role": "user", "content": "What is the capital of France?"}]
    whole = await litellm.acompletion(model="openai/tiny", messages=messages, **options)
    stream = await litellm.acompletion(model="openai/tiny", messages=messages, stream=True, **options)
    text = "".join([chunk.choices[0].delta.content or "" async for chunk in stream])
    assert text == whole.choices[0].message.content != ""


def test_an_error_keeps_its_message_and_is_not_tried_again(ask):
    with pytest.raises(litellm.exceptions.BadRequestError, match="top_k"):
        ask("Hi", extra_body={"top_k": -5})
