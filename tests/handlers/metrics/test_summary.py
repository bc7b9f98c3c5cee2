"""Summaries: quantiles of recent values, in bounded memory."""

import threading

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from handlers.metrics.summary import SlidingSummary


@given(
    data=st.lists(st.tuples(st.floats(0, 5), st.integers(0, 10**15)), max_size=60),
    seconds=st.floats(0.5, 20), most=st.integers(1, 20), wait=st.floats(0, 10),
)  # fmt: skip
def test_quantiles_are_of_the_recent_values_and_sums_of_all(data, seconds, most, wait):
    now, seen = [100.0], []
    summary = SlidingSummary("s", "", CollectorRegistry(), seconds=seconds, most=most, clock=lambda: now[0])
    for pause, value in data:
        now[0] += pause
        seen.append((now[0], value))
        summary.observe(value)
    now[0] += wait
    (metric,) = summary.collect()
    recent = sorted(value for time, value in seen[-most:] if time >= now[0] - seconds)
    for sample in metric.samples[:3]:
        share = float(sample.labels["quantile"])
        if not recent:
            assert sample.value != sample.value
            continue
        assert sample.value in recent
        assert sum(value <= sample.value for value in recent) >= share * len(recent) - 1e-9
        assert sum(value < sample.value for value in recent) < share * len(recent) + 1e-9
    total, count = metric.samples[3:]
    assert (total.name, total.value) == ("s_sum", float(sum(value for _, value in seen)))
    assert (count.name, count.value) == ("s_count", len(seen))


def test_a_summary_takes_values_from_many_threads():
    summary = SlidingSummary("s", "", CollectorRegistry(), most=64)
    threads = [threading.Thread(target=lambda: [summary.observe(2) for _ in range(500)]) for _ in range(8)]
    for thread in threads:
        thread.start()
    for _ in range(50):
        list(summary.collect())
    for thread in threads:
        thread.join()
    (metric,) = summary.collect()
    assert [sample.value for sample in metric.samples] == [2, 2, 2, 8000, 4000]
