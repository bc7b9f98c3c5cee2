"""A request that takes too long ends, with one answer that says so, wherever it is by then."""

import asyncio
import json

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers.http.deadline import Deadline
from handlers.http.errors import APIError, error_body

PATH = "/v1/chat/completions"
BODY = {"messages": [{"role": "user", "content": "Hi"}], "seed": 4, "max_tokens": 31}


async def items(*delays):
    for number, delay in enumerate(delays):
        await asyncio.sleep(delay)
        yield number


def failures(app):
    samples = [sample for metric in app.service.metrics.registry.collect() for sample in metric.samples]
    found = {sample.name: sample.value for sample in samples if "failure_by" in sample.name and sample.value}
    return {name: value for name, value in found.items() if name.endswith("_total")}


def is_timeout(error):
    assert error["code"] == "request_timeout" and error["type"] == "server_error" and "max_tokens" in error["message"]


@given(count=st.integers(0, 20), seconds=st.none() | st.just(60.0))
def test_what_ends_in_time_is_left_as_it_is(count, seconds):
    async def run():
        deadline = Deadline(seconds)
        async with deadline.enforced():
            return [item async for item in deadline.each(items(*[0] * count))]

    assert asyncio.run(run()) == list(range(count))


def test_items_end_at_the_deadline_whether_they_are_late_or_there():
    async def run(*delays, pause=0.0):
        seen = []
        with pytest.raises(APIError) as raised:
            async for item in Deadline(0.1).each(items(*delays)):
                seen.append(item)
                await asyncio.sleep(pause)
        assert raised.value.status == 504
        is_timeout(error_body(raised.value)["error"])
        return seen

    assert asyncio.run(run(0, 0, 60)) == [0, 1]
    assert asyncio.run(run(0, 0, 0, pause=0.15)) == [0]


def test_a_timeout_of_another_kind_is_not_taken_for_this_one():
    async def run():
        async with Deadline(60).enforced():
            raise TimeoutError("another")

    with pytest.raises(TimeoutError, match="another"):
        asyncio.run(run())


def test_the_call_at_the_deadline_happens_once_and_not_if_it_is_called_off():
    async def run():
        calls = []
        Deadline(0.02).call(lambda: calls.append("kept"))
        Deadline(0.02).call(lambda: calls.append("called off"))()
        Deadline(None).call(lambda: calls.append("never"))()
        await asyncio.sleep(0.1)
        return calls

    assert asyncio.run(run()) == ["kept"]


@pytest.fixture
def slow(fakes):
    """Each answer needs 31 times 50 ms, and may take 200."""
    with fakes.connected(fakes.Engine(delay=0.05)) as app:
        app.service.request_timeout = 0.2
        yield app


def test_a_whole_answer_that_takes_too_long_is_504_and_frees_the_engine(slow):
    response = slow.client.post(PATH, json=BODY)
    assert response.status_code == 504 and slow.engine.generations[0].drawn < 31
    is_timeout(response.json()["error"])
    assert slow.engine.generations[0].closed and failures(slow) == {"friendli_failure_by_timeout_total": 1}


def test_a_stream_that_takes_too_long_ends_with_an_error_event_and_frees_the_engine(slow):
    response = slow.client.post(PATH, json={**BODY, "stream": True, "stream_options": {"include_usage": True}})
    *chunks, error, end = response.text.split("\n\n")
    assert response.status_code == 200 and 1 <= len(chunks) <= 4 and end == ""
    is_timeout(json.loads(error.removeprefix("data: "))["error"])
    assert slow.engine.generations[0].closed and failures(slow) == {"friendli_failure_by_timeout_total": 1}


@pytest.mark.parametrize("stream", [False, True])
def test_the_time_that_a_grammar_takes_counts(fakes, stream):
    compiler = fakes.Compiler(delayed=True)
    with fakes.connected(compiler=compiler) as app:
        app.service.request_timeout = 0.1
        response = app.client.post(PATH, json={**BODY, "stream": stream, "response_format": {"type": "json_object"}})
        compiler.go.set()
    assert response.status_code == 504 and app.engine.generations[0].closed
    is_timeout(response.json()["error"])
    assert failures(app) == {"friendli_failure_by_timeout_total": 1}


def test_what_is_answered_in_time_is_not_disturbed(fakes):
    with fakes.connected() as app:
        app.service.request_timeout = 60
        whole = app.client.post(PATH, json=BODY)
        stream = app.client.post(PATH, json={**BODY, "stream": True})
    assert whole.status_code == 200 and stream.text.endswith("data: [DONE]\n\n") and failures(app) == {}


def test_a_request_without_a_limit_may_take_its_time(fakes):
    with fakes.served(fakes.Engine(delay=0.02)) as server:
        assert server.service.request_timeout is None
        assert httpx.post(server.url + PATH, json=BODY).json()["choices"][0]["finish_reason"] == "stop"
