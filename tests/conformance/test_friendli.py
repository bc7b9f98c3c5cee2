"""The official Friendli client: what it sends is understood, and what it reads is there."""

import pytest
from friendli import AsyncFriendli, SyncFriendli
from friendli.core.models import MessagesErrorResponse, SDKError

from tests.conformance.chat import HELLO, TIMEOUT, ending, said, text

WEATHER = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}}}


@pytest.fixture(scope="module")
def options(server):
    """Given to every call: the client's methods for a container ignore the server_url of their client."""
    return {"server_url": server.url, "retries": None, "timeout_ms": TIMEOUT * 1000}


@pytest.fixture(scope="module")
def friendli(options):
    with SyncFriendli(token="unused", x_friendli_team=None) as client:
        yield lambda **parameters: client.container.chat.complete(**{"messages": HELLO, **parameters, **options})


def test_an_answer(friendli, chat):
    result = friendli(temperature=0)
    (choice,) = result.choices
    assert choice.message.content == text(chat.whole(temperature=0)) and choice.finish_reason == "stop"
    assert choice.message.role == "assistant" and result.OBJECT == "chat.completion"
    assert result.usage.total_tokens == result.usage.prompt_tokens + result.usage.completion_tokens
    assert result.usage.prompt_tokens_details.cached_tokens == 0 and result.model == "tiny"


def test_a_stream(friendli, chat):
    with friendli(temperature=0, stream=True, stream_options={"include_usage": True}) as events:
        chunks = [event.data for event in events]
    deltas = [chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices]
    assert "".join(deltas) == text(chat.whole(temperature=0)) and len(deltas) > 2
    assert chunks[-1].choices == [] and chunks[-1].usage.total_tokens > len(deltas)
    assert chunks[-2].choices[0].finish_reason == "stop"


def test_a_stream_without_usage_ends_with_the_finish(friendli):
    with friendli(max_tokens=2, eos_token=[], stream=True) as events:
        reasons = [event.data.choices[0].finish_reason for event in events]
    assert set(reasons[:-1]) == {None} and reasons[-1] == "length"


def test_choices_with_seeds_and_every_sampling_parameter(friendli, chat):
    parameters = {
        "n": 2, "seed": [3, 4], "temperature": 1.5, "top_k": 50, "top_p": 0.9, "min_p": 0.01, "xtc_threshold": 0.2,
        "xtc_probability": 0.5, "repetition_penalty": 1.1, "presence_penalty": 0.5, "frequency_penalty": -0.5,
        "logit_bias": {"100": 5}, "min_tokens": 3, "max_tokens": 10, "eos_token": [2], "stop": ["never in it"],
    }  # fmt: skip
    result, raw = friendli(**parameters), said(chat.whole(**parameters))
    assert [choice.message.content for choice in result.choices] == [choice["text"] for choice in raw["choices"]]
    assert [choice.index for choice in result.choices] == [0, 1]
    assert result.usage.completion_tokens == raw["usage"]["completion_tokens"]


def test_log_probabilities(friendli):
    result = friendli(logprobs=True, top_logprobs=2, max_tokens=3, eos_token=[])
    entries = result.choices[0].logprobs.content
    assert len(entries) == 3 and all(len(entry.top_logprobs) == 2 and entry.logprob <= 0 for entry in entries)
    with friendli(logprobs=True, max_tokens=3, eos_token=[], stream=True) as events:
        streamed = [entry for event in events if (part := event.data.choices[0].logprobs) for entry in part.content]
    assert len(streamed) == 3 and all(entry.top_logprobs == [] for entry in streamed)


def test_nulls_as_the_client_sends_them(friendli, chat):
    nulls = dict.fromkeys(("model", "n", "stop", "tools", "temperature", "logprobs", "top_logprobs", "response_format"))
    assert friendli(**nulls, seed=1).choices[0].message.content == text(chat.whole(seed=1))


def test_a_conversation_with_tools(friendli):
    call = {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Oslo"}'}}
    messages = [
        {"role": "system", "content": "Be short."}, *HELLO, {"role": "assistant", "content": "", "tool_calls": [call]},
        {"role": "tool", "content": "sunny", "tool_call_id": "call_1"},
    ]  # fmt: skip
    result = friendli(messages=messages, tools=[WEATHER], tool_choice="auto", max_tokens=20)
    assert result.choices[0].finish_reason in ("stop", "length", "tool_calls")


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("parameters", "status", "words"),
    [({"messages": []}, 422, "messages"), ({"top_p": 0.0}, 422, "top_p"), ({"model": "nobody"}, 404, "nobody")],
)
def test_an_error(friendli, stream, parameters, status, words):
    with pytest.raises(SDKError) as caught:
        friendli(**parameters, stream=stream)
    assert caught.value.status_code == status and words in caught.value.body


async def test_the_asynchronous_client(options, chat):
    async with AsyncFriendli(token="unused", x_friendli_team=None) as client:
        complete = client.container.chat.complete
        result = await complete(messages=HELLO, temperature=0, **options)
        assert ending(chat.whole(temperature=0)) == (result.usage.completion_tokens, result.choices[0].finish_reason)
        async with await complete(messages=HELLO, temperature=0, stream=True, **options) as events:
            deltas = [event.data.choices[0].delta.content or "" async for event in events]
        assert "".join(deltas) == result.choices[0].message.content
        with pytest.raises(SDKError):
            await complete(messages=[], **options)


CALLED = [{"role": "user", "content": "What is the weather in Paris?"}]
DEFINITION = {
    "name": "get_weather",
    "description": "Get the current weather in a city.",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}


@pytest.fixture(scope="module")
def create_message(options):
    with SyncFriendli(token="unused", x_friendli_team=None) as client:
        yield lambda **parameters: client.container.messages.messages(
            **{"messages": CALLED, "temperature": 0, "max_tokens": 100, "tools": [DEFINITION], **parameters, **options}
        )


def test_a_message_and_the_same_as_a_stream(create_message):
    thinking = {"type": "enabled", "budget_tokens": 40}
    message = create_message(thinking=thinking)
    assert [block.TYPE for block in message.content] == ["thinking", "tool_use"] and message.stop_reason == "tool_use"
    assert message.content[1].input == {"city": "Paris"} and message.usage.output_tokens > 1
    with create_message(thinking=thinking, stream=True) as events:
        found = [event.data for event in events]
    assert [found[0].TYPE, found[-2].TYPE, found[-1].TYPE] == ["message_start", "message_delta", "message_stop"]
    assert found[-2].delta.stop_reason == "tool_use"
    started = [event.content_block.TYPE for event in found if event.TYPE == "content_block_start"]
    assert started == ["thinking", "tool_use"]


def test_a_message_that_is_refused_has_the_errors_fields(create_message):
    with pytest.raises(MessagesErrorResponse) as raised:
        create_message(stop_sequences=["a"] * 257)
    assert raised.value.status_code == 422 and "stop_sequences has 257" in raised.value.data.error.message
