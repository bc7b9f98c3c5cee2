"""OpenAI's client and /v1/responses: responses, streams, structured answers, calls, and conversations that are kept."""

import json
import re

import openai
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.clients.tools import FRANK, PERSON, WEATHER, WEATHER_OF_ONE, Person, Tools, tells
from tests.conformance.chat import TIMEOUT, read_error, validator

EVENT, RESPONSE = validator("ResponsesStreamEvent"), validator("ContainerResponsesSuccess")
WEATHER_TOOL = {
    "type": "function",
    "name": "get_weather",
    "description": Tools.get_weather.__doc__,
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string", "description": "The name of the city, e.g. Paris"}},
        "required": ["city"],
    },
    "strict": True,
}
GREEDY = {"model": "tiny", "temperature": 0}


@pytest.fixture(scope="module")
def sync_client(server):
    with openai.OpenAI(base_url=server.url + "/v1", api_key="unused", max_retries=0, timeout=TIMEOUT) as client:
        yield client


@pytest.fixture(scope="module")
def responses(sync_client):
    return sync_client.responses


@pytest.fixture(params=["whole", "stream"])
def ask(request, responses):
    """The response to a request, with either way of asking."""

    def stream(**parameters):
        with responses.stream(**parameters) as events:
            return events.get_final_response()

    return {"whole": responses.create, "stream": stream}[request.param]


def raw_events(client, **body):
    """The events of a stream over raw HTTP."""
    response = client.post("/v1/responses", json={"stream": True, **body})
    assert response.status_code == 200, response.text
    blocks = [block for block in response.text.removesuffix("\n\n").split("\n\n") if not block.startswith(":")]
    events = [json.loads(block.partition("\ndata: ")[2]) for block in blocks]
    assert [f"event: {event['type']}" for event in events] == [block.split("\n")[0] for block in blocks]
    for event in events:
        EVENT.validate(event)
    return events


def test_a_response_is_what_a_chat_answers(ask, sync_client):
    response = ask(**GREEDY, input="What is the capital of France?")
    chat = sync_client.chat.completions.create(
        **GREEDY, messages=[{"role": "user", "content": "What is the capital of France?"}]
    )
    assert response.output_text == chat.choices[0].message.content and response.status == "completed"
    assert response.usage.output_tokens == chat.usage.completion_tokens
    assert response.usage.input_tokens == chat.usage.prompt_tokens and response.model == "tiny"


def test_a_structured_answer(responses):
    response = responses.parse(**GREEDY, input=PERSON, text_format=Person)
    assert response.output_parsed == FRANK
    with responses.stream(**GREEDY, input=PERSON, text_format=Person) as events:
        done = [event for event in events if event.type == "response.output_text.done"]
    assert [event.parsed for event in done] == [FRANK]


@pytest.mark.parametrize("kept", [True, False])
def test_a_round_trip_of_a_call(ask, kept):
    tools = Tools()
    first = ask(**GREEDY, input=WEATHER_OF_ONE, tools=[WEATHER_TOOL], store=kept)
    (call,) = (item for item in first.output if item.type == "function_call")
    result = tools.get_weather(**json.loads(call.arguments))
    output = {"type": "function_call_output", "call_id": call.call_id, "output": result}
    if kept:
        second = ask(**GREEDY, input=[output], tools=[WEATHER_TOOL], previous_response_id=first.id)
    else:
        history = [{"role": "user", "content": WEATHER_OF_ONE}, *first.output, output]
        second = ask(**GREEDY, input=history, tools=[WEATHER_TOOL], store=False)
    assert tools.calls == [("get_weather", "Paris")] and tells(second.output_text, WEATHER["Paris"])


def test_a_call_comes_in_events(responses):
    events = list(
        responses.create(**GREEDY, input=WEATHER_OF_ONE, tools=[WEATHER_TOOL], tool_choice="required", stream=True)
    )
    deltas = [event.delta for event in events if event.type == "response.function_call_arguments.delta"]
    (done,) = (event for event in events if event.type == "response.function_call_arguments.done")
    assert "".join(deltas) == done.arguments and json.loads(done.arguments) == {"city": "Paris"}
    assert events[-1].response.output[-1].arguments == done.arguments


def test_what_is_kept_is_found_and_deleted(responses):
    first = responses.create(**GREEDY, input="Hello!")
    second = responses.create(**GREEDY, input="And you?", previous_response_id=first.id)
    assert responses.retrieve(second.id).output_text == second.output_text
    items = list(responses.input_items.list(second.id, order="asc", limit=1))
    assert [item.content[0].text for item in items] == ["Hello!", first.output_text, "And you?"]
    responses.delete(first.id)
    with pytest.raises(openai.NotFoundError):
        responses.retrieve(first.id)
    with pytest.raises(openai.NotFoundError) as caught:
        responses.create(**GREEDY, input="More", previous_response_id=first.id)
    assert caught.value.param == "previous_response_id" and caught.value.code == "previous_response_not_found"
    third = responses.create(**GREEDY, input="More", previous_response_id=second.id)
    assert third.usage.input_tokens > second.usage.input_tokens


