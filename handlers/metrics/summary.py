"""A Prometheus summary with quantiles, which the client library's own has not."""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator

import numpy as np
from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

QUANTILES = (0.5, 0.9, 0.99)


class SlidingSummary(Collector):
    """Sum and count of all values, and quantiles of the recent ones. May be used from any thread.

    seconds: how long a value is recent. most: how many recent values are kept; older ones make room, so that memory is
    bounded (8 times `most` numbers). clock: monotonic, in seconds.
    """

    def __init__(
        self,
        name: str,
        documentation: str,
        registry: CollectorRegistry,
        *,
        seconds: float = 600,
        most: int = 8192,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._name, self._documentation = name, documentation
        self._seconds, self._clock = seconds, clock
        self._recent: deque[tuple[float, int]] = deque(maxlen=most)
        self._count = self._sum = 0
        self._lock = threading.Lock()
        registry.register(self)

    def observe(self, value: int) -> None:
        """Adds a value, in the unit that the documentation of the summary names."""
        with self._lock:
            self._recent.append((self._clock(), value))
            self._count += 1
            self._sum += value

    def collect(self) -> Iterator[Metric]:
        """The summary with its quantiles, sum and count; a quantile of no values is NaN, as Prometheus has it."""
        with self._lock:
            values, count, total = self._values(), self._count, self._sum
        metric = Metric(self._name, self._documentation, "summary")
        for quantile, value in zip(QUANTILES, _quantiles(values), strict=True):
            metric.add_sample(self._name, {"quantile": str(quantile)}, value)
        metric.add_sample(f"{self._name}_sum", {}, float(total))
        metric.add_sample(f"{self._name}_count", {}, float(count))
        yield metric

    def _values(self) -> list[int]:
        """The recent values; forgets the others."""
        oldest = self._clock() - self._seconds
        while self._recent and self._recent[0][0] < oldest:
            self._recent.popleft()
        return [value for _, value in self._recent]


def _quantiles(values: list[int]) -> list[float]:
    """Each is one of the values: the least that is not below the wanted share of all."""
    if not values:
        return [float("nan")] * len(QUANTILES)
    found: list[float] = np.quantile(np.array(values, float), QUANTILES, method="inverted_cdf").tolist()
    return found
