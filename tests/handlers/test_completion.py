"""The streamed and the whole answer say the same, in the forms that the document gives them."""

import asyncio
import json
from dataclasses import replace

import jsonschema_rs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers.completion import Completion
from handlers.deltas import Delta
from handlers.spec import load_document

ENTRY = {"token": "a", "logprob": -0.5, "bytes": [97], "top_logprobs": []}


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
        texts = draw(st.lists(st.text(min_size=1, max_size=3), max_size=4))
        own = [Delta(choice, text, (ENTRY,), draw(st.integers(1, 3))) for text in texts]
        queues.append([*own, Delta(choice, tokens=1, finish_reason=draw(st.sampled_from(["stop", "length"])))])
    order = draw(st.randoms())
    deltas, count = [], len(queues)
    while any(queues):
        deltas.append(order.choice([queue for queue in queues if queue]).pop(0))
    return count, [replace(deltas[0], cached_tokens=cached), *deltas[1:]]


async def replay(deltas):
    for delta in deltas:
        yield delta


def both(count, deltas, *, include_usage=True):
    """The whole answer and the chunks."""

    async def collect():
        completion = Completion("tiny", 7, tuple(range(count)), logprobs=True, include_usage=include_usage)
        return await completion.result(replay(deltas)), [chunk async for chunk in completion.chunks(replay(deltas))]

    return asyncio.run(collect())


@given(answer=answers())
def test_the_chunks_add_up_to_the_whole(answer):
    whole, chunks = both(*answer)
    for choice in whole["choices"]:
        own = [c for chunk in chunks for c in chunk["choices"] if c["index"] == choice["index"]]
        assert "".join(c["delta"].get("content", "") for c in own) == choice["message"]["content"]
        assert [e for c in own if c["logprobs"] for e in c["logprobs"]["content"]] == choice["logprobs"]["content"]
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
        assert all(delta.keys() == {"content"} for delta in own[1:-1])


@given(answer=answers(), include_usage=st.booleans())
def test_usage_counts_the_prompt_once_and_comes_in_one_last_chunk_if_asked_for(answer, include_usage):
    whole, chunks = both(*answer, include_usage=include_usage)
    drawn = sum(delta.tokens for delta in answer[1])
    assert whole["usage"] == {
        "prompt_tokens": 7, "completion_tokens": drawn, "total_tokens": 7 + drawn,
        "prompt_tokens_details": {"cached_tokens": answer[1][0].cached_tokens},
    }  # fmt: skip
    assert [chunk["usage"] is not None for chunk in chunks] == [False] * (len(chunks) - include_usage) + [
        True
    ] * include_usage
    assert all(chunk["choices"] for chunk in chunks if chunk["usage"] is None)