@pytest.mark.parametrize("summary", [None, "auto"])
def test_reasoning_comes_apart_and_goes_back(ask, client, summary):
    reasoning = {"effort": "high", "summary": summary}
    parameters = {**GREEDY, "tools": [WEATHER_TOOL], "reasoning": reasoning, "store": False}
    first = ask(**parameters, input=WEATHER_OF_ONE, include=["reasoning.encrypted_content"])
    thought, call = first.output
    assert thought.type == "reasoning" and call.type == "function_call" and thought.encrypted_content
    text = thought.summary[0].text if summary else thought.content[0].text
    assert "get_weather" in text and first.usage.output_tokens_details.reasoning_tokens > 0
    result = {"type": "function_call_output", "call_id": call.call_id, "output": json.dumps(WEATHER["Paris"])}
    question, opaque = (
        {"role": "user", "content": WEATHER_OF_ONE},
        {**thought.to_dict(), "summary": [], "content": None},
    )
    ways = [[question, thought, call, result], [question, opaque, call, result]]
    first_way, second_way = (ask(**parameters, input=way) for way in ways)
    assert first_way.usage.input_tokens == second_way.usage.input_tokens
    assert tells(first_way.output_text, WEATHER["Paris"]) and first_way.output_text == second_way.output_text


NESTED = 'start: "(" start ")" | NUMBER\n%import common.NUMBER'
FORMATS = {
    "regex": ({"type": "grammar", "syntax": "regex", "definition": '[ab"\\n]{3}'}, '[ab"\n]{3}'),
    "lark": ({"type": "grammar", "syntax": "lark", "definition": NESTED}, r"\(*[0-9.eE+-]+\)*"),
    "text": ({"type": "text"}, "(?s).*"),
}
"""What a custom tool takes, and a pattern of it."""


@pytest.mark.parametrize("kind", FORMATS)
def test_a_custom_tools_input_is_of_its_grammar(ask, kind):
    format, pattern = FORMATS[kind]
    tool = {"type": "custom", "name": "calculate", "description": "Calculates.", "format": format}
    asked = {"model": "tiny", "tools": [tool], "max_output_tokens": 100}
    must = {"tool_choice": {"type": "custom", "name": "calculate"}, "extra_body": {"seed": 3}}
    response = ask(**asked, **must, input="Calculate.")
    (call,) = (item for item in response.output if item.type == "custom_tool_call")
    assert call.name == "calculate"
    if response.status == "completed":
        assert re.fullmatch(pattern, call.input) and call.input.count("(") == call.input.count(")")
    result = {"type": "custom_tool_call_output", "call_id": call.call_id, "output": "5"}
    assert ask(**asked, input=[{"role": "user", "content": "Calculate."}, call, result]).output


def test_log_probabilities(responses):
    include = ["message.output_text.logprobs"]
    response = responses.create(**GREEDY, input="Hello!", include=include, top_logprobs=2, max_output_tokens=4)
    entries = response.output[0].content[0].logprobs
    assert "".join(entry.token for entry in entries).strip() == response.output_text.strip()
    assert all(len(entry.top_logprobs) == 2 for entry in entries)


def test_errors_are_openais(responses, client):
    with pytest.raises(openai.UnprocessableEntityError) as caught:
        responses.create(**GREEDY, input="Hello!", max_output_tokens=10**6)
    assert caught.value.param == "max_output_tokens" and caught.value.code == "context_length_exceeded"
    with pytest.raises(openai.UnprocessableEntityError) as caught:
        responses.create(**GREEDY, input="Hello!", background=True)
    assert caught.value.param == "background"
    assert read_error(client.get("/v1/responses/resp_none"))["code"] == "response_not_found"


TURNS = st.lists(
    st.sampled_from(["Hello!", "What is the capital of Italy?", "Count to 3.", "é🙂"]), min_size=1, max_size=3
)


@settings(max_examples=8)
@given(
    turns=TURNS,
    seed=st.integers(0, 2**53),
    temperature=st.sampled_from([0.0, 0.7, 1.5]),
    system=st.none() | st.just("Be kind."),
)
def test_one_chat_and_one_seed_give_one_text_here_and_there(client, turns, seed, temperature, system):
    said = [{"role": ("user", "assistant")[i % 2], "content": turn} for i, turn in enumerate(turns)]
    if len(said) % 2 == 0:
        said = said[1:] if system else said[:-1]
    common = {"seed": seed, "temperature": temperature, "top_p": 0.95}
    messages = [*([{"role": "system", "content": system}] if system else []), *said]
    chat = client.post(
        "/v1/chat/completions", json={"messages": messages, "max_tokens": 12, "parse_reasoning": True, **common}
    ).json()
    body = {"input": said, "max_output_tokens": 12, **({"instructions": system} if system else {}), **common}
    response = client.post("/v1/responses", json=body).json()
    RESPONSE.validate(response)
    texts = [part["text"] for item in response["output"] if item["type"] == "message" for part in item["content"]]
    assert "".join(texts) == chat["choices"][0]["message"]["content"] and response["seed"] == seed
    assert response["usage"]["output_tokens"] == chat["usage"]["completion_tokens"]
    *_, last = raw_events(client, **body)
    assert [item.get("content") for item in last["response"]["output"]] == [
        item.get("content") for item in response["output"]
    ]


async def test_the_asynchronous_client(server):
    async with openai.AsyncOpenAI(base_url=server.url + "/v1", api_key="unused", max_retries=0) as client:
        whole = await client.responses.create(**GREEDY, input="Hello!")
        async with client.responses.stream(**GREEDY, input="Hello!") as events:
            streamed = await events.get_final_response()
    assert whole.output_text == streamed.output_text != ""
