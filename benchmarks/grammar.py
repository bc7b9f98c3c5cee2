"""Constraints, beside llguidance and xgrammar: compiling, masks while decoding, memory. `--help` tells the parts.

All sides have the same real vocabulary and the same real schemas, and take turns. Objects are open where JSON Schema
says so, because the instances that come with the schemas want it. What a whole model pays is `benchmarks.constrained`.
"""

import argparse
import json
import shlex
import sys
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from benchmarks import grammar_cache, grammar_compile, grammar_loop, grammar_memory, machine
from benchmarks.grammar_sides import SIDES
from tests.backend.grammar.vocabularies import vocabulary
from tests.grammar_suite.devset import ABSENT, cases

PARTS = ("compile", "cache", "loop", "memory")
STEPS = 64


def main(argv: list[str] | None = None) -> None:
    """Run the parts that the arguments name."""
    arguments = _parser().parse_args(argv)
    if not cases():
        sys.exit(ABSENT)
    console = Console(width=None if sys.stdout.isatty() else 160, highlight=False)
    command = shlex.join(["python", "-m", "benchmarks.grammar", *(sys.argv[1:] if argv is None else argv)])
    described = {"date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"), "command": command} | machine.describe()
    console.print(", ".join(f"{key} {value}" for key, value in described.items()))
    record = described | {part: _run(part, arguments, console) for part in arguments.parts}
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


def _run(part: str, arguments: argparse.Namespace, console: Console) -> object:
    """What the part found, for the file; the same is shown."""
    chosen = cases()[:: arguments.every]
    if part == "compile":
        compilations = grammar_compile.run(chosen, arguments.vocabulary, arguments.sides)
        console.print(compilations.table())
        return compilations.record()
    if part == "cache":
        waits = grammar_cache.run(chosen)
        console.print(waits.table())
        return asdict(waits)
    words = vocabulary(arguments.vocabulary)
    if part == "loop":
        costs = grammar_loop.run(cases(), words, arguments.rows, STEPS, arguments.rounds)
        console.print(grammar_loop.table(costs))
        return [asdict(cost) for cost in costs]
    footprints = grammar_memory.run(chosen, words.tokens)
    console.print(grammar_memory.table(footprints))
    return [asdict(footprint) for footprint in footprints]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "python -m benchmarks.grammar", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], default=PARTS, help="(default: all of them)")
    parser.add_argument("--vocabulary", choices=["32k", "131k", "151k"], default="131k", help="(default: 131k)")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="only each Nth schema (default: 1)")
    parser.add_argument("--sides", nargs="+", choices=SIDES, default=SIDES, help="who compiles (default: all)")
    parser.add_argument("--rows", type=int, nargs="+", default=[1, 8, 64], help="batch sizes (default: 1 8 64)")
    parser.add_argument("--rounds", type=int, default=7, help="turns of each side in the loop (default: 7)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures to FILE")
    return parser


if __name__ == "__main__":
    main()
