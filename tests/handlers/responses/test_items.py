"""The events of a response's stream, put together, are the response: whatever it says, reasons and calls."""

import asyncio
import json

import jsonschema_rs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai import omit
from openai._models import construct_type
from openai.lib.streaming.responses._responses import ResponseStreamState
from openai.types.responses import ResponseStreamEvent

from handlers.generation.deltas import CallDelta, Delta
from handlers.generation.logprobs import TokenLogprob
from handlers.http.spec import load_document
from handlers.responses.answer import ResponseMaker
from handlers.responses.items import OutputForm, ToolTarget
from handlers.responses.reasoning import decrypted, encrypted

COMPONENTS = load_document()["components"]


def validator(name):
    return jsonschema_rs.Draft202012Validator({**COMPONENTS["schemas"][name], "components": COMPONENTS})


EVENT, RESPONSE = validator("ResponsesStreamEvent"), validator("ContainerResponsesSuccess")
TARGETS = {
    "weather": ToolTarget("weather"),
    "patch": ToolTarget("patch", custom=True),
    "srv.find": ToolTarget("find", "srv"),
    "srv.run": ToolTarget("run", "srv", custom=True),
}
ASKED = {"model": "tiny", "parallel_tool_calls": True, "tool_choice": "auto", "tools": [], "store": True}
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=4)


@st.composite
def said(draw):
    """Deltas of one choice, and whether they end of themselves: each part comes in pieces."""
    deltas, calls = [], 0
    for kind in draw(st.lists(st.sampled_from(["text", "reasoning", "call"]), max_size=5)):
        pieces = draw(st.lists(TEXTS, min_size=1, max_size=3))
        if kind == "call":
            name = draw(st.sampled_from([*TARGETS, "other"]))
            arguments = json.dumps({"input": "".join(pieces)} if "n" in name else {"city": pieces[0]})
            at = draw(st.integers(0, len(arguments)))
            deltas.append(Delta(0, call=CallDelta(calls, id=f"call_{calls}", name=name), tokens=1))
            deltas += [Delta(0, call=CallDelta(calls, part)) for part in (arguments[:at], arguments[at:]) if part]
            calls += 1
        elif kind == "text":
            token = TokenLogprob("x", b"x", -0.5, (TokenLogprob("y", b"y", -1.0),))
            deltas += [Delta(0, content=piece, tokens=2, logprobs=(token,)) for piece in pieces]
        else:
            deltas += [Delta(0, reasoning=piece, tokens=1) for piece in pieces]
    reason = draw(st.sampled_from(["length", "tool_calls" if calls else "stop"]))
    return [*deltas, Delta(0, tokens=1, finish_reason=reason, reasoning_tokens=3)]


EITHER = st.booleans()
forms = st.builds(OutputForm, st.just("ab12"), st.just(TARGETS), summary=EITHER, encrypted=EITHER, logprobs=EITHER)


def made(form, keep=lambda response: True, fail=lambda error: ("server_error", str(error))):
    return ResponseMaker(ASKED, form, prompt_tokens=7, seed=5, keep=keep, fail=fail, created=1)


async def playing(deltas, error=None):
    for delta in deltas:
        yield delta
    if error is not None:
        raise error


def whole(form, deltas, **options):
    return asyncio.run(made(form, **options).result(playing(deltas)))


def streamed(form, deltas, error=None, **options):
    async def collect():
        return [event async for event in made(form, **options).events(playing(deltas, error))]

    return asyncio.run(collect())


