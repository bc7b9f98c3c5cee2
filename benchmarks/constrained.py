"""What a grammar costs while decoding: the same engine with and without one, by turns, in one process.

A random llama checkpoint of about 110 M parameters with the 32,768 tokens of a real SentencePiece vocabulary writes a
long JSON array of records in every row, or anything. The first output fills the cache of token masks, later ones find
it filled; both are shown.
"""

import argparse
import sys
import tempfile
import time
from concurrent.futures import Future
from pathlib import Path
from statistics import median

import jax.numpy as jnp
import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from backend import device
from backend.engine.config import EngineConfig
from backend.engine.programs import Programs
from backend.engine.scheduler import Job, Scheduler
from backend.grammar.compile import Constraint, compile_constraint
from backend.grammar.tables import Tables
from backend.models import families, weights
from backend.request import Grammar, Request, SamplingParams, TokenEvent
from benchmarks import checkpoint, machine
from benchmarks.timeline import Timeline
from tests.backend.grammar.vocabularies import vocabulary

PROMPT = 16
RECORDS = """{"type": "array", "minItems": 500, "items": {"type": "object", "required": ["id", "name", "tags"],
 "properties": {"id": {"type": "integer"}, "name": {"type": "string", "maxLength": 40},
 "kind": {"enum": ["person", "place", "thing"]}, "tags": {"type": "array", "items": {"type": "string"}},
 "place": {"type": "object", "required": ["x", "y"], "properties": {"x": {"type": "number"}, "y": {"type": "number"}}}
}}}"""


class Engine:
    """The scheduler, driven from this thread as the engine's own thread would drive it."""

    def __init__(self, folder: Path, rows: tuple[int, ...], new: int) -> None:
        device.set_up()
        decoder = weights.load(folder, families.read_config(folder), jnp.dtype("float32"))
        config = EngineConfig(PROMPT + new, row_buckets=rows)
        self._scheduler = Scheduler(Programs(decoder, config, jnp.dtype("float32"), vocabulary("32k").tokens))

    def generate(self, prompts: np.ndarray, new: int, temperature: float, grammar: Grammar | None) -> Timeline:
        """Continue prompts int [B, T] by `new` tokens each."""
        sampling = SamplingParams(max_tokens=new, end_tokens=(), temperature=temperature)
        received: list[list[TokenEvent]] = [[] for _ in prompts]
        arrivals: list[list[float]] = [[] for _ in prompts]
        began = time.perf_counter()
        for prompt, events in zip(prompts.tolist(), received, strict=True):
            self._scheduler.add(Job(Request(tuple(prompt), sampling, (len(prompt),), grammar=grammar), events.extend))
        while not self._scheduler.idle:
            self._scheduler.step()
            now = time.perf_counter() - began
            for events, times in zip(received, arrivals, strict=True):
                times += [now] * (len(events) - len(times))
        return Timeline(np.array([[event.token for event in events] for events in received]), np.array(arrivals))


def fresh(name: str) -> Grammar:
    """The grammar as if nobody had asked for it before."""
    tables: Future[Tables] = Future()
    tables.set_result(compile_constraint(Constraint("json_schema", RECORDS)))
    return Grammar(name, tables)


def measure(engine: Engine, rows: int, new: int, rounds: int, temperature: float) -> tuple[list[float], list[float]]:
    """Per round, tokens per second with a grammar over those without: of a grammar's first output and of later ones."""
    vocab = len(vocabulary("32k").tokens)
    prompts = np.random.default_rng(checkpoint.SEED).integers(vocab, size=(rounds + 1, rows, PROMPT))
    engine.generate(prompts[0], new, temperature, fresh("warm-up"))
    engine.generate(prompts[0], new, temperature, None)
    first, later = [], []
    for i, batch in enumerate(track(prompts[1:], f"rows {rows}", console=Console(stderr=True), transient=True)):
        grammar = fresh(f"{rows} {temperature} {i}")
        free = engine.generate(batch, new, temperature, None).decode_rate
        first.append(engine.generate(batch, new, temperature, grammar).decode_rate / free)
        again = engine.generate(batch, new, temperature, grammar).decode_rate
        later.append(again / engine.generate(batch, new, temperature, None).decode_rate)
    return first, later


def main(argv: list[str] | None = None) -> None:
    """Run the benchmark that the arguments describe."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[1, 8], help="batch sizes (default: 1 8)")
    parser.add_argument("--new", type=int, default=96, help="tokens per row (default: 96)")
    parser.add_argument("--rounds", type=int, default=4, help="rounds (default: 4)")
    parser.add_argument("--quick", action="store_true", help="a tiny model: only to see that it runs")
    arguments = parser.parse_args(argv)
    console = Console(width=None if sys.stdout.isatty() else 120, highlight=False)
    sizes = (checkpoint.QUICK if arguments.quick else checkpoint.FULL) | {"vocab": len(vocabulary("32k").tokens)}
    described = machine.describe()
    with tempfile.TemporaryDirectory() as name:
        parameters = checkpoint.make(checkpoint.config(**sizes, tied=True), Path(name))
        engine = Engine(Path(name), tuple(sorted(set(arguments.rows))), arguments.new)
    table = Table(
        "rows",
        "temperature",
        "first output",
        "later outputs",
        "lowest",
        "highest",
        title=("Tokens per second with a grammar, as a multiple of those without; medians of the rounds"),
    )
    for rows in sorted(set(arguments.rows)):
        for temperature in (0.0, 1.0):
            first, later = measure(engine, rows, arguments.new, arguments.rounds, temperature)
            figures = (median(first), median(later), min(later), max(later))
            table.add_row(str(rows), str(temperature), *(f"{figure:.3f}" for figure in figures))
    console.print(", ".join(f"{key} {value}" for key, value in described.items()))
    console.print(f"{parameters / 1e6:.1f} M parameters, {sizes['vocab']} tokens, {arguments.new} new tokens a row")
    console.print(table)


if __name__ == "__main__":
    main()
