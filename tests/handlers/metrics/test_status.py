"""The status line: there while the engine works, once when it stops working, and never otherwise."""

import asyncio
import logging
import re
from dataclasses import replace
from functools import partial
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers.metrics import Metrics
from handlers.metrics.engine import NOTHING
from handlers.metrics.status import ThroughputMeter, log_status

LOOKS = st.lists(
    st.tuples(st.integers(0, 4), st.integers(0, 4), st.sampled_from([0, 0, 7, 1000]), st.sampled_from([0, 0, 3, 500])),
    max_size=12,
)


def figures(looks):
    """The engine's figures after each: (running, waiting, prompt tokens, output tokens) since the one before."""
    prompt = output = cached = 0
    for running, waiting, new_prompt, new_output in looks:
        prompt, output, cached = prompt + new_prompt, output + new_output, cached + new_prompt // 2
        yield replace(NOTHING, rows=4, running=running, waiting=waiting, pages=8, pages_used=running,
                      prompt_tokens=prompt, cached_tokens=cached, output_tokens=output)  # fmt: skip


@given(looks=LOOKS)
def test_a_line_for_each_interval_with_work_and_one_for_the_first_without(looks):
    meter, told = ThroughputMeter(0.0), []
    for number, stats in enumerate(figures(looks)):
        told.append(meter.update(stats, 10.0 * (number + 1)).worth_telling)
    busy = [running + waiting > 0 for running, waiting, _, _ in looks]
    moved = [prompt + output > 0 for _, _, prompt, output in looks]
    was_busy = [False, *busy][: len(busy)]
    assert told == [any(three) for three in zip(busy, moved, was_busy, strict=True)]


@given(looks=LOOKS, seconds=st.floats(0.01, 100))
def test_rates_times_time_are_the_totals(looks, seconds):
    meter, prompt, output = ThroughputMeter(5.0), 0.0, 0.0
    for number, stats in enumerate(figures(looks)):
        interval = meter.update(stats, 5.0 + seconds * (number + 1))
        prompt, output = prompt + interval.prompt_rate * seconds, output + interval.output_rate * seconds
        assert (prompt, output) == pytest.approx((stats.prompt_tokens, stats.output_tokens))
        new = looks[number][2]
        assert interval.hit_rate == (new // 2 / new if new else None)


def test_the_line_says_what_an_operator_asks_first():
    stats = replace(NOTHING, running=3, waiting=12, pages=200, pages_used=74, prompt_tokens=12340, cached_tokens=6170)
    assert str(ThroughputMeter(0.0).update(replace(stats, output_tokens=455), 10.0)) == (
        "running 3, waiting 12; 1,234.0 prompt and 45.5 output tokens/s; cache 37% in use, prefix hits 50%"
    )


async def test_lines_and_gauges_follow_the_engine_until_it_is_cancelled(caplog):
    looks = [(0, 0, 0, 0), (2, 1, 100, 50), (1, 0, 0, 20), (0, 0, 0, 0), (0, 0, 0, 0), (0, 0, 0, 0)]
    stats, rates, done = figures(looks), [], asyncio.Event()
    times = iter([0.0, *(2.0 * number for number in range(1, 9))])

    def next_stats():
        rates.append(metrics.registry.get_sample_value("jaxchat_output_tokens_per_second"))
        found = next(stats, None)
        if found is None:
            done.set()
        return found

    metrics = Metrics(lambda: None)
    metrics.stats = next_stats
    with caplog.at_level(logging.INFO, "handlers.metrics.status"):
        service = SimpleNamespace(metrics=metrics)
        task = asyncio.create_task(log_status(service, seconds=0.001, clock=lambda: next(times)))
        await done.wait()
        task.cancel()
        assert isinstance((await asyncio.gather(task, return_exceptions=True))[0], asyncio.CancelledError)
    assert [re.match(r"running \d", line).group() for line in caplog.messages] == [
        "running 2",
        "running 1",
        "running 0",
    ]
    assert rates == [0, 0, 25, 10, 0, 0, 0]


def test_an_application_logs_its_status_while_it_runs_and_stops_with_it(fakes, caplog, monkeypatch):
    monkeypatch.setattr("handlers.app.log_status", partial(log_status, seconds=0.05))
    body = {"messages": [{"role": "user", "content": "Hi"}], "seed": 4}
    with caplog.at_level(logging.INFO, "handlers.metrics.status"), fakes.connected(fakes.Engine(delay=0.02)) as app:
        fakes.wait_until(lambda: app.service.status == "ready")
        assert app.client.post("/v1/chat/completions", json=body).status_code == 200
        fakes.wait_until(lambda: any("running 0" in line for line in caplog.messages))
        seen = len(caplog.messages)
    assert any("running 1, waiting 0; " in line for line in caplog.messages) and len(caplog.messages) == seen
