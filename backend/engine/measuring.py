"""How long a decoding step takes, before there is any request."""

import time

import jax
import numpy as np

from backend.engine.model_runner import ModelRunner
from backend.engine.state import DecodeState
from backend.request import Prompt, Request, SamplingParams

MEASURED_STEPS = (1, 4)
"""Of each dispatch that is run; the last is the one that counts."""


def measure_step(runner: ModelRunner, state: DecodeState) -> tuple[DecodeState, float]:
    """The next state, and seconds of a decoding step of one row, by a few once memory and caches are warm.

    Row 0 is taken for it, and page 0: nobody may have any content there yet.
    """
    config = runner.config
    drawn = Request(Prompt((0,)), SamplingParams(max_tokens=config.context, end_tokens=()), (0,))
    state = runner.admit(state, 0, runner.row_state(drawn, 0))
    active = np.zeros(config.groups * config.batches[0], bool)
    active[0] = True
    page_table = np.zeros((active.size, config.max_pages_per_row), np.int32)
    seconds = 0.0
    for steps in MEASURED_STEPS:
        began = time.monotonic()
        state, block = runner.decode(state, page_table, active, steps, False)
        jax.block_until_ready(block)
        seconds = (time.monotonic() - began) / max(1, int(np.asarray(block.steps).max()))
    return state, seconds
