"""Requests that reach an engine together, engines of many configurations on one set of programs, and the outcomes."""

import asyncio
import copy
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np

from backend.engine.config import EngineConfig
from backend.engine.engine import Engine, Generation
from backend.engine.model_runner import ModelRunner
from backend.engine.prefill_shapes import Shape, padded
from backend.engine.stats import EngineStats
from backend.models.decoder import Decoder
from backend.request import Admission, Request, TokenEvent
from tests.backend.engine.conftest import TOKENS, Small, as_served, paged

LENGTH, SMALLEST, LARGEST = 96, 24, 96  # positions of a choice; pages of 4 positions that hold 1 choice, and 4 choices
FREE = EngineConfig(
    LENGTH, pages=LARGEST, page_tokens=4, row_buckets=(1, 4), prefill_shapes=((1, 8), (3, 8), (1, 32)), max_steps=8,
    max_queue=64, grammar_cells=1 << 15, grammar_masks=10, prompt_logprobs=True,
)  # fmt: skip
"""It has room for a few masks, so that they are forgotten all the time; that of `Small` has for thousands."""
FEW = replace(FREE, row_buckets=FREE.row_buckets[-1:], prompt_logprobs=False)
"""Half the programs, a program that decodes being the slowest to compile: for what a module compiles for itself."""


@cache
def compiled(decoder: Decoder) -> ModelRunner:
    """Once for the session; `varied` makes many configurations of it."""
    return ModelRunner(decoder, FREE, paged(decoder), TOKENS, compiler=as_served)


def varied(small: Small, **changes) -> ModelRunner:
    """The programs of `FREE` under a configuration that needs none but these."""
    other = copy.copy(compiled(small.decoder))
    other.config = replace(FREE, **changes)
    return other


def exact(chunk: int) -> dict[str, Any]:
    """What makes a configuration deterministic, with prompts cut at multiples of `chunk`, 8 or 32."""
    return {"deterministic": True, "prefill_shapes": ((1, chunk),)}


@contextmanager
def running(runner: ModelRunner) -> Iterator[Engine]:
    engine = Engine(runner)
    try:
        yield engine
    finally:
        engine.close()


@dataclass(frozen=True)
class Dispatch:
    """A call of a program: the shape of a prefill program, None and at most so many steps of decoding."""

    shape: Shape | None
    steps: int = 0

    @property
    def prefilled(self) -> int:
        """How many prompt tokens it computes, padding included."""
        return padded(self.shape) if self.shape else 0


def recorded(runner: ModelRunner, step_seconds: float = 0.0) -> tuple[ModelRunner, list[Dispatch]]:
    """The same runner, each step of decoding so much slower; the list grows with every dispatch of either kind."""
    calls: list[Dispatch] = []
    noting = copy.copy(runner)

    def prefill(state, shape, chunks):
        calls.append(Dispatch(shape))
        return runner.prefill(state, shape, chunks)

    def decode(state, page_table, active, steps, *rest):
        calls.append(Dispatch(None, steps))
        state, block = runner.decode(state, page_table, active, steps, *rest)
        time.sleep(step_seconds * int(np.asarray(block.steps).max()))
        return state, block

    noting.prefill, noting.decode = prefill, decode
    return noting, calls


@dataclass(frozen=True)
class Scenario:
    """A request, and what its client does.

    submit_after: seconds until it is submitted. disconnect_after: events after which the client goes. cancel_after:
    events after which it cancels the first choice.
    """

    request: Request
    submit_after: float = 0.0
    disconnect_after: int | None = None
    cancel_after: int | None = None


@dataclass
class Outcome:
    """What a client got."""

    events: list[TokenEvent]
    admission: Admission | None


@contextmanager
def watched(runner: ModelRunner, watch: Callable[[EngineStats], None]) -> Iterator[Engine]:
    """An engine that is looked at, in its own thread, whenever it decodes."""
    noting = copy.copy(runner)

    def decode(*args, **kwargs):
        watch(engine.stats())
        return runner.decode(*args, **kwargs)

    noting.decode = decode
    with running(noting) as engine:
        yield engine


def run_all(engine: Engine, scenarios: list[Scenario]) -> list[Outcome]:
    """Runs them at once; their outcomes in the same order."""

    async def one(scenario: Scenario) -> Outcome:
        await asyncio.sleep(scenario.submit_after)
        generation: Generation = engine.submit(scenario.request)
        events: list[TokenEvent] = []
        if scenario.disconnect_after != 0:
            async for event in generation:
                assert generation.admission is not None, "set before the first event"
                events.append(event)
                if len(events) == scenario.disconnect_after:
                    break
                if len(events) == scenario.cancel_after:
                    generation.cancel(0)
        await generation.aclose()
        return Outcome(events, generation.admission)

    async def everybody() -> list[Outcome]:
        return await asyncio.wait_for(asyncio.gather(*map(one, scenarios)), 60)

    return asyncio.run(everybody())


def settled(engine: Engine) -> EngineStats:
    """The figures once everybody has gone: no page is left behind (docs/architecture.md).

    The engine sees that they have gone within a few dispatches.
    """
    end = time.monotonic() + 10
    while (stats := engine.stats()).running or stats.waiting or stats.pages_used:
        assert time.monotonic() < end, f"never idle: {stats}"
        time.sleep(0.001)
    assert 0 <= stats.pages_cached <= stats.pages
    assert stats.compilations == 0
    return stats


def alone(runner: ModelRunner, asked: Request) -> list[list[TokenEvent]]:
    """Per choice, its events where it is all that an engine ever sees."""
    answers = []
    for seed in asked.seeds:
        with running(runner) as engine:
            answers.append(engine.generate(replace(asked, seeds=(seed,))))
    return answers


def of_choice(events: list[TokenEvent], choice: int) -> list[TokenEvent]:
    """As if it were the only one."""
    return [replace(event, choice=0) for event in events if event.choice == choice]