def folded(events):
    """The output that the events between the first and the last make."""
    output = []
    for event in events:
        kind, item = event["type"], output[event["output_index"]] if event["output_index"] < len(output) else None
        match kind.removeprefix("response.").split("."):
            case ["output_item", "added"]:
                assert item is None and event["item"]["status"] == "in_progress"
                output.append(dict(event["item"]))
            case ["content_part" | "reasoning_summary_part" as part, "added"]:
                parts = "content" if part == "content_part" else "summary"
                item[parts] = [*item[parts], dict(event["part"])]
            case ["output_text" | "reasoning_text" as name, "delta"]:
                part = item["content"][event["content_index"]]
                part["text"] += event["delta"]
                if name == "output_text":
                    part["logprobs"] = [*part["logprobs"], *event["logprobs"]]
            case ["reasoning_summary_text", "delta"]:
                item["summary"][event["summary_index"]]["text"] += event["delta"]
            case ["function_call_arguments", "delta"]:
                item["arguments"] += event["delta"]
            case ["custom_tool_call_input", "delta"]:
                item["input"] += event["delta"]
            case ["output_item", "done"]:
                item["status"] = event["item"]["status"]
                assert item["status"] in ("completed", "incomplete")
                if "encrypted_content" in event["item"]:
                    item["encrypted_content"] = event["item"]["encrypted_content"]
                assert item == event["item"]
            case ["function_call_arguments", "done"]:
                assert (item["arguments"], item["name"]) == (event["arguments"], event["name"])
            case ["custom_tool_call_input", "done"]:
                assert item["input"] == event["input"]
            case ["reasoning_summary_text" | "reasoning_summary_part", "done"]:
                part = item["summary"][event["summary_index"]]
                assert event.get("part", part) == part and event.get("text", part["text"]) == part["text"]
            case [_, "done"]:
                part = item["content"][event["content_index"]]
                assert event.get("part", part) == part and event.get("text", part["text"]) == part["text"]
        assert event.get("item_id", output[event["output_index"]]["id"]) == output[event["output_index"]]["id"]
    return output


@given(form=forms, deltas=said())
def test_the_events_put_together_are_the_response(form, deltas):
    response, events = whole(form, deltas), streamed(form, deltas)
    first, second, *between, last = events
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    assert [first["type"], second["type"]] == ["response.created", "response.in_progress"]
    assert first["response"]["output"] == [] and first["response"]["status"] == "in_progress"
    assert last["type"] == f"response.{response['status']}"
    assert last["response"] | {"completed_at": None} == response | {"completed_at": None}
    assert folded(between) == response["output"]
    for event in events:
        EVENT.validate(event)
    RESPONSE.validate(response)


@given(form=forms, deltas=said())
def test_a_response_says_what_the_deltas_said(form, deltas):
    response = whole(form, deltas)
    cut = deltas[-1].finish_reason == "length"
    output = response["output"]
    assert response["status"] == ("incomplete" if cut else "completed")
    assert response["incomplete_details"] == ({"reason": "max_output_tokens"} if cut else None)
    assert [item["status"] for item in output[:-1]] == ["completed"] * len(output[:-1])
    assert not output or output[-1]["status"] == response["status"]
    texts = [part["text"] for item in output if item["type"] == "message" for part in item["content"]]
    assert "".join(texts) == "".join(delta.content for delta in deltas)
    reasoning = [item for item in output if item["type"] == "reasoning"]
    reasons = [part for item in reasoning for part in item["summary"] + item.get("content", [])]
    assert "".join(part["text"] for part in reasons) == "".join(delta.reasoning for delta in deltas)
    assert {part["type"] for part in reasons} <= {"summary_text" if form.summary else "reasoning_text"}
    for item in reasoning:
        secret = item.get("encrypted_content")
        text = "".join(part["text"] for part in item["summary"] + item.get("content", []))
        assert (secret and decrypted(secret)) == (text if form.encrypted else None)
    heads = [delta.call for delta in deltas if delta.call and delta.call.id]
    calls = [item for item in output if item["type"] in ("function_call", "custom_tool_call")]
    targets = [TARGETS.get(head.name, ToolTarget(head.name)) for head in heads]
    assert [(call["call_id"], call["name"], call.get("namespace")) for call in calls] == [
        (head.id, target.name, target.namespace) for head, target in zip(heads, targets, strict=True)
    ]
    for call, head, target in zip(calls, heads, targets, strict=True):
        arguments = "".join(one.call.arguments for one in deltas if one.call and one.call.index == head.index)
        assert call["type"] == ("custom_tool_call" if target.custom else "function_call")
        said = json.loads(arguments).get("input", arguments) if target.custom else arguments
        assert call["input" if target.custom else "arguments"] == said
    assert len({item["id"] for item in output}) == len(output)
    assert response["usage"] == {
        "input_tokens": 7,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": sum(delta.tokens for delta in deltas),
        "output_tokens_details": {"reasoning_tokens": 3},
        "total_tokens": 7 + sum(delta.tokens for delta in deltas),
    }


