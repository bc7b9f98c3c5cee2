"""What adapters cost: rows of a batch with none, with one and with several, by turns, in one run.

`python -m benchmarks.adapters` (`--quick`: a small model, only to see that it runs). A share is of the tokens per
second of the same rows without adapters: the best of all rounds, since other work on the machine only adds time, and
the median of the rounds' own shares. Processor time, in shares as well, tells something on a busy machine too.
"""

import argparse
import tempfile
import time
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
from backend.models import weights
from backend.models.checkpoint import open_checkpoint
from backend.models.decoder import kv_specs
from backend.request import Prompt, Request, SamplingParams
from benchmarks.checkpoint import FULL, QUICK, config, make

RANK, PROMPT = 16, 64


def random_slot(stacks: Any, random: np.random.Generator) -> Any:
    """An adapter of rank RANK on every linear layer, as a slot takes it."""

    def drawn(array: jax.Array) -> np.ndarray:
        if array.ndim == 1:
            return np.asarray(RANK, np.int32)
        return random.standard_normal(array.shape[1:], np.float32) * np.float32(0.01)

    return jax.tree.map(drawn, stacks)


class Rows:
    """A batch of so many rows, all decoding."""

    def __init__(self, runner: ModelRunner, rows: int, context: int) -> None:
        self._runner, self._rows = runner, rows
        pages = runner.config.pages_for(context)
        self._table = np.arange(rows * pages, dtype=np.int32).reshape(rows, pages)
        self._active = np.ones(rows, bool)

    def timed(self, slots: list[int], steps: int) -> tuple[float, float]:
        """Tokens of all rows per second, and per second of a processor, behind a step that is not counted.

        slots: of each row's adapter, -1 for none.
        """
        runner = self._runner
        asked = Request(Prompt(tuple(range(1, PROMPT + 1))), SamplingParams(2 * steps, (), temperature=0.0), (0,))
        state = runner.init_state()
        for row in range(self._rows):
            state = runner.admit(state, row, runner.row_state(asked, 0))
        run = partial(runner.decode, page_table=self._table, active=self._active, stop_on_finish=False, slots=slots)
        state, block = run(state, steps=1)
        jax.block_until_ready(block)
        began = time.perf_counter(), time.process_time()
        state, block = run(state, steps=steps)
        jax.block_until_ready(block)
        ended, tokens = (time.perf_counter(), time.process_time()), self._rows * steps
        return tokens / (ended[0] - began[0]), tokens / (ended[1] - began[1])


Times = list[tuple[float, float]]


def measure(rows: int, adapters: int, steps: int, rounds: int, quick: bool) -> dict[str, Times]:
    """What `Rows.timed` gives for each side, a pair per round."""
    device.set_up()
    with tempfile.TemporaryDirectory() as folder:
        parameters = make(config(**(QUICK if quick else FULL), tied=True), Path(folder))
        decoder = weights.load(open_checkpoint(Path(folder)), jnp.dtype("float32"))
    context = -(-(PROMPT + 2 * steps) // 16) * 16
    pages = rows * context // 16
    sizes = EngineConfig(
        context, pages, row_buckets=(rows,), prefill_shapes=((1, 32),), max_steps=steps, adapter_buckets=(adapters,)
    )
    backend = paged_attention(kv_specs(decoder.config), jnp.dtype("float32"), sizes.page_tokens)
    runner = ModelRunner(decoder, sizes, backend)
    assert runner.adapters is not None
    random = np.random.default_rng(0)
    for slot in range(adapters):
        runner.adapters.place(slot, random_slot(runner.adapters.stacks, random))
    print(f"{parameters / 1e6:.0f} M parameters, {rows} rows, rank {RANK} on every linear layer", flush=True)
    batch, found = Rows(runner, rows, context), dict[str, Times]()
    sides = {
        "none": [-1] * rows,
        "loaded, none used": [-1] * rows,
        "one": [0] * rows,
        f"{adapters}, by turns": [row % adapters for row in range(rows)],
        f"{adapters}, and half without": [row % adapters if row % 2 else -1 for row in range(rows)],
    }
    for _ in range(rounds):
        for name, slots in sides.items():
            found.setdefault(name, []).append(batch.timed(slots, steps))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.adapters", description=__doc__)
    parser.add_argument("--rows", type=int, default=32)
    parser.add_argument("--adapters", type=int, default=8)
    parser.add_argument("--steps", type=int, default=8, help="decoding steps of each measurement")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--quick", action="store_true", help="a small model and two rounds, only to see that it runs")
    options = parser.parse_args()
    rounds = 2 if options.quick else options.rounds
    found = measure(options.rows, options.adapters, options.steps, rounds, options.quick)
    for name, times in found.items():
        wall, processor = (share(times, found["none"], kind) for kind in (0, 1))
        print(f"{name:24} {max(times)[0]:7.0f} tokens/s   of none: {wall}   by processor time: {processor}")


def share(times: Times, of: Times, kind: int) -> str:
    """Best and median share of one side in another."""
    best = max(pair[kind] for pair in times) / max(pair[kind] for pair in of)
    middle = median(pair[kind] / base[kind] for pair, base in zip(times, of, strict=True))
    return f"{best:6.1%} (median {middle:6.1%})"


if __name__ == "__main__":
    main()
