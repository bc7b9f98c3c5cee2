"""The OpenAI client, which most programs use."""

import openai
import pytest

from tests.conformance.bodies import VOCAB
from tests.conformance.chat import HELLO, TIMEOUT, said, text

TOOL = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}}}


@pytest.fixture(scope="module")
def options(server):
    return {"base_url": server.url + "/v1", "api_key": "unused", "max_retries": 0, "timeout": TIMEOUT}


@pytest.fixture(scope="module")
def sync_client(options):
    with openai.OpenAI(**options) as client:
        yield client


@pytest.fixture(scope="module")
def create(sync_client):
    def create(**parameters):
        return sync_client.chat.completions.create(**{"model": "tiny", "messages": HELLO, **parameters})

    return create


def test_an_answer(create, chat):
    result = create(temperature=0)
    assert result.choices[0].message.content == text(chat.whole(temperature=0))
    assert result.choices[0].finish_reason == "stop" and result.model == "tiny" and result.id.startswith("chatcmpl-")
    assert result.choices[0].message.tool_calls is None and result.usage.completion_tokens > 1


def test_a_stream_with_usage(create, chat):
    chunks = list(create(temperature=0, stream=True, stream_options={"include_usage": True}))
    deltas = [chunk.choices[0].delta for chunk in chunks if chunk.choices]
    assert "".join(delta.content or "" for delta in deltas) == text(chat.whole(temperature=0))
    assert deltas[0].role == "assistant" and chunks[-1].usage.total_tokens > 0


def test_the_clients_own_fold_of_a_stream_is_the_whole_answer(sync_client, create):
    ends = {"eos_token": list(range(0, VOCAB, 8))}  # because the client's fold refuses answers that were cut off
    parameters = {"model": "tiny", "messages": HELLO, "seed": 6, "temperature": 2, "n": 2, "extra_body": ends}
    with sync_client.chat.completions.stream(**parameters) as stream:
        folded = stream.get_final_completion()
    whole = create(**parameters)
    for first, second in zip(folded.choices, whole.choices, strict=True):
        assert (first.message.content or "", first.finish_reason) == (second.message.content, second.finish_reason)


def test_choices_and_seeds(create, chat):
    result = create(n=3, seed=5, temperature=1.5, max_tokens=8, extra_body={"top_k": 40, "eos_token": []})
    raw = said(chat.whole(n=3, seed=5, temperature=1.5, max_tokens=8, top_k=40, eos_token=[]))
    assert [choice.message.content for choice in result.choices] == [choice["text"] for choice in raw["choices"]]
    assert [choice.seed for choice in result.choices] == [5, 6, 7]


def test_log_probabilities(create):
    result = create(logprobs=True, top_logprobs=3, max_tokens=2, extra_body={"eos_token": []})
    assert [len(entry.top_logprobs) for entry in result.choices[0].logprobs.content] == [3, 3]


def test_max_completion_tokens_is_max_tokens(create):
    result = create(max_completion_tokens=4, extra_body={"eos_token": []})
    assert result.usage.completion_tokens == 4 and result.choices[0].finish_reason == "length"


def test_tools_with_auto(create):
    result = create(tools=[TOOL], tool_choice="auto", max_tokens=20)
    assert result.choices[0].finish_reason in ("stop", "length", "tool_calls")


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("parameters", "error", "param"),
    [
        ({"top_p": 0}, openai.UnprocessableEntityError, "top_p"),
        ({"messages": [{"role": "bot", "content": "x"}]}, openai.UnprocessableEntityError, "messages.0.role"),
        ({"max_tokens": 10**6}, openai.UnprocessableEntityError, "max_tokens"),
        ({"stop": ""}, openai.UnprocessableEntityError, "stop"),
        ({"model": "nobody"}, openai.NotFoundError, "model"),
    ],
)
def test_an_error(create, stream, parameters, error, param):
    with pytest.raises(error) as caught:
        create(**parameters, stream=stream)
    assert caught.value.param == param and caught.value.type == "invalid_request_error"
    assert caught.value.code == {"model": "model_not_found", "max_tokens": "context_length_exceeded"}.get(param)


def test_the_list_of_models(sync_client):
    assert "tiny" in [model.id for model in sync_client.models.list()]
    assert sync_client.models.retrieve("tiny").owned_by == "jaxchat"
    with pytest.raises(openai.NotFoundError):
        sync_client.models.retrieve("nobody")


async def test_the_asynchronous_client(options, chat):
    async with openai.AsyncOpenAI(**options) as client:
        parameters = {"model": "tiny", "messages": HELLO, "temperature": 0}
        result = await client.chat.completions.create(**parameters)
        stream = await client.chat.completions.create(**parameters, stream=True)
        deltas = [chunk.choices[0].delta.content or "" async for chunk in stream]
    assert "".join(deltas) == result.choices[0].message.content == text(chat.whole(temperature=0))
