"""The metrics of one service, and their text."""

import re
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, version

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from backend.engine.stats import EngineStats
from handlers.metrics.engine import EngineCollector
from handlers.metrics.summary import SlidingSummary
from handlers.metrics.tally import FAILURES, Failure, Tally

SHARES = [tenth / 10 for tenth in range(11)]
LENGTHS = [2.0**power for power in range(18)]  # up to 131,072 tokens
BARE = re.compile(rb"(friendli_failure_by_[a-z_]+?)_total\b")


class Metrics:
    """What is counted of requests, beside the engine's figures.

    stats: gives the engine's figures, None while there is no engine. Each request is counted through its own tally.
    """

    def __init__(self, stats: Callable[[], EngineStats | None]) -> None:
        self.stats = stats
        self.registry = registry = CollectorRegistry()
        self.requests = Counter("friendli_requests", "Requests taken in, without those answered 4xx", registry=registry)
        self.items = Counter("friendli_items", "Choices asked for by these requests", registry=registry)
        self.responses = Counter("friendli_responses", "Requests answered to their end", registry=registry)
        self.failures: dict[Failure, Counter] = {
            failure: Counter(name, documentation, registry=registry)
            for failure, (name, documentation) in FAILURES.items()
        }
        self.current_requests = Gauge(
            "friendli_current_requests", "Requests being prepared, waiting or decoded", registry=registry
        )
        self.tcache_hit_ratio = Histogram(
            "friendli_tcache_hit_ratio", "Share of a prompt found in the cache", buckets=SHARES, registry=registry
        )
        self.input_lengths = Histogram(
            "friendli_input_lengths", "Tokens of a request's prompt", buckets=LENGTHS, registry=registry
        )
        self.output_lengths = Histogram(
            "friendli_output_lengths", "Tokens drawn for a choice", buckets=LENGTHS, registry=registry
        )
        self.latencies = SlidingSummary(
            "friendli_requests_latencies", "Nanoseconds from a request to the end of its answer", registry
        )
        self.ttft = SlidingSummary(
            "friendli_requests_ttft", "Nanoseconds from a request to the first text of its answer", registry
        )
        self.queueing_delays = SlidingSummary(
            "friendli_requests_queueing_delays", "Nanoseconds from a request to the reading of its prompt", registry
        )
        self.prompt_rate = Gauge(
            "jaxchat_prompt_tokens_per_second",
            "Prompt tokens admitted, in the last interval of 10 s",
            registry=registry,
        )
        self.output_rate = Gauge(
            "jaxchat_output_tokens_per_second", "Tokens drawn, in the last interval of 10 s", registry=registry
        )
        engine = Gauge("friendli_engine_version", "1, with the version as a label", ["version"], registry=registry)
        engine.labels(version=_version()).set(1)
        EngineCollector(stats, registry)
        ProcessCollector(registry=registry)

    def tally(self, items: int) -> Tally:
        """For a request of so many choices that arrives now."""
        return Tally(self, items)

    def text(self) -> bytes:
        """All of it in Prometheus' text format 0.0.4.

        The library puts `_total` behind every counter's name; the contract's counters of failures are without.
        """
        return BARE.sub(rb"\1", generate_latest(_WithoutCreationTimes(self.registry)))


def _version() -> str:
    """Of the installed package; a checkout that is not installed has none."""
    try:
        return version("jaxchat")
    except PackageNotFoundError:
        return "unknown"


class _WithoutCreationTimes(Collector):
    """A registry without the `_created` series, which the library adds to every counter and histogram."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry

    def collect(self) -> Iterator[Metric]:
        for metric in self._registry.collect():
            metric.samples = [sample for sample in metric.samples if not sample.name.endswith("_created")]
            yield metric
