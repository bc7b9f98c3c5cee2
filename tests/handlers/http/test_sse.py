"""Event streams: one event per chunk, `[DONE]` only at a good end, pings in silence, and always closed."""

import asyncio

import pytest

from handlers.http import sse
from handlers.http.sse import UNNAMED_EVENTS, Comment, Event, EventStream, Framing, events

PING, DONE = b": ping\n\n", b"data: [DONE]\n\n"


async def items(*values, delay=0.0, error=None):
    for value in values:
        await asyncio.sleep(delay)
        yield value
    if error:
        raise error


def collect(source):
    async def run():
        return [item async for item in source]

    return asyncio.run(run())


def test_each_chunk_is_an_event_and_done_is_the_last():
    assert collect(events(items({"a": "b\nc"}, {"d": "é"}), DONE)) == [
        b'data: {"a":"b\\nc"}\n\n',
        'data: {"d":"é"}\n\n'.encode(),
        DONE,
    ]


def test_a_failure_of_the_chunks_comes_after_them_and_instead_of_done():
    sent = []

    async def run():
        async for event in events(items({"a": 1}, error=ValueError("inside")), DONE):
            sent.append(event)

    with pytest.raises(ValueError, match="inside"):
        asyncio.run(run())
    assert sent == [b'data: {"a":1}\n\n']


def test_events_may_have_names_and_an_api_its_own_end():
    assert collect(events(items(Event("a", {"n": 1}), Comment("said"), {"n": 2}), b"")) == [
        b'event: a\ndata: {"n":1}\n\n',
        b": said\n\n",
        b'data: {"n":2}\n\n',
    ]


def bodies(chunks, slow_send=0.0, framing=UNNAMED_EVENTS):
    """What a stream of these chunks sends after its headers."""
    sent = []

    async def send(message):
        sent.append(message)
        await asyncio.sleep(slow_send)

    async def receive():
        await asyncio.sleep(60)

    async def close():
        pass

    asyncio.run(
        EventStream(chunks, close, {}, framing)({"type": "http", "asgi": {"spec_version": "2.3"}}, receive, send)
    )
    assert sent[0]["type"] == "http.response.start"
    assert [message["more_body"] for message in sent[1:]] == [True] * (len(sent) - 2) + [False]
    return [message["body"] for message in sent[1:]]


def test_silence_is_filled_with_pings_before_the_first_event_too(monkeypatch):
    monkeypatch.setattr(sse, "PING_SECONDS", 0.02)
    got = bodies(items({"n": 1}, {"n": 2}, delay=0.1))
    assert [body for body in got if body != PING] == [b'data: {"n":1}\n\n', b'data: {"n":2}\n\n', DONE, b""]
    assert got.count(PING) >= 4 and got[0] == PING and got[-2] == DONE


def test_an_api_has_its_own_pings_and_no_end(monkeypatch):
    monkeypatch.setattr(sse, "PING_SECONDS", 0.02)
    got = bodies(items({"n": 1}, delay=0.1), framing=Framing(b"event: ping\n\n", b""))
    assert set(got) == {b"event: ping\n\n", b'data: {"n":1}\n\n', b""} and got[-2:] == [b'data: {"n":1}\n\n', b""]


def test_nothing_follows_the_end_to_a_client_that_reads_slowly(monkeypatch):
    monkeypatch.setattr(sse, "PING_SECONDS", 0.01)
    assert bodies(items({"n": 1}), slow_send=0.05)[-2:] == [DONE, b""]


def test_without_silence_there_are_no_pings():
    assert bodies(items({"n": 1}, {"n": 2})) == [b'data: {"n":1}\n\n', b'data: {"n":2}\n\n', DONE, b""]


def test_pings_come_often_enough_for_clients_that_wait_five_seconds():
    assert sse.PING_SECONDS <= 4


@pytest.mark.parametrize("leaves_after", [0, 1, 3])
def test_the_generation_is_closed_when_the_client_leaves(leaves_after):
    """The client is gone once it has had this many messages: before the headers, before the first chunk, in between."""
    closed = []

    async def close():
        await asyncio.sleep(0.001)  # an await that a task still being cancelled would not survive
        closed.append(True)

    async def run():
        sent, gone = [], asyncio.Event()

        async def send(message):
            sent.append(message)
            if len(sent) > leaves_after:
                gone.set()
                await asyncio.sleep(1)

        async def receive():
            await gone.wait()
            return {"type": "http.disconnect"}

        scope = {"type": "http", "asgi": {"spec_version": "2.3"}}
        chunks = items(*[{"n": 1}] * 100, delay=0.001)
        await asyncio.wait_for(EventStream(chunks, close, {}, UNNAMED_EVENTS)(scope, receive, send), 5)
        return sent

    assert len(asyncio.run(run())) == leaves_after + 1
    assert closed == [True]


@pytest.mark.parametrize("failing", [False, True])
def test_the_chunks_are_closed_before_the_generation_however_the_stream_ends(failing):
    """Both in the task of the request, which counts as running until they are."""
    order = []

    async def chunks():
        try:
            yield {"n": 1}
            if failing:
                raise ValueError
            await asyncio.sleep(60)
        finally:
            order.append(("chunks", asyncio.current_task()))

    async def close():
        order.append(("generation", asyncio.current_task()))

    async def run():
        sent = asyncio.Event()

        async def send(message):
            if message.get("body"):
                sent.set()

        async def receive():
            await asyncio.sleep(60)

        stream = EventStream(chunks(), close, {}, UNNAMED_EVENTS)
        task = asyncio.create_task(stream({"type": "http", "asgi": {"spec_version": "2.3"}}, receive, send))
        await sent.wait()
        if not failing:
            task.cancel()
        await asyncio.wait({task}, timeout=5)
        return task

    task = asyncio.run(run())
    assert task.done() and [name for name, _ in order] == ["chunks", "generation"] and order[1][1] is task


def test_the_stream_is_not_cached_or_buffered_on_its_way():
    stream = EventStream(items(), lambda: None, {"x-ignored-parameters": "a"}, UNNAMED_EVENTS)
    assert stream.headers["cache-control"] == "no-cache" and stream.headers["x-accel-buffering"] == "no"
    assert (
        stream.headers["content-type"].startswith("text/event-stream") and stream.headers["x-ignored-parameters"] == "a"
    )
