"""Each attack against a default server: it lives, answers others meanwhile, and has its memory back behind it."""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import jax
import pytest

from tests.attack.attacks import ATTACKS, CHAT, USER
from tests.load.server import Server, serving

pytestmark = pytest.mark.attack

MEBIBYTE = 1 << 20
MOST_MEMORY = 2 << 30
"""Of the server and its processes; the system ends what takes more."""
LEFT_OVER = 160 * MEBIBYTE
HEALTH_SECONDS, CHAT_SECONDS, HELD_SECONDS = 0.25, 1.0, 0.1
"""What 99 of 100 take at most while it is attacked, on two cores that the attackers and this test use too."""
NEIGHBOUR = {"messages": [USER], "max_tokens": 4, "temperature": 0}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One for all: what an attack leaves behind, the next one meets."""
    folder: Path = tmp_path_factory.mktemp("attacked")
    flags = ["--log-level", "error", "--compilation-cache", jax.config.jax_compilation_cache_dir]
    with serving(folder, *flags, memory=MOST_MEMORY) as server:
        asyncio.run(neighbours(server, asyncio.Event(), at_most=20))
        yield server
        print(f"memory was limited by {server.limit}")


async def neighbours(server: Server, over: asyncio.Event, at_most: int = 1_000_000) -> dict[str, list[float]]:
    """Seconds that /health and a short chat took, by turns, until it is `over`."""
    seconds: dict[str, list[float]] = {"health": [], "chat": []}
    async with httpx.AsyncClient(base_url=server.url, timeout=60) as client:
        while not over.is_set() and len(seconds["chat"]) < at_most:
            began = time.monotonic()
            assert (await client.get("/health")).status_code == 200
            seconds["health"].append(time.monotonic() - began)
            began = time.monotonic()
            answer = await client.post(CHAT, json=NEIGHBOUR)
            assert answer.status_code == 200, answer.text
            seconds["chat"].append(time.monotonic() - began)
            await asyncio.sleep(0.02)
    return seconds


def late(seconds: list[float]) -> float:
    """The 99th percentile, or the largest but one of few."""
    return sorted(seconds)[max(0, min(len(seconds) - 2, int(len(seconds) * 0.99)))]


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", list(ATTACKS))
def test_an_attack_stops_nobody_and_leaves_nothing(server: Server, name: str):
    attack, expected = ATTACKS[name]
    before = server.resident()
    held_before = server.held(HELD_SECONDS)

    async def run() -> tuple[set[int], dict[str, list[float]]]:
        over = asyncio.Event()
        watched = asyncio.create_task(neighbours(server, over))
        await asyncio.sleep(0.3)
        statuses = await attack(server.url)
        await asyncio.sleep(0.3)
        over.set()
        return statuses, await watched

    statuses, seconds = asyncio.run(run())
    after = server.resident()
    print(
        f"{name}: {sorted(statuses)}; health {late(seconds['health']) * 1e3:.0f} ms, "
        f"chat {late(seconds['chat']) * 1e3:.0f} ms; {before / MEBIBYTE:.0f} -> {after / MEBIBYTE:.0f} MiB"
    )
    assert statuses <= expected, statuses
    assert late(seconds["health"]) < HEALTH_SECONDS and late(seconds["chat"]) < CHAT_SECONDS
    held = server.held(HELD_SECONDS)
    assert held - held_before <= 1, "the event loop was held too long"
    server.settle()
    assert server.resident() - before < LEFT_OVER


def test_in_the_end_it_ends_as_it_is_told_to(server: Server):
    server.settle()
    assert server.process.poll() is None
