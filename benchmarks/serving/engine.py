"""The engine's scheduler without its thread, with a clock around every decode program and every step."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from backend import device
from backend.attention.reference import PagedAttention
from backend.engine.config import EngineConfig
from backend.engine.job import Job
from backend.engine.programs import Programs
from backend.engine.scheduler import Scheduler
from backend.models import families, weights
from backend.models.decoder import Decoder, kv_specs
from backend.request import Request, SamplingParams


@dataclass(frozen=True)
class Block:
    """One step of the scheduler that decoded and nothing else. Seconds; steps: of decoding, in the program."""

    seconds: float
    device_seconds: float
    steps: int

    @property
    def host_share(self) -> float:
        """Of the block's time, what the device did not compute in."""
        return 1 - self.device_seconds / self.seconds


class TimedPrograms:
    """Programs whose `decode` is timed until its result is there; what else is asked of them is theirs."""

    def __init__(self, programs: Programs) -> None:
        self._programs = programs
        self.other_calls, self.decodes = 0, []

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._programs, name)
        if not callable(value) or name == "row_state":
            return value
        return partial(self._counted, value)

    def _counted(self, call: Any, *args: Any) -> Any:
        self.other_calls += 1
        return call(*args)

    def decode(self, *args: Any) -> Any:
        """`Programs.decode`, complete."""
        began = time.perf_counter()
        result = jax.block_until_ready(self._programs.decode(*args))
        self.decodes.append((time.perf_counter() - began, int(result[1].steps)))
        return result


def load(folder: Path) -> Decoder:
    """The checkpoint's decoder in float32."""
    device.set_up()
    return weights.load(folder, families.read_config(folder), jnp.dtype("float32"))


class Driver:
    """One engine of one configuration."""

    def __init__(self, decoder: Decoder, config: EngineConfig) -> None:
        backend = PagedAttention(kv_specs(decoder.config), jnp.dtype("float32"), config.page_tokens)
        self._programs = TimedPrograms(Programs(decoder, config, backend))
        self._scheduler = Scheduler(self._programs)

    def blocks(self, prompts: np.ndarray, new: int) -> list[Block]:
        """Decode `new` tokens after each of prompts int [B, T]; the blocks in which all rows decoded throughout."""
        sampling = SamplingParams(max_tokens=new, end_tokens=(), temperature=0.0)
        received: list[list] = [[] for _ in prompts]
        for prompt, events in zip(prompts.tolist(), received, strict=True):
            request = Request(tuple(prompt), sampling, seeds=(0,))
            self._scheduler.add(Job(request, events.extend, _raise))
        blocks: list[Block] = []
        while self._step(received, blocks):
            pass
        return blocks

    def _step(self, received: Sequence[list], blocks: list[Block]) -> bool:
        """One step of the scheduler; a block if it decoded for all rows and did nothing else. False: nothing to do."""
        programs = self._programs
        others, decodes, counts = programs.other_calls, len(programs.decodes), [len(events) for events in received]
        began = time.perf_counter()
        working = self._scheduler.step()
        seconds = time.perf_counter() - began
        whole = all(len(events) > count for events, count in zip(received, counts, strict=True))
        if whole and programs.other_calls == others and len(programs.decodes) == decodes + 1:
            blocks.append(Block(seconds, *programs.decodes[-1]))
        return working


def step_seconds(blocks: Sequence[Block]) -> float:
    """Of one decoding step, median of the blocks."""
    return median(block.device_seconds / block.steps for block in blocks)


def _raise(error: Exception) -> None:
    raise error
