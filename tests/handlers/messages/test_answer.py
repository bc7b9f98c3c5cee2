"""The events of a stream and the whole message say the same, in the forms that the document gives them."""

import asyncio
import json
from dataclasses import replace

import jsonschema_rs
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers.generation.deltas import CallDelta, Delta
from handlers.http.spec import load_document
from handlers.messages.answer import NAMED_EVENTS, Message

TEXT = st.text(min_size=1, max_size=3)
PARTS = st.builds(lambda text: Delta(0, content=text), TEXT) | st.builds(lambda text: Delta(0, reasoning=text), TEXT)
OBJECTS = st.dictionaries(TEXT, st.integers() | TEXT | st.floats(allow_nan=False, allow_infinity=False), max_size=2)


@pytest.fixture(scope="module")
def validators():
    components = load_document()["components"]
    names = ("ContainerMessagesSuccess", "MessagesStreamEvent")
    return {
        n: jsonschema_rs.Draft202012Validator({**components["schemas"][n], "components": components}) for n in names
    }


@st.composite
def answers(draw):
    """The deltas of an answer, and the inputs of its calls."""
    deltas = [replace(part, tokens=draw(st.integers(1, 3))) for part in draw(st.lists(PARTS, max_size=4))]
    inputs = draw(st.lists(OBJECTS, max_size=2))
    for index, value in enumerate(inputs):
        deltas.append(Delta(0, call=CallDelta(index, id=f"call_{index}", name="f")))
        written = json.dumps(value, ensure_ascii=draw(st.booleans()))
        cut = draw(st.integers(0, len(written)))
        deltas += [Delta(0, call=CallDelta(index, part), tokens=1) for part in (written[:cut], written[cut:]) if part]
    stopped_by = None if inputs else draw(st.sampled_from([None, "STOP"]))
    reason = "tool_calls" if inputs else draw(st.sampled_from(["stop", "length"]))
    deltas.append(
        Delta(0, tokens=1, finish_reason=reason, stopped_by=stopped_by, reasoning_tokens=draw(st.integers(0, 5)))
    )
    return [replace(deltas[0], cached_tokens=draw(st.integers(0, 7))), *deltas[1:]], inputs


async def replay(deltas):
    for delta in deltas:
        yield delta


def both(deltas, **options):
    """The whole message and the data of the events, as they are sent."""

    async def collect():
        message = Message("tiny", 7, 11, **{"reasoning": True, **options})
        return await message.result(replay(deltas)), [event async for event in message.chunks(replay(deltas))]

    whole, events = asyncio.run(collect())
    assert all(event.name == event.data["type"] for event in events)
    return json.loads(orjson.dumps(whole)), [json.loads(orjson.dumps(event.data)) for event in events]


def gathered(events):
    """The message that a client puts together, blocks strictly one after the other."""
    message, blocks, arguments, is_open = events[0]["message"], [], "", False
    for event in events[1:]:
        match event["type"]:
            case "content_block_start":
                assert not is_open and event["index"] == len(blocks)
                is_open, arguments = True, ""
                blocks.append(dict(event["content_block"]))
            case "content_block_delta":
                assert is_open and event["index"] == len(blocks) - 1
                (name,) = event["delta"].keys() - {"type"}
                if name == "partial_json":
                    arguments += event["delta"][name]
                else:
                    blocks[-1][name] += event["delta"][name]
            case "content_block_stop":
                assert is_open and event["index"] == len(blocks) - 1
                is_open = False
                if blocks[-1]["type"] == "tool_use":
                    blocks[-1]["input"] = json.loads(arguments or "{}")
            case "message_delta":
                assert not is_open
                message |= {**event["delta"], "usage": event["usage"]}
    assert [event["type"] for event in events[-2:]] == ["message_delta", "message_stop"]
    return {**message, "content": blocks}


@given(answer=answers())
def test_the_events_add_up_to_the_whole_message(answer):
    deltas, inputs = answer
    whole, events = both(deltas)
    assert gathered(events) == whole
    assert [block["input"] for block in whole["content"] if block["type"] == "tool_use"] == inputs
    for kind, field, name in (("text", "text", "content"), ("thinking", "thinking", "reasoning")):
        said = "".join(block[field] for block in whole["content"] if block["type"] == kind)
        assert said == "".join(getattr(delta, name) for delta in deltas)
    assert all(block["signature"] for block in whole["content"] if block["type"] == "thinking")


@given(answer=answers())
def test_both_are_valid_by_the_document(answer, validators):
    whole, events = both(answer[0])
    validators["ContainerMessagesSuccess"].validate(whole)
    for event in events:
        validators["MessagesStreamEvent"].validate(event)


@pytest.mark.parametrize(
    ("reason", "stopped_by", "told"),
    [
        ("stop", None, ("end_turn", None)),
        ("length", None, ("max_tokens", None)),
        ("tool_calls", None, ("tool_use", None)),
        ("stop", "END", ("stop_sequence", "END")),
        ("length", "END", ("stop_sequence", "END")),  # it cut a call, or an answer in a form
        ("tool_calls", "END", ("tool_use", None)),
    ],
)
def test_why_an_answer_ends(reason, stopped_by, told):
    whole, events = both([Delta(0, content="a"), Delta(0, finish_reason=reason, stopped_by=stopped_by)])
    assert (whole["stop_reason"], whole["stop_sequence"]) == told
    assert events[0]["message"]["stop_reason"] is None


@pytest.mark.parametrize(
    ("options", "usage"),
    [
        ({}, {"input_tokens": 4, "output_tokens": 5, "cache_read_input_tokens": 3, "cache_creation_input_tokens": 0,
              "output_tokens_details": {"thinking_tokens": 2}}),
        ({"cached_tokens": False, "reasoning": False}, {"input_tokens": 7, "output_tokens": 5}),
    ],
)  # fmt: skip
def test_tokens_that_were_cached_are_counted_apart_where_it_is_told(options, usage):
    deltas = [
        Delta(0, content="a", tokens=4, cached_tokens=3),
        Delta(0, tokens=1, finish_reason="stop", reasoning_tokens=2),
    ]
    whole, events = both(deltas, **options)
    assert whole["usage"] == events[-2]["usage"] == usage
    assert events[0]["message"]["usage"]["input_tokens"] == usage["input_tokens"]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ("", "{}"),
        ('{"a": 12345678901234567890123, "b": 1.50}', '{"a": 12345678901234567890123, "b": 1.50}'),
        ('{"a": [1, 2', '{"a": [1, 2]}'),
        ('{"a": 1, "b', '{"a": 1}'),
        ("[1]", "{}"),
        ("nonsense", "{}"),
    ],
)
def test_a_calls_input_is_an_object_whatever_cut_it(arguments, expected):
    deltas = [Delta(0, call=CallDelta(0, arguments, "c", "f")), Delta(0, finish_reason="length")]

    async def result():
        return await Message("tiny", 7, 0).result(replay(deltas))

    sent = orjson.dumps(asyncio.run(result())["content"][0]["input"]).decode()
    assert sent == expected


def test_a_ping_is_a_comment_and_nothing_follows_the_last_event():
    assert NAMED_EVENTS.ping == b": ping\n\n" and NAMED_EVENTS.end == b""
