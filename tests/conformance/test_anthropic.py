"""Anthropic's own client."""

import json
import random
from typing import Literal

import anthropic
import jsonschema_rs
import pytest
from anthropic import beta_tool
from pydantic import BaseModel

from tests.conformance.chat import HELLO, TIMEOUT, said, validator

CAPITAL = [{"role": "user", "content": "What is the capital of France?"}]
WEATHER = [{"role": "user", "content": "What is the weather in Paris?"}]
TOOL = {
    "name": "get_weather",
    "description": "Get the current weather in a city.",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
GREEDY = {"extra_body": {"temperature": 0}}


@pytest.fixture(scope="module")
def sdk(server):
    options = {"base_url": server.url, "api_key": "unused", "max_retries": 0, "timeout": TIMEOUT}
    with anthropic.Anthropic(**options) as client:
        yield client


@pytest.fixture(scope="module")
def create(sdk):
    def create(**parameters):
        return sdk.messages.create(**{"model": "tiny", "messages": HELLO, "max_tokens": 100, **parameters})

    return create


def test_an_answer(create, chat):
    message = create(**GREEDY)
    assert [block.text for block in message.content] == [said(chat.whole(temperature=0))["choices"][0]["text"]]
    assert (message.stop_reason, message.model, message.role) == ("end_turn", "tiny", "assistant")
    usage = message.usage
    assert usage.output_tokens > 1 and usage.input_tokens + usage.cache_read_input_tokens > 1
    assert message._request_id


def test_the_clients_own_fold_of_a_stream_is_the_whole_message(sdk, create):
    parameters = {"model": "tiny", "max_tokens": 60, "messages": WEATHER, "tools": [TOOL]}
    for extra in ({"temperature": 0, "seed": 1}, {"temperature": 2, "seed": 6}):
        thinking = {"type": "enabled", "budget_tokens": 20}
        with sdk.messages.stream(**parameters, thinking=thinking, extra_body=extra) as stream:
            folded = stream.get_final_message()
        whole = create(**parameters, thinking=thinking, extra_body=extra)
        first, second = ([block.to_dict() | {"id": ""} for block in each.content] for each in (folded, whole))
        assert first == second and folded.stop_reason == whole.stop_reason
        assert folded.usage.output_tokens == whole.usage.output_tokens


def test_text_is_streamed_as_it_is_drawn(sdk, create):
    with sdk.messages.stream(model="tiny", max_tokens=50, messages=HELLO, **GREEDY) as stream:
        pieces = list(stream.text_stream)
    assert len(pieces) > 2 and "".join(pieces) == create(**GREEDY).content[0].text


def test_thinking_is_a_block_of_its_own_and_comes_back(create):
    asked = {"messages": WEATHER, "tools": [TOOL], "thinking": {"type": "enabled", "budget_tokens": 60}, **GREEDY}
    message = create(**asked)
    thinking, *calls = message.content
    assert thinking.type == "thinking" and thinking.thinking and thinking.signature
    assert 0 < message.usage.output_tokens_details.thinking_tokens <= message.usage.output_tokens
    (call,) = calls
    results = [{"type": "tool_result", "tool_use_id": call.id, "content": '{"temperature": 17, "condition": "rainy"}'}]
    history = [*WEATHER, message.to_param(), {"role": "user", "content": results}]
    answer = create(**{**asked, "messages": history})
    assert "17" in answer.content[-1].text and answer.stop_reason == "end_turn"


def test_a_thinking_budget_is_kept_to_the_token(create):
    for budget in (1, 3):
        message = create(messages=WEATHER, thinking={"type": "enabled", "budget_tokens": budget}, **GREEDY)
        assert message.usage.output_tokens_details.thinking_tokens <= budget + 3  # and the marks around it


def test_tools_are_run_until_there_is_an_answer(sdk):
    asked = []

    @beta_tool
    def get_weather(city: str) -> str:
        """Get the current weather in a city.

        Args:
            city: The name of the city, e.g. Paris
        """
        asked.append(city)
        return json.dumps({"temperature": 17, "condition": "rainy"})

    runner = sdk.beta.messages.tool_runner(
        model="tiny", max_tokens=100, messages=WEATHER, tools=[get_weather], extra_body={"temperature": 0}
    )
    *_, last = runner
    assert asked == ["Paris"] and last.stop_reason == "end_turn" and "17" in last.content[-1].text


@pytest.mark.parametrize("choice", [{"type": "any"}, {"type": "tool", "name": "get_weather"}])
def test_a_tool_that_must_be_called_is_called_with_valid_input(create, choice):
    message = create(tools=[TOOL], tool_choice={**choice, "disable_parallel_tool_use": True}, max_tokens=300, **GREEDY)
    (call,) = [block for block in message.content if block.type == "tool_use"]
    assert message.stop_reason == "tool_use" and call.name == "get_weather"
    jsonschema_rs.validate(TOOL["input_schema"], call.input)


class City(BaseModel):
    city: Literal["Oslo", "Paris", "Rome"]
    sure: bool


def test_an_answer_in_a_form_is_parsed(sdk, create):
    parsed = sdk.messages.parse(
        model="tiny", max_tokens=100, messages=CAPITAL, output_format=City, extra_body={"temperature": 0}
    )
    assert isinstance(parsed.parsed_output, City)
    schema = City.model_json_schema()
    message = create(messages=CAPITAL, output_config={"format": {"type": "json_schema", "schema": schema}}, **GREEDY)
    assert City.model_validate_json(message.content[0].text)


def test_a_beginning_of_the_answer_is_continued(create):
    begun = [*CAPITAL, {"role": "assistant", "content": '{"city":'}]
    form = {"format": {"type": "json_schema", "schema": City.model_json_schema()}}
    message = create(messages=begun, output_config=form, **GREEDY)
    assert City.model_validate_json('{"city":' + message.content[0].text)


def test_a_stop_sequence_is_told(create):
    text = create(**GREEDY).content[0].text
    message = create(stop_sequences=["nowhere at all", text[5:8]], **GREEDY)
    assert (message.stop_reason, message.stop_sequence) == ("stop_sequence", text[5:8])
    assert create(max_tokens=2, **GREEDY).stop_reason == "max_tokens"


def test_tokens_are_counted_as_the_prompt_has_them(sdk, create):
    asked = {"model": "tiny", "messages": WEATHER, "tools": [TOOL], "system": "Be kind."}
    usage = create(**asked, **GREEDY).usage
    assert sdk.messages.count_tokens(**asked).input_tokens == usage.input_tokens + usage.cache_read_input_tokens


def test_what_was_computed_before_is_counted_apart(create):
    secret = {"system": f"The password is {random.randrange(10**9)}. " * 8, "max_tokens": 1}
    first, second = create(**secret).usage, create(**secret).usage
    assert first.cache_read_input_tokens < second.cache_read_input_tokens
    total = {usage.input_tokens + usage.cache_read_input_tokens for usage in (first, second)}
    assert len(total) == 1


@pytest.mark.parametrize(
    ("parameters", "error"),
    [
        ({"model": "other"}, anthropic.NotFoundError),
        ({"max_tokens": 10**6}, anthropic.UnprocessableEntityError),
        ({"tools": [TOOL, TOOL]}, anthropic.UnprocessableEntityError),
    ],
)
def test_an_error_is_the_clients_own(create, parameters, error):
    with pytest.raises(error) as raised:
        create(**parameters)
    assert raised.value.body["error"]["message"] and raised.value.request_id


async def test_the_asynchronous_client(server):
    options = {"base_url": server.url, "auth_token": "unused", "api_key": None, "max_retries": 0}
    async with anthropic.AsyncAnthropic(**options) as client:
        asked = {"model": "tiny", "max_tokens": 50, "messages": HELLO, "extra_body": {"seed": 3}}
        async with client.messages.stream(**asked) as stream:
            text = "".join([piece async for piece in stream.text_stream])
        assert text == (await client.messages.create(**asked)).content[0].text


def test_every_event_is_as_documented(client):
    body = {"messages": WEATHER, "tools": [TOOL], "stream": True, "temperature": 0, "thinking": {"type": "enabled"}}
    response = client.post("/v1/messages", json=body)
    event_schema = validator("MessagesStreamEvent")
    blocks = [block.split("\n") for block in response.text.strip().split("\n\n") if not block.startswith(":")]
    for name, data in blocks:
        value = json.loads(data.removeprefix("data: "))
        event_schema.validate(value)
        assert name == f"event: {value['type']}"
    kinds = {name.removeprefix("event: ") for name, _ in blocks}
    assert kinds == {
        "message_start", "content_block_start", "content_block_delta", "content_block_stop", "message_delta",
        "message_stop",
    }  # fmt: skip
