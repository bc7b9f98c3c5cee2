"""LangChain, through its package for OpenAI."""

from functools import reduce
from operator import add

import openai
import pytest
from langchain_core.messages import HumanMessage
from langchain_core.output_parsers import PydanticToolsParser
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI

from backend import Picture, Sound
from tests.clients.tools import (
    FLIGHT,
    FRANK,
    OSLO_TO_CAIRO,
    PERSON,
    WEATHER_OF_ONE,
    BookFlight,
    Person,
    SetLight,
    round_trips,
    tells,
)
from tests.handlers.chat.seeing import PNG, WAV, encoded, url

pytestmark = pytest.mark.clients

FORMS = [SetLight, BookFlight]


@pytest.fixture(scope="module")
def model(url):
    return ChatOpenAI(
        model="tiny", base_url=url, api_key="unused", temperature=0, seed=1, max_retries=0, stream_usage=True
    )


@pytest.fixture(params=["whole", "stream"])
def ask(request):
    """The message with which a model answers, with either way of asking."""

    def stream(model, messages):
        chunks = list(model.stream(messages))
        assert len(chunks) > 3
        return reduce(add, chunks)

    return {"whole": lambda model, messages: model.invoke(messages), "stream": stream}[request.param]


@pytest.fixture
def bound(tools):
    """The tools by name, as LangChain has them."""
    return {each.__name__: tool(each) for each in (tools.get_weather, tools.get_price)}


@round_trips
def test_a_round_trip(model, ask, bound, tools, question, calls, results):
    able = model.bind_tools(list(bound.values()))
    messages = [HumanMessage(question)]
    message = ask(able, messages)
    assert message.response_metadata["finish_reason"] == "tool_calls" and message.invalid_tool_calls == []
    messages += [message, *(bound[call["name"]].invoke(call) for call in message.tool_calls)]
    answer = ask(able, messages)
    assert tools.calls == calls and answer.tool_calls == []
    assert answer.response_metadata["finish_reason"] == "stop"
    assert tells(answer.content, *results)


def test_both_ways_of_asking_give_one_message(model, bound):
    able = model.bind_tools(list(bound.values()))
    whole, folded = able.invoke(WEATHER_OF_ONE), reduce(add, able.stream(WEATHER_OF_ONE))
    assert (folded.content, folded.usage_metadata["output_tokens"]) == (
        whole.content,
        whole.usage_metadata["output_tokens"],
    )
    assert [(call["name"], call["args"]) for call in folded.tool_calls] == [
        (call["name"], call["args"]) for call in whole.tool_calls
    ]


@pytest.mark.parametrize("choice", ["auto", "any", "BookFlight"])
def test_arguments_that_a_pydantic_model_validates(model, choice):
    chain = model.bind_tools(FORMS, tool_choice=choice) | PydanticToolsParser(tools=FORMS)
    assert chain.invoke(FLIGHT) == [OSLO_TO_CAIRO]


def test_a_function_that_must_be_called_is(model):
    chain = model.bind_tools(FORMS, tool_choice="SetLight") | PydanticToolsParser(tools=FORMS)
    (light,) = chain.invoke(FLIGHT)
    assert isinstance(light, SetLight)


@pytest.mark.parametrize(
    ("method", "strict"),
    [
        ("json_schema", None),
        ("json_schema", True),
        ("function_calling", None),
        ("function_calling", True),
        ("json_mode", None),
    ],
)
def test_structured_output(model, method, strict):
    structured = model.with_structured_output(Person, method=method, strict=strict)
    assert structured.invoke(PERSON) == FRANK
    assert list(structured.stream(PERSON))[-1] == FRANK


async def test_the_asynchronous_ways(model, bound):
    able = model.bind_tools(list(bound.values()))
    whole = await able.ainvoke(WEATHER_OF_ONE)
    folded = reduce(add, [chunk async for chunk in able.astream(WEATHER_OF_ONE)])
    assert [call["args"] for call in folded.tool_calls] == [call["args"] for call in whole.tool_calls] != []


@pytest.mark.parametrize("stop", ["a", ["a", "b"]])
def test_stop_as_a_string_and_as_a_list(model, ask, stop):
    message = ask(model.bind(stop=stop), [HumanMessage("What is the capital of France?")])
    assert message.response_metadata["finish_reason"] == "stop" and "a" not in message.content


def test_what_a_stop_phrase_cuts_of_a_format_says_length(model, ask):
    form = {"type": "json_schema", "json_schema": {"name": "person", "schema": Person.model_json_schema()}}
    with pytest.raises(openai.LengthFinishReasonError):
        ask(model.bind(response_format=form, stop=['"age']), [HumanMessage(PERSON)])


def test_a_batch(model):
    questions = [f"What is {n} + 1?" for n in range(1, 6)]
    assert [answer.content for answer in model.batch(questions)] == [model.invoke(one).content for one in questions]


def test_pictures_and_sound_in_a_message(seeing, ask):
    model = ChatOpenAI(model="tiny", base_url=seeing.base_url, api_key="unused", seed=0, max_retries=0)
    content = [
        {"type": "text", "text": "Hi"},
        {"type": "image", "base64": encoded(PNG), "mime_type": "image/png"},
        {"type": "image", "url": url(PNG, "image/png")},
        {"type": "image_url", "image_url": {"url": url(PNG, "image/png"), "detail": "high"}},
        {"type": "audio", "base64": encoded(WAV), "mime_type": "audio/wav"},
    ]
    assert ask(model, [HumanMessage(content)]).content
    *pictures, heard = seeing.encoder.given[-1][1]
    assert len(pictures) == 3 and all(isinstance(medium, Picture) for medium in pictures)
    assert isinstance(heard, Sound)
