"""The streamed and the whole answer say the same, in the forms that the document gives them."""

import asyncio
import json
from dataclasses import replace

import jsonschema_rs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers.chat.completion import Completion
from handlers.generation.deltas import CallDelta, Delta
from handlers.generation.logprobs import TokenLogprob
from handlers.http.spec import load_document

KEYS = {"content", "reasoning_content", "tool_calls", ""}
TOKEN = TokenLogprob("a", b"a", -0.5)


TEXT = st.text(min_size=1, max_size=3)
PARTS = st.builds(lambda text: Delta(0, content=text, logprobs=(TOKEN,)), TEXT) | st.builds(
    lambda text: Delta(0, reasoning=text, reasoning_logprobs=(TOKEN,)), TEXT
)


@pytest.fixture(scope="module")
def validators():
    components = load_document()["components"]
    names = ("ChatResult", "ChatCompletionChunk")
    return {
        n: jsonschema_rs.Draft202012Validator({**components["schemas"][n], "components": components}) for n in names
    }


@st.composite
def answers(draw):
    """The deltas of up to 3 choices, interleaved."""
    queues, cached = [], draw(st.integers(0, 7))
    for choice in range(draw(st.integers(1, 3))):
        own = [
            replace(part, choice=choice, tokens=draw(st.integers(1, 3))) for part in draw(st.lists(PARTS, max_size=4))
        ]
        calls = draw(st.lists(st.lists(TEXT, max_size=3), max_size=2))
        for index, fragments in enumerate(calls):
            own.append(Delta(choice, call=CallDelta(index, id=f"call_{choice}{index}", name="f"), logprobs=(TOKEN,)))
            own += [Delta(choice, call=CallDelta(index, fragment), tokens=1) for fragment in fragments]
        reason = "tool_calls" if calls else draw(st.sampled_from(["stop", "length"]))
        queues.append([*own, Delta(choice, tokens=1, finish_reason=reason, reasoning_tokens=draw(st.integers(0, 5)))])
    order = draw(st.randoms())
    deltas, count = [], len(queues)
    while any(queues):
        deltas.append(order.choice([queue for queue in queues if queue]).pop(0))
    return count, [replace(deltas[0], cached_tokens=cached), *deltas[1:]]


async def replay(deltas):
    for delta in deltas:
        yield delta


def both(count, deltas, *, include_usage=True, **options):
    """The whole answer and the chunks."""

    async def collect():
        asked = {"logprobs": True, "include_usage": include_usage, "reasoning": True, **options}
        completion = Completion("tiny", 7, tuple(range(count)), **asked)
        return await completion.result(replay(deltas)), [chunk async for chunk in completion.chunks(replay(deltas))]

    return asyncio.run(collect())


def message_of(deltas):
    """What a client puts together."""
    texts = {name: [d[name] for d in deltas if d.get(name)] for name in ("content", "reasoning_content")}
    calls = {}
    for call in (call for delta in deltas for call in delta.get("tool_calls", [])):
        function = {"name": call["function"].get("name"), "arguments": ""}
        known = calls.setdefault(call["index"], {"id": call.get("id"), "type": call["type"], "function": function})
        known["function"]["arguments"] += call["function"]["arguments"]
    content = "".join(texts["content"])
    message = {"role": deltas[0]["role"], "content": content or None if calls else content}
    message |= {"reasoning_content": "".join(texts["reasoning_content"])} if texts["reasoning_content"] else {}
    return message | ({"tool_calls": list(calls.values())} if calls else {})


@given(answer=answers())
def test_the_chunks_add_up_to_the_whole(answer):
    whole, chunks = both(*answer)
    for choice in whole["choices"]:
        own = [c for chunk in chunks for c in chunk["choices"] if c["index"] == choice["index"]]
        assert message_of([c["delta"] for c in own]) == choice["message"]
        for name in ("content", "reasoning_content"):
            entries = [e for c in own if c["logprobs"] for e in c["logprobs"].get(name, [])]
            assert entries == choice["logprobs"].get(name, [])
        assert [c["finish_reason"] for c in own] == [None] * (len(own) - 1) + [choice["finish_reason"]]
        assert {c["seed"] for c in own} == {choice["seed"]}
    assert chunks[-1]["usage"] == whole["usage"] and {chunk["id"] for chunk in chunks} == {whole["id"]}


@given(answer=answers())
def test_both_are_valid_by_the_document(answer, validators):
    whole, chunks = both(*answer)
    validators["ChatResult"].validate(json.loads(json.dumps(whole)))
    for chunk in chunks:
        validators["ChatCompletionChunk"].validate(json.loads(json.dumps(chunk)))


@given(answer=answers())
def test_the_role_comes_with_the_first_chunk_of_each_choice_and_the_last_is_empty(answer):
    _, chunks = both(*answer)
    for index in range(answer[0]):
        own = [c["delta"] for chunk in chunks for c in chunk["choices"] if c["index"] == index]
        assert own[0]["role"] == "assistant" and own[-1] == {}
        assert all(len(delta) == 1 and delta.keys() < KEYS for delta in own[1:-1])
        called = [call for delta in own for call in delta.get("tool_calls", [])]
        assert all(call["type"] == "function" and call["function"]["arguments"] is not None for call in called)
        heads = [call for call in called if "id" in call]
        assert [call["index"] for call in heads] == list(range(len(heads))) and all(
            h["function"]["name"] for h in heads
        )


@given(answer=answers(), include_usage=st.booleans())
def test_usage_counts_the_prompt_once_and_comes_in_one_last_chunk_if_asked_for(answer, include_usage):
    whole, chunks = both(*answer, include_usage=include_usage)
    drawn = sum(delta.tokens for delta in answer[1])
    assert whole["usage"] == {
        "prompt_tokens": 7, "completion_tokens": drawn, "total_tokens": 7 + drawn,
        "prompt_tokens_details": {"cached_tokens": answer[1][0].cached_tokens},
        "completion_tokens_details": {"reasoning_tokens": sum(delta.reasoning_tokens for delta in answer[1])},
    }  # fmt: skip
    assert "completion_tokens_details" not in both(*answer, reasoning=False)[0]["usage"]
    assert "prompt_tokens_details" not in both(*answer, cached_tokens=False)[0]["usage"]
    assert [chunk["usage"] is not None for chunk in chunks] == [False] * (len(chunks) - include_usage) + [
        True
    ] * include_usage
    assert all(chunk["choices"] for chunk in chunks if chunk["usage"] is None)