@given(form=forms, deltas=said())
def test_openais_client_puts_the_same_together(form, deltas):
    state = ResponseStreamState(input_tools=[], text_format=omit)
    events = streamed(form, deltas)
    for event in events:
        state.handle_event(construct_type(type_=ResponseStreamEvent, value=event))
    completed = state._completed_response
    assert (completed is not None) == (events[-1]["type"] == "response.completed")
    if completed is not None:
        assert completed.output_text == "".join(delta.content for delta in deltas)


def test_an_answer_without_any_text_is_a_message_of_none():
    (item,) = whole(OutputForm("a"), [Delta(0, tokens=1, finish_reason="stop")])["output"]
    assert item["type"] == "message" and item["content"][0]["text"] == "" and item["status"] == "completed"
    reasoned = whole(OutputForm("a"), [Delta(0, reasoning="Hm."), Delta(0, finish_reason="stop")])["output"]
    assert [item["type"] for item in reasoned] == ["reasoning", "message"]
    cut = whole(OutputForm("a"), [Delta(0, reasoning="Hm."), Delta(0, finish_reason="length")])["output"]
    assert [item["type"] for item in cut] == ["reasoning"]


def test_text_behind_a_call_is_another_message():
    call = Delta(0, call=CallDelta(0, "{}", "call_0", "weather"))
    deltas = [Delta(0, content="a"), call, Delta(0, content="b"), Delta(0, finish_reason="tool_calls")]
    assert [item["type"] for item in whole(OutputForm("a"), deltas)["output"]] == [
        "message",
        "function_call",
        "message",
    ]


@given(form=forms, deltas=said())
def test_a_failure_is_the_last_event_and_nothing_is_kept(form, deltas):
    kept = []
    events = streamed(form, deltas[:-1], RuntimeError("broken"), keep=kept.append)
    for event in events:
        EVENT.validate(event)
    assert events[-1]["type"] == "response.failed" and kept == []
    assert events[-1]["response"]["error"] == {"code": "server_error", "message": "broken"}
    with pytest.raises(RuntimeError, match="broken"):
        asyncio.run(made(form).result(playing(deltas[:-1], RuntimeError("broken"))))


@pytest.mark.parametrize("there_is_room", [True, False])
def test_a_response_says_whether_it_is_kept_which_it_is_before_it_is_sent(there_is_room):
    kept, deltas = [], [Delta(0, content="a"), Delta(0, finish_reason="stop")]

    def keep(response):
        kept.append(response)
        return there_is_room

    async def last():
        async for event in made(OutputForm("a"), keep).events(playing(deltas)):
            assert bool(kept) == (event["type"] == "response.completed")
        return event["response"]

    response = asyncio.run(last())
    assert response["store"] == there_is_room and response["id"] == kept[0]["id"]
    assert whole(OutputForm("a"), deltas, keep=keep)["store"] == there_is_room


@given(text=st.text(st.characters(exclude_categories=["Cs"])))
def test_only_what_this_server_made_is_read_as_encrypted_reasoning(text):
    content = encrypted(text)
    assert decrypted(content) == text and "\n" not in content
    assert decrypted(content[:-1]) is None and decrypted(f"x{content}") is None and decrypted(text) is None
    assert decrypted(content[:20]) is None
