"""The metrics of one service, and their text."""

import re
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, version

from prometheus_client import CollectorRegistry, Gauge, ProcessCollector, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from backend import EngineStats
from handlers.metrics.engine import EngineCollector
from handlers.metrics.instruments import RequestInstruments
from handlers.metrics.loop import LoopLag
from handlers.metrics.request import RequestMetrics

BARE = re.compile(rb"(friendli_failure_by_[a-z_]+?)_total\b")


class Metrics:
    """All metrics of one service: those of its requests and of its engine.

    stats: gives the engine's figures, None while there is no engine. Each request is counted through
    its own `RequestMetrics`.
    """

    def __init__(self, stats: Callable[[], EngineStats | None]) -> None:
        self.stats = stats
        self.registry = registry = CollectorRegistry()
        self.requests = RequestInstruments(registry)
        self.loop_lag = LoopLag(registry)
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

    def request(self, items: int) -> RequestMetrics:
        """Begins to count a request of `items` choices that arrives now."""
        return RequestMetrics(self.requests, items)

    def text(self) -> bytes:
        """All metrics in Prometheus' text format 0.0.4.

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
