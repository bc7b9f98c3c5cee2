"""A row's tokens depend on nothing but its own request, whatever happens beside it: docs/architecture.md."""

import asyncio
import copy
import threading
import time
from concurrent.futures import Future
from dataclasses import replace

import jax
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.engine.engine import Engine
from backend.grammar import Constraint, Grammar
from backend.grammar.automaton.tables import AutomatonTables
from backend.grammar.compile import compile_constraint
from backend.request import EngineFailed, QueueFull, Request, RequestFailed
from tests.backend.engine.conftest import CONFIG, VOCAB, Small, request, tokens
from tests.backend.engine.scenarios import running, settled

sampling = st.fixed_dictionaries(
    {
        "temperature": st.sampled_from([0.0, 0.7, 1.3]),
        "top_k": st.sampled_from([0, 3, 20]),
        "top_p": st.sampled_from([1.0, 0.8]),
        "min_p": st.sampled_from([0.0, 0.05]),
        "xtc_threshold": st.sampled_from([0.0, 0.1]),
        "xtc_probability": st.sampled_from([0.0, 0.5]),
        "repetition_penalty": st.sampled_from([1.0, 1.3]),
        "frequency_penalty": st.sampled_from([0.0, 0.5]),
        "max_tokens": st.integers(1, 40),
        "end_tokens": st.sampled_from([(), (3, 9)]),
    }
)
requests = st.builds(
    lambda prompt, seeds, params: request(prompt, seeds=tuple(seeds), **params),
    st.lists(st.integers(0, VOCAB - 1), min_size=1, max_size=80),
    st.lists(st.integers(-(2**63), 2**64 - 1), min_size=1, max_size=3),
    sampling,
)


def together(engine: Engine, batch: list[Request], leave_after: dict[int, int]) -> list[list]:
    """The events of requests submitted at once; request i is left after `leave_after[i]` events."""

    async def one(i: int) -> list:
        generation, events = engine.submit(batch[i]), []
        async for event in generation:
            if len(events) >= leave_after.get(i, 10**9):
                break
            events.append(event)
        await generation.aclose()
        return events

    async def all_of_them() -> list[list]:
        return await asyncio.gather(*(one(i) for i in range(len(batch))))

    return asyncio.run(all_of_them())


@settings(max_examples=25)
@given(batch=st.lists(requests, min_size=1, max_size=7), data=st.data())
def test_neighbours_arrivals_and_cancellations_change_no_tokens(small: Small, batch, data):
    leave_after = data.draw(st.dictionaries(st.integers(0, len(batch) - 1), st.integers(0, 20), max_size=3))
    alone = [small.engine.generate(r) for r in batch]
    beside = together(small.engine, batch, leave_after)
    for i, (expected, got) in enumerate(zip(alone, beside, strict=True)):
        for choice in range(len(batch[i].seeds)):
            of_choice = tokens(got, choice)
            whole = tokens(expected, choice)
            assert of_choice == (whole[: len(of_choice)] if i in leave_after else whole)


@given(r=requests)
def test_choices_equal_single_requests_with_their_seeds(small: Small, r):
    events = small.engine.generate(r)
    for choice, seed in enumerate(r.seeds):
        single = small.engine.generate(Request(r.prompt, r.sampling, (seed,)))
        assert tokens(single) == tokens(events, choice)


def test_more_choices_than_rows_all_finish(small: Small):
    events = small.engine.generate(request([4, 5, 6], seeds=tuple(range(20)), temperature=1.0, max_tokens=12))
    assert sorted(event.choice for event in events if event.finish_reason) == list(range(20))
    assert len(events) == 20 * 12
    assert len({tuple(tokens(events, choice)) for choice in range(20)}) > 1


def test_a_cancelled_choice_gives_no_more_and_its_siblings_go_on(small: Small):
    async def run() -> list:
        generation, events = small.engine.submit(request([1, 2, 3], seeds=(1, 2), max_tokens=150)), []
        async for event in generation:
            if not events:
                generation.cancel(0)
            events.append(event)
        return events

    events = asyncio.run(run())
    assert len(tokens(events, 1)) == 150
    assert len(tokens(events, 0)) < 150
    assert tokens(events, 1) == tokens(small.engine.generate(request([1, 2, 3], seeds=(2,), max_tokens=150)))


