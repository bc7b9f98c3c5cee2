"""How long the event loop is held: everything that is answered waits for it."""

import asyncio
import time

from prometheus_client import CollectorRegistry, Histogram

SECONDS = 0.05
BUCKETS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class LoopLag:
    """A distribution of how much too late a timer of the event loop comes. registry: where Prometheus finds it."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._late = Histogram(
            "jaxchat_event_loop_lag_seconds",
            "Seconds by which a timer of the event loop came too late, which whatever is answered waits too",
            buckets=BUCKETS,
            registry=registry,
        )

    async def watch(self) -> None:
        """Looks every SECONDS, until it is cancelled."""
        while True:
            due = time.monotonic() + SECONDS
            await asyncio.sleep(SECONDS)
            self._late.observe(max(0.0, time.monotonic() - due))
