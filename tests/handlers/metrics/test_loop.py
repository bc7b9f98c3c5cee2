"""What holds the event loop is seen, and for how long."""

import asyncio
import time

from prometheus_client import CollectorRegistry

from handlers.metrics.loop import LoopLag


def below(registry, bound):
    return registry.get_sample_value("jaxchat_event_loop_lag_seconds_bucket", {"le": bound})


async def test_a_loop_that_is_held_is_late_by_as_much():
    registry = CollectorRegistry()
    watch = asyncio.create_task(LoopLag(registry).watch())
    await asyncio.sleep(0.12)
    time.sleep(0.6)  # noqa: ASYNC251 (what must be seen)
    await asyncio.sleep(0.12)
    watch.cancel()
    looks = registry.get_sample_value("jaxchat_event_loop_lag_seconds_count")
    assert looks >= 3 and below(registry, "0.5") == looks - 1
    assert registry.get_sample_value("jaxchat_event_loop_lag_seconds_sum") > 0.5


def test_a_server_has_it(app):
    assert b"jaxchat_event_loop_lag_seconds_bucket" in app.service.metrics.text()
