"""Decoding speed on this machine's processor: jaxchat beside transformers' `generate`, both in float32.

A random llama checkpoint of about 110 M parameters is made in a temporary folder and loaded by both. They continue
the same random prompts greedily, by turns, so that both meet the machine in the same state. Speed is counted from the
moment every row has its first token; "with prompts" is the ratio with the prompts' processing in it.
"""

import argparse
import shlex
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

import numpy as np
from rich.console import Console
from rich.progress import track
from transformers.utils import logging as transformers_logging

from benchmarks import checkpoint, machine
from benchmarks.peers import Jaxchat, Side, Transformers
from benchmarks.report import Comparison, Rates, Report
from benchmarks.timeline import Timeline, TooShort, same_rows, same_tokens

PAUSE = 0.2
"""Seconds between two generations: thread pools that spin for a while after their work have gone to sleep by then."""
BUSY = 0.5
"""Load average from which the figures deserve a warning."""


@dataclass(frozen=True)
class Plan:
    """What to run. bandwidth_bytes: the array that is read to find the memory's limit; far larger than any cache."""

    shape: dict[str, int]
    tied: bool
    rows: tuple[int, ...]
    prompt: int
    new: int
    rounds: int
    bandwidth_bytes: int


def main(argv: list[str] | None = None) -> None:
    """Run the benchmark that the arguments describe."""
    arguments = _parser().parse_args(argv)
    console = Console(width=None if sys.stdout.isatty() else 120, highlight=False)
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    if (load := machine.busy()) > BUSY:
        console.print(f"This machine is busy (load {load}): the ratios may stand, the speeds will not.")
    command = shlex.join(["python", "-m", "benchmarks.decode", *(sys.argv[1:] if argv is None else argv)])
    try:
        report = run(_plan(arguments), command)
    except TooShort as error:
        sys.exit(f"--new {arguments.new}: {error}")
    report.show(console)
    if arguments.json is not None:
        report.write(arguments.json)


def run(plan: Plan, command: str) -> Report:
    """Make the checkpoint, load it on both sides, and compare them at each number of rows."""
    described = machine.describe()  # first, as the benchmark itself raises the load
    shape = checkpoint.config(**plan.shape, tied=plan.tied)
    with tempfile.TemporaryDirectory() as name:
        parameters = checkpoint.make(shape, Path(name))
        ours = Jaxchat(Path(name), plan.prompt + plan.new, plan.rows)
        theirs = Transformers(Path(name), machine.cores())
        bandwidth = machine.Bandwidth(plan.bandwidth_bytes)
        measured = [_rounds(plan, rows, ours, theirs, bandwidth) for rows in plan.rows]
    step_bytes = checkpoint.bytes_per_step(shape, parameters)
    return Report(
        date=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        command=command,
        machine=described,
        model=", ".join(f"{key} {value}" for key, value in plan.shape.items())
        + (", tied" if plan.tied else ", untied"),
        parameters=parameters,
        step_bytes=step_bytes,
        prompt=plan.prompt,
        new=plan.new,
        rounds=plan.rounds,
        bandwidth_limit=bandwidth.limit,
        results=[_compare(rounds, settings, step_bytes / bandwidth.limit) for rounds, settings in measured],
    )


def _rounds(
    plan: Plan, rows: int, ours: Jaxchat, theirs: Transformers, bandwidth: machine.Bandwidth
) -> tuple[list[tuple[Timeline, Timeline]], str]:
    """(jaxchat, transformers) for each round, after a warm-up of both, and the settings of transformers."""
    vocab = plan.shape["vocab"]
    prompts = np.random.default_rng(checkpoint.SEED).integers(vocab, size=(plan.rounds, rows, plan.prompt))
    theirs.choose(prompts[0], plan.new)
    ours.generate(prompts[0], plan.new)
    rounds = []
    for batch in track(prompts, f"rows {rows}", console=Console(stderr=True), transient=True):
        bandwidth.measure()
        rounds.append((_rested(ours, batch, plan.new), _rested(theirs, batch, plan.new)))
    return rounds, str(theirs.settings)


def _rested(side: Side, prompts: np.ndarray, new: int) -> Timeline:
    time.sleep(PAUSE)
    return side.generate(prompts, new)


def _compare(rounds: list[tuple[Timeline, Timeline]], settings: str, limit_seconds: float) -> Comparison:
    """limit_seconds: the least time in which memory can give one step its weights."""
    ours, theirs = zip(*rounds, strict=True)
    rows = len(ours[0].tokens)
    rates = {
        name: Rates([t.decode_rate for t in side], [t.whole_rate for t in side])
        for name, side in ((Jaxchat.name, ours), (Transformers.name, theirs))
    }
    return Comparison(
        rows=rows,
        **rates,
        settings=settings,
        same_tokens=min(same_tokens(a, b) for a, b in rounds),
        same_rows=min(same_rows(a, b) for a, b in rounds),
        bandwidth={name: limit_seconds * median(rate.decode) / rows for name, rate in rates.items()},
    )


def _plan(arguments: argparse.Namespace) -> Plan:
    quick = arguments.quick
    return Plan(
        shape=checkpoint.QUICK if quick else checkpoint.FULL,
        tied=not arguments.untied,
        rows=(1, 4) if quick else tuple(sorted(set(arguments.rows))),
        prompt=8 if quick else arguments.prompt,
        new=48 if quick else arguments.new,
        rounds=1 if quick else arguments.rounds,
        bandwidth_bytes=2**26 if quick else 2**30,
    )


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{value} is below 1")
    return value


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m benchmarks.decode", description=__doc__)
    parser.add_argument("--rows", type=_positive, nargs="+", default=[1, 8, 32], help="batch sizes (default: 1 8 32)")
    parser.add_argument(
        "--rounds", type=_positive, default=5, help="turns of each side at each batch size (default: 5)"
    )
    parser.add_argument("--prompt", type=_positive, default=32, help="tokens of each prompt (default: 32)")
    parser.add_argument("--new", type=_positive, default=64, help="new tokens of each row (default: 64)")
    parser.add_argument("--untied", action="store_true", help="an output head of its own: 134 M parameters")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write every round's figures to FILE")
    parser.add_argument(
        "--quick", action="store_true", help="a tiny model, one round: shows that the script works, not speed"
    )
    return parser


if __name__ == "__main__":
    main()
