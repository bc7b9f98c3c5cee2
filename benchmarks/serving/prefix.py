"""What a shared prefix saves: the time to the first token of a first request with it, and of a second one."""

import logging
from collections.abc import Sequence
from statistics import median

from benchmarks.serving.load import measure
from benchmarks.serving.models import Model
from benchmarks.serving.prompts import Prompts
from benchmarks.serving.servers import Served, Server, Side

log = logging.getLogger(__name__)
OWN = 32
"""Tokens of the prompt after the shared ones, about."""
NEW = 4


def run(model: Model, served: Served, sides: Sequence[Side], shared: int, rounds: int) -> list[dict[str, object]]:
    """Per side: seconds to the first token, each round with another prefix of `shared` tokens."""
    prompts, records = Prompts(model.folder), []
    for side in sides:
        log.info("prefix: %s", side.name)
        with Server(side, served) as server:
            measure(server, [prompts.chat(shared), prompts.chat(2 * OWN)], 1, NEW)
            pairs = [_pair(server, prompts, shared) for _ in range(rounds)]
        first, second, cached = zip(*pairs, strict=True)
        record = {"side": side.name, "first": first, "second": second, "cached": cached[-1]}
        records.append(record | {"ratio": median(b / a for a, b in zip(first, second, strict=True))})
    return records


def _pair(server: Server, prompts: Prompts, shared: int) -> tuple[float, float, int | None]:
    """Seconds of the first and the second request, and how many of the second's tokens the server had, if it says."""
    prefix = prompts.text(shared)
    length = len(prompts.ids([{"role": "user", "content": prefix}])) + OWN
    first, second = measure(server, [prompts.chat(length, prefix) for _ in range(2)], 1, NEW)
    return first.first, second.first, second.cached_tokens
