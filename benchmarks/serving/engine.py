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
from backend.attention.choice import paged_attention
from backend.engine.config import EngineConfig
from backend.engine.model_runner import ModelRunner
from backend.engine.request_state import RequestState
from backend.engine.scheduler import Scheduler
from backend.models import weights
from backend.models.checkpoint import open_checkpoint
from backend.models.decoder import Decoder, kv_specs
from backend.request import Prompt, Request, SamplingParams


@dataclass(frozen=True)
class TimedBlock:
    """One step of the scheduler that decoded and nothing else. Seconds; steps: of decoding, in the program."""

    seconds: float
    device_seconds: float
    steps: int

    @property
    def host_share(self) -> float:
        """Of the block's time, what the device did not compute in."""
        return 1 - self.device_seconds / self.seconds


class TimedRunner:
    """ModelRunner whose `decode` is timed until its result is there; all else is the runner's."""

    def __init__(self, runner: ModelRunner) -> None:
        self._runner = runner
        self.other_calls, self.decodes = 0, []

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._runner, name)
        if not callable(value) or name == "row_state":
            return value
        return partial(self._counted, value)

    def _counted(self, call: Any, *args: Any) -> Any:
        self.other_calls += 1
        return call(*args)

    def decode(self, *args: Any) -> Any:
        """`ModelRunner.decode`, complete."""
        began = time.perf_counter()
        result = jax.block_until_ready(self._runner.decode(*args))
        self.decodes.append((time.perf_counter() - began, int(np.asarray(result[1].steps).max())))
        return result


def load(folder: Path) -> Decoder:
    """The checkpoint's decoder in float32."""
    device.set_up()
    return weights.load(open_checkpoint(folder), jnp.dtype("float32"))


class Driver:
    """One engine of one configuration."""

    def __init__(self, decoder: Decoder, config: EngineConfig) -> None:
        backend = paged_attention(kv_specs(decoder.config), jnp.dtype("float32"), config.page_tokens)
        self._runner = TimedRunner(ModelRunner(decoder, config, backend))
        self._scheduler = Scheduler(self._runner)

    def blocks(self, prompts: np.ndarray, new: int) -> list[TimedBlock]:
        """Decode `new` tokens after each of prompts int [B, T]; the blocks in which all rows decoded throughout."""
        sampling = SamplingParams(max_tokens=new, end_tokens=(), temperature=0.0)
        received: list[list] = [[] for _ in prompts]
        for prompt, events in zip(prompts.tolist(), received, strict=True):
            request = Request(Prompt(tuple(prompt)), sampling, seeds=(0,))
            self._scheduler.add(RequestState(request, events.extend, _raise))
        blocks: list[TimedBlock] = []
        while self._step(received, blocks):
            pass
        return blocks

    def _step(self, received: Sequence[list], blocks: list[TimedBlock]) -> bool:
        """One step of the scheduler; a block if it decoded for all rows and did nothing else. False: nothing to do."""
        runner = self._runner
        others, decodes, counts = runner.other_calls, len(runner.decodes), [len(events) for events in received]
        began = time.perf_counter()
        working = self._scheduler.step()
        seconds = time.perf_counter() - began
        whole = all(len(events) > count for events, count in zip(received, counts, strict=True))
        if whole and runner.other_calls == others and len(runner.decodes) == decodes + 1:
            blocks.append(TimedBlock(seconds, *runner.decodes[-1]))
        return working


def step_seconds(blocks: Sequence[TimedBlock]) -> float:
    """Of one decoding step, median of the blocks."""
    return median(block.device_seconds / block.steps for block in blocks)


def _raise(error: Exception) -> None:
    raise error
