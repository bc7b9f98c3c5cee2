"""What a grammar costs while decoding: the same engine with and without one, by turns, in one process.

A random llama checkpoint of about 110 M parameters with the 32,768 tokens of a real SentencePiece vocabulary writes a
long JSON array of records in every row, or anything. The first output fills the cache of token masks, later ones find
it filled; both are shown.
"""

import argparse
import sys
import tempfile
from concurrent.futures import Future
from pathlib import Path
from statistics import median

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from backend.grammar import Constraint, Grammar
from backend.grammar.automaton.tables import AutomatonTables
from backend.grammar.compile import compile_constraint
from benchmarks import checkpoint, machine
from benchmarks.peers import Jaxchat
from tests.backend.grammar.vocabularies import vocabulary

PROMPT = 16
RECORDS = """{"type": "array", "minItems": 500, "items": {"type": "object", "required": ["id", "name", "tags"],
 "properties": {"id": {"type": "integer"}, "name": {"type": "string", "maxLength": 40},
 "kind": {"enum": ["person", "place", "thing"]}, "tags": {"type": "array", "items": {"type": "string"}},
 "place": {"type": "object", "required": ["x", "y"], "properties": {"x": {"type": "number"}, "y": {"type": "number"}}}
}}}"""


def fresh(name: str) -> Grammar:
    """The grammar as if nobody had asked for it before."""
    tables: Future[AutomatonTables] = Future()
    tables.set_result(compile_constraint(Constraint("json_schema", RECORDS)))
    return Grammar(name, tables)


def measure(engine: Jaxchat, rows: int, new: int, rounds: int, temperature: float) -> tuple[list[float], list[float]]:
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
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.constrained",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
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
        batches = tuple(sorted(set(arguments.rows)))
        engine = Jaxchat(Path(name), PROMPT + arguments.new, batches, vocabulary("32k").tokens)
    title = "Tokens per second with a grammar, as a multiple of those without; medians of the rounds"
    table = Table("rows", "temperature", "first output", "later outputs", "lowest", "highest", title=title)
    for rows in batches:
        for temperature in (0.0, 1.0):
            first, later = measure(engine, rows, arguments.new, arguments.rounds, temperature)
            figures = (median(first), median(later), min(later), max(later))
            table.add_row(str(rows), str(temperature), *(f"{figure:.3f}" for figure in figures))
    console.print(", ".join(f"{key} {value}" for key, value in described.items()))
    console.print(f"{parameters / 1e6:.1f} M parameters, {sizes['vocab']} tokens, {arguments.new} new tokens a row")
    console.print(table)


if __name__ == "__main__":
    main()
