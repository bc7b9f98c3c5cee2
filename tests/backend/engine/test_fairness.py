"""Rows go round and prompts one chunk at a time: nobody waits for long, whatever the others ask for."""

import asyncio
import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.backend.engine.conftest import VOCAB, request
from tests.backend.engine.scenarios import FREE, LENGTH, SMALLEST, exact, recorded, running, varied

SHAPES = (FREE.prefill_shapes, ((1, 8), (1, 32)), ((1, 8),), ((1, 32),))
STEM = random.Random(0).choices(range(VOCAB), k=64)
prompts = st.lists(st.integers(0, VOCAB - 1), min_size=1, max_size=80)


@settings(max_examples=10)
@given(late=st.lists(prompts, min_size=1, max_size=3), shapes=st.sampled_from(SHAPES))
def test_a_prompt_never_delays_a_running_stream_by_more_than_one_chunk(small, late, shapes):
    noting, calls = recorded(varied(small, prefill_shapes=shapes, max_steps=2))

    async def run() -> list[int]:
        """The number of dispatches at each event of a stream during which others come."""
        stream, times = engine.submit(request([5], max_tokens=90)), []
        others = []
        async for _ in stream:
            times.append(len(calls))
            if len(times) == 4:
                others = [engine.submit(request(prompt, max_tokens=2)) for prompt in late]
        for other in others:
            assert [event async for event in other]
        return times

    with running(noting) as engine:
        times = asyncio.run(run())
    most = max(rows * size for rows, size in shapes)
    begin = next(i for i, call in enumerate(calls) if not call.prefilled)
    end = times[-1]
    delay = 0
    for call in calls[begin:end]:
        delay = delay + call.prefilled if call.prefilled else 0
        assert delay <= most
    assert sum(call.prefilled for call in calls[begin:end]) >= sum(len(prompt) - 1 for prompt in late)


@pytest.mark.parametrize("behind", [False, True])
def test_a_block_takes_no_longer_than_it_should_once_steps_are_known(small, behind):
    slow, calls = recorded(varied(small, block_seconds=0.2, read_behind=behind), step_seconds=0.06)
    with running(slow) as engine:
        assert len(engine.generate(request([5], max_tokens=40))) == 40
    steps = [call.steps for call in calls if call.shape is None]
    assert steps[0] == 1
    assert max(steps) in (2, 3)


@pytest.mark.parametrize("behind", [False, True])
def test_the_first_token_of_an_answer_does_not_wait_for_others_of_its_block(small, behind):
    noting, calls = recorded(varied(small, block_seconds=60.0, max_steps=4, read_behind=behind))
    with running(noting) as engine:
        engine.measure()
        calls.clear()
        for prompt in ([5], [6, 7]):
            assert len(engine.generate(request(prompt, max_tokens=9))) == 9
    steps = [call.steps for call in calls if call.shape is None]
    first, second = (index for index, count in enumerate(steps) if count == 1)
    assert first == 0 and set(steps[1:second]) == set(steps[second + 1 :]) == {4}


@pytest.mark.parametrize("many_clients", [False, True])
@pytest.mark.parametrize("deterministic", [False, True])
def test_newcomers_do_not_starve_one_who_needs_most_of_the_pool(small, deterministic, many_clients):
    """Each newcomer is followed by the next at once, so that rows and pages are never idle."""
    beginnings: list[str] = []

    async def short(name: str, seed: int) -> None:
        asked = request([seed % VOCAB, 1, 2], (seed,), max_tokens=20)
        generation = engine.submit(replace(asked, client=f"client {seed}" if many_clients else None))
        output = [event async for event in generation]
        assert len(output) == 20 and generation.admission is not None
        beginnings.append(name)

    async def newcomers(came: asyncio.Event, seed: int) -> None:
        for i in range(20):
            await short("after" if came.is_set() else "before", seed + i)
            if len(beginnings) >= 12:
                crowded.set()

    async def long(came: asyncio.Event) -> None:
        await crowded.wait()
        generation = engine.submit(request(STEM, max_tokens=LENGTH - len(STEM)))
        came.set()
        async for _ in generation:
            beginnings.append("long")
            break
        await generation.aclose()

    async def everybody() -> None:
        came = asyncio.Event()
        await asyncio.wait_for(asyncio.gather(*(newcomers(came, 100 * i) for i in range(6)), long(came)), 60)

    crowded = asyncio.Event()
    with running(varied(small, pages=SMALLEST + 4, **exact(8) if deterministic else {})) as engine:
        asyncio.run(everybody())
    late = beginnings[: beginnings.index("long")].count("after")
    assert late <= 6, "of those who came after it, at most one each"
