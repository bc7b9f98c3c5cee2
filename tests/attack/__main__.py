"""Attacks a server for so many seconds, by so many attackers, each with one attack after the other, in random order.

python -m tests.attack URL SECONDS ATTACKERS

Writes as JSON how often each status was the answer to each attack, by name and status, and those that it must not be.
"""

import asyncio
import json
import random
import sys
import time
from collections import Counter

from tests.attack.attacks import ATTACKS

FULL = {429, 503}
"""What any request may be answered with where others fill the queue."""


async def attacker(url: str, end: float, seed: int, seen: Counter[tuple[str, int]]) -> None:
    """Goes on until `end`, in monotonic seconds; counts statuses in `seen`."""
    draw = random.Random(seed)
    while time.monotonic() < end:
        name = draw.choice(list(ATTACKS))
        attack, _ = ATTACKS[name]
        seen.update((name, status) for status in await attack(url))


async def main(url: str, seconds: float, attackers: int) -> None:
    """Attacks, and writes what came of it."""
    seen: Counter[tuple[str, int]] = Counter()
    end = time.monotonic() + seconds
    await asyncio.gather(*(attacker(url, end, seed, seen) for seed in range(attackers)))
    wrong = [f"{name}: {status}" for name, status in seen if status not in ATTACKS[name][1] | FULL]
    json.dump({"seen": [[name, status, count] for (name, status), count in seen.items()], "wrong": wrong}, sys.stdout)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], float(sys.argv[2]), int(sys.argv[3])))
