"""A watched generation is closed once, counted once, and ended at its deadline even if nobody reads it."""

import asyncio
from functools import partial

import pytest

from backend.request import Admission, Prompt, SamplingParams
from handlers.formats.parser import OutputParser
from handlers.formats.syntax import Format
from handlers.generation.deltas import Delta
from handlers.generation.monitor import Monitor
from handlers.generation.plan import GenerationPlan
from handlers.http.deadline import Deadline
from handlers.metrics import Metrics
from handlers.tracing import GenerationTrace

PLAN = GenerationPlan(
    Prompt((1, 2, 3, 4)),
    SamplingParams(max_tokens=9, end_tokens=()),
    (0, 1),
    parser=partial(OutputParser, Format(), {}, new_id=str),
)
DELTAS = [Delta(0, "a", tokens=1), Delta(1, "b", tokens=2), Delta(0, tokens=1, finish_reason="stop"),
          Delta(1, tokens=3, finish_reason="length")]  # fmt: skip


class Recorder:
    """A generation that notes what is done to it."""

    def __init__(self):
        self.admission, self.cancelled, self.closes = Admission(0.5, 3), [], 0

    def cancel(self, choice):
        self.cancelled.append(choice)

    async def aclose(self):
        self.closes += 1


async def replay(deltas, error=None):
    for delta in deltas:
        await asyncio.sleep(0)
        yield delta
    if error is not None:
        raise error


class Trace(GenerationTrace):
    """Keeps what it is told."""

    def __init__(self):
        self.started_with, self.ends = [], []

    def started(self, queued_seconds, cached_tokens):
        self.started_with.append((queued_seconds, cached_tokens))

    def ended(self, output_tokens, finish_reasons, error=None):
        self.ends.append((output_tokens, list(finish_reasons), error))


def watched(seconds=None):
    metrics, generation = Metrics(lambda: None), Recorder()
    request_metrics = metrics.request(2)
    request_metrics.accepted(4)
    return metrics, generation, Monitor([PLAN], [generation], request_metrics, Deadline(seconds), Trace())


def value(metrics, name, **labels):
    return metrics.registry.get_sample_value(name, labels)


async def test_a_complete_answer_is_counted_with_the_tokens_of_each_choice():
    metrics, generation, watch = watched()
    assert [delta async for delta in watch.deltas(replay(DELTAS))] == DELTAS
    await watch.aclose()
    assert generation.closes == 1 and generation.cancelled == []
    assert value(metrics, "friendli_responses_total") == 1 and value(metrics, "friendli_current_requests") == 0
    assert value(metrics, "friendli_failure_by_cancel_total") == 0
    assert (value(metrics, "friendli_output_lengths_count"), value(metrics, "friendli_output_lengths_sum")) == (2, 7)
    assert value(metrics, "friendli_output_lengths_bucket", le="2.0") == 1
    assert value(metrics, "friendli_tcache_hit_ratio_sum") == 0.75
    assert value(metrics, "friendli_requests_queueing_delays_sum") == 5e8
    assert watch._trace.started_with == [(0.5, 3)] and watch._trace.ends[0] == (7, ["stop", "length"], None)


@pytest.mark.parametrize("read", [0, 1, 3])
async def test_an_answer_that_is_left_is_counted_as_cancelled(read):
    metrics, generation, watch = watched()
    deltas = watch.deltas(replay(DELTAS))
    for _ in range(read):
        await anext(deltas)
    await deltas.aclose()
    await watch.aclose()
    assert generation.closes == 1 and value(metrics, "friendli_failure_by_cancel_total") == 1
    assert value(metrics, "friendli_responses_total") == 0 and value(metrics, "friendli_current_requests") == 0
    assert value(metrics, "friendli_requests_ttft_count") == (read > 0)
    assert len(watch._trace.started_with) == (read > 0) and watch._trace.ends[0][2] == "cancel"


async def test_a_failure_passes_through_and_is_counted_once():
    metrics, _, watch = watched()
    with pytest.raises(RuntimeError, match="broken"):
        [delta async for delta in watch.deltas(replay(DELTAS[:1], RuntimeError("broken")))]
    await watch.aclose()
    assert value(metrics, "jaxchat_failure_by_error_total") == 1 and watch._trace.ends[0][2] == "error"
    assert value(metrics, "friendli_failure_by_cancel_total") == 0


async def test_the_deadline_ends_all_choices_though_nobody_reads():
    metrics, generation, watch = watched(seconds=0.5)
    await anext(watch.deltas(replay(DELTAS)))
    await asyncio.sleep(0.8)
    assert generation.cancelled == [0, 1] and value(metrics, "friendli_failure_by_timeout_total") == 1
    await watch.aclose()
    assert generation.closes == 1 and value(metrics, "friendli_failure_by_cancel_total") == 0


async def test_after_its_end_nothing_of_it_happens_at_the_deadline():
    metrics, generation, watch = watched(seconds=0.05)
    assert len([delta async for delta in watch.deltas(replay(DELTAS))]) == 4
    await watch.aclose()
    await asyncio.sleep(0.15)
    assert generation.cancelled == [] and value(metrics, "friendli_failure_by_timeout_total") == 0
