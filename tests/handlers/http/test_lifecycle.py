"""Running requests are counted, refused while the server drains, and ended with an error wherever they are."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers.http.errors import APIError
from handlers.http.lifecycle import ActiveRequests

ERROR = APIError(503, "over")
PATHS = ("/v1/chat/completions", "/v1/models", "/ui/", "/nothing")


async def turns(count=3):
    for _ in range(count):
        await asyncio.sleep(0)


@given(st.lists(st.sampled_from(["runs", "returns", "fails", "left", "stubborn"]), max_size=8))
def test_every_request_that_still_runs_gets_the_error_and_no_other_does(kinds):
    async def work(kind):
        if kind == "fails":
            raise ValueError
        try:
            await asyncio.sleep(0 if kind == "returns" else 60)
        finally:
            if kind == "stubborn":
                await asyncio.sleep(0)  # frees what it holds

    async def run():
        requests = ActiveRequests()
        tasks = [asyncio.create_task(requests.answer(work(kind))) for kind in kinds]
        await turns()
        for task, kind in zip(tasks, kinds, strict=True):
            if kind == "left":
                task.cancel()
        await turns()
        assert len(requests) == sum(kind in ("runs", "stubborn") for kind in kinds)
        requests.end(ERROR)
        requests.end(APIError(500, "too late to be heard"))
        await asyncio.wait_for(requests.finished(), 5)
        assert len(requests) == 0
        return [None if task.cancelled() else task.exception() for task in tasks], [task.cancelled() for task in tasks]

    errors, cancelled = asyncio.run(run())
    for kind, error, was_cancelled in zip(kinds, errors, cancelled, strict=True):
        assert was_cancelled == (kind == "left")
        assert (error is ERROR) == (kind in ("runs", "stubborn"))
        assert isinstance(error, ValueError) == (kind == "fails")


def test_a_request_that_was_ended_can_still_wait_to_tell_its_client():
    async def run():
        requests = ActiveRequests()

        async def answer():
            with pytest.raises(APIError):
                await requests.answer(asyncio.sleep(60))
            await asyncio.sleep(0.01)
            return "told"

        task = asyncio.create_task(answer())
        await turns()
        requests.end(ERROR)
        await requests.finished()
        return task.done() and task.result()

    assert asyncio.run(run()) == "told"


def test_while_draining_everything_but_health_is_refused_also_what_would_be_an_error(fakes):
    with fakes.connected() as app:
        app.service.drain()
        for path in PATHS:
            response = app.client.post(path, content=b"not JSON")
            assert response.status_code == 503 and response.json()["error"]["code"] == "draining"
            assert int(response.headers["retry-after"]) > 0 and response.headers["connection"] == "close"
        health = app.client.get("/health")
        assert health.status_code == 503 and health.json()["status"] == "draining" and "retry-after" in health.headers
