"""First come, first served, one chunk at a time: nobody waits for long, whatever the others ask for."""

import asyncio
import copy
import random
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.engine.programs import Programs
from tests.backend.engine.conftest import VOCAB, request
from tests.backend.engine.visits import FREE, LENGTH, SMALLEST, exact, running, varied

SHAPES = (FREE.prefill_shapes, ((1, 8), (1, 32)), ((1, 8),), ((1, 32),))
STEM = random.Random(0).choices(range(VOCAB), k=64)
prompts = st.lists(st.integers(0, VOCAB - 1), min_size=1, max_size=80)


@dataclass(frozen=True)
class Dispatch:
    """A call of a program: how many prompt tokens it computes, padding included; 0 for decoding."""

    prefilled: int


def recorded(programs: Programs) -> tuple[Programs, list[Dispatch]]:
    """The same programs; the list grows with every dispatch of a decode or prefill program."""
    calls: list[Dispatch] = []
    noting = copy.copy(programs)

    def prefill(state, shape, pieces):
        calls.append(Dispatch(shape[0] * shape[1]))
        return programs.prefill(state, shape, pieces)

    def decode(*args, **kwargs):
        calls.append(Dispatch(0))
        return programs.decode(*args, **kwargs)

    noting.prefill, noting.decode = prefill, decode
    return noting, calls


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


@given(length=st.integers(1, LENGTH - 1), shapes=st.sampled_from(SHAPES))
@settings(max_examples=20)
def test_a_prompt_costs_little_more_than_its_tokens(small, length, shapes):
    """Padding at most doubles it, but for the smallest program there is."""
    noting, calls = recorded(varied(small, prefill_shapes=shapes))
    with running(noting) as engine:
        engine.generate(request([i % VOCAB for i in range(length)], max_tokens=1))
    computed = sum(call.prefilled for call in calls)
    assert length - 1 <= computed <= 2 * (length - 1) + shapes[0][1]


@pytest.mark.parametrize("deterministic", [False, True])
def test_newcomers_do_not_starve_one_who_needs_most_of_the_pool(small, deterministic):
    """Each newcomer is followed by the next at once, so that rows and pages are never idle."""
    beginnings: list[str] = []

    async def short(name: str, seed: int) -> None:
        generation = engine.submit(request([seed % VOCAB, 1, 2], (seed,), max_tokens=20))
        drawn = [event async for event in generation]
        assert len(drawn) == 20 and generation.admission is not None
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
