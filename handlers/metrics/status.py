"""One line in the log every ten seconds while the engine works, and nothing while it does not."""

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from backend import EngineStats
from handlers.metrics import Metrics
from handlers.metrics.engine import NOTHING, cache_use

logger = logging.getLogger(__name__)
SECONDS = 10.0


class Measured(Protocol):
    """A service that has metrics."""

    metrics: Metrics


async def log_status(
    service: Measured, *, seconds: float = SECONDS, clock: Callable[[], float] = time.monotonic
) -> None:
    """Logs a line at level info after every interval in which there was work, and one when there is none any more.

    Also sets the gauges of tokens per second. Runs until it is cancelled. clock: monotonic, in seconds.
    """
    metrics, meter = service.metrics, ThroughputMeter(clock())
    while True:
        await asyncio.sleep(seconds)
        interval = meter.update(metrics.stats() or NOTHING, clock())
        metrics.prompt_rate.set(interval.prompt_rate)
        metrics.output_rate.set(interval.output_rate)
        if interval.worth_telling:
            logger.info("%s", interval)


@dataclass(frozen=True)
class Interval:
    """What the engine did between two looks at it, and its state at the second.

    prompt_rate, output_rate: tokens per second. hit_rate: share of the prompt tokens that were in the cache, None where
    there were none. worth_telling: something happened, or ended.
    """

    stats: EngineStats
    prompt_rate: float
    output_rate: float
    hit_rate: float | None
    worth_telling: bool

    def __str__(self) -> str:
        hits = "none" if self.hit_rate is None else f"{self.hit_rate:.0%}"
        return (
            f"running {self.stats.running}, waiting {self.stats.waiting}; "
            f"{self.prompt_rate:,.1f} prompt and {self.output_rate:,.1f} output tokens/s; "
            f"cache {cache_use(self.stats):.0%} in use, prefix hits {hits}"
        )


class ThroughputMeter:
    """Makes rates of the engine's figures at one moment and the next. now: seconds of a monotonic clock."""

    def __init__(self, now: float) -> None:
        self._before, self._then = NOTHING, now
        self._worked = False

    def update(self, stats: EngineStats, now: float) -> Interval:
        """What the engine did between the last call, or the start, and now."""
        before, seconds = self._before, now - self._then
        prompt, output = stats.prompt_tokens - before.prompt_tokens, stats.output_tokens - before.output_tokens
        cached = stats.cached_tokens - before.cached_tokens
        works = stats.running + stats.waiting > 0
        interval = Interval(
            stats=stats,
            prompt_rate=prompt / seconds,
            output_rate=output / seconds,
            hit_rate=cached / prompt if prompt else None,
            worth_telling=works or self._worked or prompt + output > 0,
        )
        self._before, self._then, self._worked = stats, now, works
        return interval
