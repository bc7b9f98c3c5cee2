"""What a decoding step costs when the pool and the allowed context grow and the work does not; and the host's share."""

import logging
from collections.abc import Sequence
from statistics import median

import numpy as np

from backend.engine.config import EngineConfig
from benchmarks import checkpoint
from benchmarks.serving.engine import Driver, TimedBlock, load, step_seconds
from benchmarks.serving.models import Model

log = logging.getLogger(__name__)

ROWS, PROMPT, NEW, PAGE_TOKENS = 8, 32, 64, 16


def run(model: Model, sizes: Sequence[tuple[int, int]], rounds: int) -> list[dict[str, object]]:
    """Per (context, positions in the pool): seconds of a decoding step in each round, by turns."""
    decoder, drivers = load(model.folder), {}
    for context, pool in sizes:
        log.info("scaling: context %d, pool %d", context, pool)
        config = EngineConfig(context, pages=pool // PAGE_TOKENS, row_buckets=(ROWS,), read_behind=False)
        drivers[context, pool] = Driver(decoder, config)
    prompts = _prompts(model, rounds + 1)
    seconds: dict[tuple[int, int], list[float]] = {size: [] for size in drivers}
    for turn, ids in enumerate(prompts):
        for size, driver in drivers.items():
            found = step_seconds(driver.blocks(ids, NEW))
            if turn:  # the first round warms up
                seconds[size].append(found)
    return [{"context": c, "pool": p, "rows": ROWS, "step": found} for (c, p), found in seconds.items()]


def host(model: Model, rows: Sequence[int], steps: int, rounds: int) -> list[dict[str, object]]:
    """Per number of rows: the host's share of a decode block of `steps` steps, median of each round's blocks."""
    decoder, records = load(model.folder), []
    for batch in rows:
        log.info("host time: %d rows", batch)
        driver = Driver(decoder, _blocks_of(steps, batch))
        found = [driver.blocks(ids[:batch], NEW) for ids in _prompts(model, rounds + 1, batch)][1:]
        whole, host_time = ([median(of(b) for b in blocks) for blocks in found] for of in (_seconds, _host_seconds))
        share = [median(block.host_share for block in blocks) for blocks in found]
        records.append({"rows": batch, "steps": steps, "share": share, "host": host_time, "block": whole})
    return records


def _blocks_of(steps: int, rows: int) -> EngineConfig:
    """An engine that dispatches so many steps at a time, however long they take."""
    context = PAGE_TOKENS * -(-(PROMPT + NEW) // PAGE_TOKENS)
    pages = rows * context // PAGE_TOKENS
    shape = {"row_buckets": (rows,), "max_steps": steps, "block_seconds": 3600.0, "read_behind": False}
    return EngineConfig(context, pages=pages, page_tokens=PAGE_TOKENS, **shape)


def _seconds(block: TimedBlock) -> float:
    return block.seconds


def _host_seconds(block: TimedBlock) -> float:
    return block.seconds - block.device_seconds


def _prompts(model: Model, rounds: int, rows: int = ROWS) -> np.ndarray:
    return np.random.default_rng(checkpoint.SEED).integers(model.vocab, size=(rounds, rows, PROMPT))