def test_requests_from_many_threads_all_get_their_own_answer(small: Small):
    expected = {seed: tokens(small.engine.generate(request([seed % VOCAB], seeds=(seed,)))) for seed in range(12)}
    got: dict[int, list[int]] = {}

    def run(seed: int) -> None:
        got[seed] = tokens(small.engine.generate(request([seed % VOCAB], seeds=(seed,))))

    threads = [threading.Thread(target=run, args=(seed,)) for seed in range(12)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert got == expected


def test_nothing_is_compiled_once_the_programs_are(small: Small):
    compiled: list[str] = []
    jax.monitoring.register_event_duration_secs_listener(
        lambda name, seconds, **_: compiled.append(name) if "backend_compile" in name else None
    )
    jax.jit(lambda x: x * 3.25 + 1)(1.0)
    tables: Future[AutomatonTables] = Future()
    tables.set_result(compile_constraint(Constraint("regex", "(ab?){9,}")))
    assert compiled, "the listener sees compilations"
    compiled.clear()
    engine = Engine(small.runner)
    engine.generate(request([1] * 90, seeds=(1, 2, 3, 4, 5), top_logprobs=3, top_p=0.9, max_tokens=30))
    engine.generate(request([1] * 9, seeds=(1, 2), grammar=Grammar("new", tables), max_tokens=30))
    engine.close()
    assert compiled == []


def test_a_full_queue_refuses_and_goes_on(small: Small):
    async def run() -> None:
        generation = small.engine.submit(request([1], seeds=tuple(range(CONFIG.max_queue - 1)), max_tokens=100))
        with pytest.raises(QueueFull):
            small.engine.submit(request([1], seeds=(1, 2)))
        await generation.aclose()
        async for _ in generation:  # ends once the places are free
            pass

    asyncio.run(run())
    assert len(small.engine.generate(request([1], seeds=tuple(range(CONFIG.max_queue)), max_tokens=2))) > 0


def test_a_request_that_cannot_be_started_fails_alone(small: Small):
    """What goes wrong when a row is filled ends its request; neighbours draw as if alone, and all pages are back."""
    batch = [request([i, 2, 3], seeds=(i, i + 9), max_tokens=30) for i in range(5)]
    alone = [small.engine.generate(each) for each in batch]
    runner = copy.copy(small.runner)

    def row_state(asked: Request, *place):
        if asked is batch[2]:
            raise ValueError("no such row")
        return small.runner.row_state(asked, *place)

    async def everybody(engine: Engine) -> list:
        async def one(asked: Request) -> list:
            return [event async for event in engine.submit(asked)]

        return await asyncio.gather(*map(one, batch), return_exceptions=True)

    runner.row_state = row_state
    with running(runner) as engine:
        seen = asyncio.run(everybody(engine))
        settled(engine)
    assert isinstance(seen[2], RequestFailed) and "no such row" in str(seen[2])
    for i in (0, 1, 3, 4):
        assert [tokens(seen[i], choice) for choice in range(2)] == [tokens(alone[i], choice) for choice in range(2)]


def test_a_device_failure_ends_every_request_with_its_reason(small: Small, monkeypatch):
    engine = Engine(small.runner)
    monkeypatch.setattr(
        type(small.runner), "decode", lambda *_, **__: (_ for _ in ()).throw(RuntimeError("out of luck"))
    )
    with pytest.raises(EngineFailed, match="out of luck"):
        engine.generate(request([1]))
    with pytest.raises(EngineFailed, match="out of luck"):
        engine.generate(request([1]))
    assert "out of luck" in (engine.failure or "")


def test_closing_ends_open_requests(small: Small):
    engine = Engine(small.runner)

    async def run() -> None:
        generation = engine.submit(request([1], max_tokens=190))
        await asyncio.to_thread(engine.close)
        with pytest.raises(EngineFailed):
            [event async for event in generation]

    asyncio.run(run())


@pytest.mark.parametrize("error", [MemoryError(), SystemExit(3), KeyboardInterrupt()])
def test_whatever_ends_the_thread_is_told_by_name(small: Small, monkeypatch, error):
    engine = Engine(small.runner)
    monkeypatch.setattr(type(small.runner), "decode", lambda *_, **__: (_ for _ in ()).throw(error))
    with pytest.raises(EngineFailed, match=str(error) or type(error).__name__):
        engine.generate(request([1]))
    assert engine.failure is not None and not engine.failure.endswith(": ")


def test_a_device_that_hangs_is_told_to_everybody_and_does_not_hold_the_end(small: Small, monkeypatch):
    runner, hung, released = small.runner, threading.Event(), threading.Event()
    monkeypatch.setattr(runner, "config", replace(runner.config, stall_seconds=0.5))

    def hang(*_, **__):
        hung.set()
        released.wait(60)
        raise RuntimeError("too late")

    monkeypatch.setattr(type(runner), "decode", hang)
    engine = Engine(runner)
    try:
        with pytest.raises(EngineFailed, match=r"computed for 0\.5 s"):
            engine.generate(request([1]))
        with pytest.raises(EngineFailed, match=r"computed for 0\.5 s"):
            engine.generate(request([1]))
        engine.close()
    finally:
        released.set()
    engine._thread.join(10)
    assert hung.is_set() and "too late" not in (engine.failure or "")


def test_steps_that_end_are_no_stall_however_many(small: Small, monkeypatch):
    runner, decode = small.runner, type(small.runner).decode
    monkeypatch.setattr(runner, "config", replace(runner.config, stall_seconds=0.5))

    def slow(*arguments, **options):
        time.sleep(0.1)
        return decode(*arguments, **options)

    monkeypatch.setattr(type(runner), "decode", slow)
    engine = Engine(runner)
    assert len(engine.generate(request([1], max_tokens=40))) == 40
    time.sleep(0.7)  # idle is no stall
    assert engine.failure is None
    engine.close()
