"""The engine's own figures as metrics, read when they are asked for."""

from collections.abc import Callable, Iterator
from dataclasses import fields

from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from backend import EngineStats

Figure = Callable[[EngineStats], float]
NOTHING = EngineStats(**dict.fromkeys((field.name for field in fields(EngineStats)), 0))
"""The figures of a service whose model is still being loaded."""


def cache_use(stats: EngineStats) -> float:
    """Share of the cache's pages that running choices hold, 0 to 1; 0 where there is no cache."""
    return stats.pages_used / stats.pages if stats.pages else 0.0


GAUGES: dict[str, tuple[str, Figure]] = {
    "friendli_current_items": ("Choices in the engine, decoded or waiting", lambda s: s.running + s.waiting),
    "friendli_current_assigned_items": ("Choices that hold a row of the batch", lambda s: s.running),
    "friendli_current_waiting_items": ("Choices that wait for a row of the batch", lambda s: s.waiting),
    "jaxchat_rows": ("Choices that can be decoded at the same time", lambda s: s.rows),
    "jaxchat_rows_running": ("Rows that are held by a choice", lambda s: s.running),
    "jaxchat_choices_waiting": ("Choices without a row yet", lambda s: s.waiting),
    "jaxchat_pages": ("Pages of the key-value cache", lambda s: s.pages),
    "jaxchat_page_tokens": ("Positions in a page", lambda s: s.page_tokens),
    "jaxchat_pages_used": ("Pages held by running choices", lambda s: s.pages_used),
    "jaxchat_pages_cached": ("Pages kept for reuse and held by nobody", lambda s: s.pages_cached),
    "jaxchat_adapters": ("Adapters that requests may name", lambda s: s.adapters),
    "jaxchat_adapter_slots": ("Adapters that the device holds at most", lambda s: s.adapter_slots),
    "jaxchat_adapters_resident": ("Adapters that the device holds", lambda s: s.adapters_resident),
    "jaxchat_adapter_memory_bytes": ("Memory that adapters take beside the device", lambda s: s.adapter_bytes),
    "jaxchat_cache_use_ratio": ("Share of the pages held by running choices, 0 to 1", cache_use),
}
COUNTERS: dict[str, tuple[str, Figure]] = {
    "jaxchat_prompt_tokens": ("Prompt tokens of admitted requests", lambda s: s.prompt_tokens),
    "jaxchat_cached_tokens": ("Of these, found in the cache", lambda s: s.cached_tokens),
    "jaxchat_output_tokens": ("Tokens drawn", lambda s: s.output_tokens),
    "jaxchat_decode_steps": ("Decoding steps, each of all running rows", lambda s: s.steps),
    "jaxchat_dispatches": ("Decode programs run, each of several steps", lambda s: s.dispatches),
    "jaxchat_preemptions": ("Choices that gave up their pages and were computed again", lambda s: s.preemptions),
    "jaxchat_adapters_placed": ("Adapters put on the device, each time that they were", lambda s: s.adapters_placed),
    "jaxchat_adapters_read": ("Adapters read from their files, each time that they were", lambda s: s.adapters_read),
    "jaxchat_compilations": ("Programs compiled since the start; more than 0 is a fault", lambda s: s.compilations),
}


class EngineCollector(Collector):
    """The engine's figures as the gauges `GAUGES` and the counters `COUNTERS`.

    stats: gives the figures, None while there is no engine. registry: where Prometheus finds them.
    """

    def __init__(self, stats: Callable[[], EngineStats | None], registry: CollectorRegistry) -> None:
        self._stats = stats
        registry.register(self)

    def collect(self) -> Iterator[Metric]:
        """The metrics with one sample each, all of one snapshot, so that they fit together."""
        stats = self._stats() or NOTHING
        for name, (documentation, figure) in GAUGES.items():
            yield GaugeMetricFamily(name, documentation, value=figure(stats))
        for name, (documentation, figure) in COUNTERS.items():
            yield CounterMetricFamily(name, documentation, value=figure(stats))
