"""`jaxchat bench`: how fast a model is on this machine, in one line."""

import asyncio
import random
import time
from dataclasses import dataclass
from statistics import median

from backend import Prompt, Request, SamplingParams
from handlers.cli.local import load_or_exit
from handlers.cli.logs import set_up_logging
from handlers.cli.settings import BenchSettings
from handlers.loaded import Engine
from handlers.server import exit_at_once
from handlers.settings import default_names

ROUNDS = 5
PROMPT_TOKENS, OUTPUT_TOKENS = 128, 64


@dataclass(frozen=True)
class Speed:
    """tokens_per_second: of all streams together, once each has begun. first_token: seconds, the median stream's."""

    tokens_per_second: float
    first_token: float


def bench(settings: BenchSettings) -> None:
    """Measures, prints the line, ends the process."""
    set_up_logging(settings.log_level)
    loaded = load_or_exit(settings.model_copy(update={"max_batch_size": settings.rows}))
    speed, prompt = asyncio.run(measure(loaded.engine, settings.rows)), prompt_tokens(loaded.engine)
    streams = "1 stream" if settings.rows == 1 else f"{settings.rows} streams"
    print(
        f"{default_names(settings.model)[0]}: {speed.tokens_per_second:.3g} tokens/s ({streams}), first token after "
        f"{speed.first_token * 1000:.3g} ms of {prompt} tokens of prompt (median of {ROUNDS} rounds, warm)"
    )
    loaded.close()
    exit_at_once(0)


async def measure(engine: Engine, rows: int) -> Speed:
    """The median of some rounds, behind one that warms up. No prompt begins like another: nothing is found cached."""
    rounds = [await _round(engine, rows, seed) for seed in range(ROUNDS + 1)][1:]
    return Speed(median(r.tokens_per_second for r in rounds), median(r.first_token for r in rounds))


def prompt_tokens(engine: Engine) -> int:
    """Tokens of each prompt: as many as the context has room for."""
    return max(1, min(PROMPT_TOKENS, engine.context_length - OUTPUT_TOKENS))


async def _round(engine: Engine, rows: int, seed: int) -> Speed:
    draw, prompt = random.Random(seed), prompt_tokens(engine)
    sampling = SamplingParams(max_tokens=min(OUTPUT_TOKENS, engine.context_length - prompt), end_tokens=())
    prompts = [tuple(draw.randrange(engine.vocab_size) for _ in range(prompt)) for _ in range(rows)]
    streams = await asyncio.gather(*(_stream(engine, Request(Prompt(p), sampling, (seed,))) for p in prompts))
    rate = sum((sampling.max_tokens - 1) / (last - first) for _, first, last in streams if last > first)
    return Speed(rate, median(first - began for began, first, _ in streams))


async def _stream(engine: Engine, request: Request) -> tuple[float, float, float]:
    """When it was asked for, when its first token came, and when its last."""
    began, times = time.monotonic(), []
    async for _ in engine.submit(request):
        times.append(time.monotonic())
    return began, times[0], times[-1]
