"""Two checkouts beside each other: is this one slower than that one?

`python -m benchmarks.trees OLD [NEW]`, NEW being this one unless named: each is a process with an engine, loaded once.
They compute by turns, some tens of milliseconds each, and never at the same time. A ratio is of two neighbours in
time, so that what else the machine does hits both. A process can be some percent faster than the next of the same
checkout for as long as it lives, so both are started several times. Both run with the packages of the interpreter that
is used.
"""

import argparse
import asyncio
import importlib
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from statistics import median

PROMPT = 128


@dataclass(frozen=True)
class Turn:
    """Seconds. decoding: from the first token of any row to the last of all; first: to the median row's first token;
    processor: of all cores, for the whole turn."""

    decoding: float
    first: float
    processor: float


class Side:
    """A checkout's engine in a process of its own, which has computed a first turn."""

    def __init__(self, tree: Path, model: str, rows: int, tokens: int, cache: Path) -> None:
        # -P: modules are those of the tree in PYTHONPATH, not those beside this file.
        command = [sys.executable, "-P", __file__, "--serve", str(tree), "--model", model, "--cache", str(cache)]
        command += ["--rows", str(rows), "--tokens", str(tokens)]
        environment = os.environ | {"PYTHONPATH": str(tree)}
        self._process = subprocess.Popen(
            command, cwd=tree, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.take()

    def take(self) -> Turn:
        """One turn, waited for."""
        assert self._process.stdin is not None and self._process.stdout is not None
        print(file=self._process.stdin, flush=True)
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(f"{self._process.args} ended: what it said is above")
        return Turn(**json.loads(line))

    def close(self) -> None:
        """Ends the process."""
        self._process.kill()
        self._process.wait()


def compare(trees: list[Path], model: str, rows: int, tokens: int, turns: int, starts: int) -> None:
    """Prints a line for each figure."""
    ratios: list[dict[str, float]] = []
    with tempfile.TemporaryDirectory() as folder:
        # Programs of one checkout are not those of the other, and compiling is not what is compared.
        caches = [Path(folder, name) for name in ("old", "new")]
        print(f"{model}, rows {rows}, {tokens} tokens each: times of new in those of old, {turns} pairs a start")
        for start in range(1, starts + 1):
            with ExitStack() as stack:
                sides = [
                    stack.enter_context(closing(Side(tree, model, rows, tokens, cache)))
                    for tree, cache in zip(trees, caches, strict=True)
                ]
                pairs = [_pair(*sides, new_first=turn % 2 == 0) for turn in range(turns)]
            ratios.append({field.name: median(_ratios(pairs, field.name)) for field in fields(Turn)})
            print(
                f"start {start}: " + ", ".join(f"{name} {ratio:.3f}" for name, ratio in ratios[-1].items()), flush=True
            )
    for name in ratios[0]:
        each = sorted(ratio[name] for ratio in ratios)
        print(f"{name}: {median(each):.3f} ({each[0]:.3f} to {each[-1]:.3f})")


def _ratios(pairs: list[tuple[Turn, Turn]], name: str) -> list[float]:
    return [getattr(new, name) / getattr(old, name) for old, new in pairs]


def _pair(old: Side, new: Side, new_first: bool) -> tuple[Turn, Turn]:
    if new_first:
        after = new.take()
        return old.take(), after
    return old.take(), new.take()


def serve(model: str, rows: int, tokens: int, cache: str) -> None:
    """In a side's process: a turn for each line of the standard input, its figures to the standard output."""
    # Of either checkout, so that it is asked of the module that has needed both for longest.
    bench = importlib.import_module("handlers.cli.bench")
    answers, sys.stdout = sys.stdout, sys.stderr
    settings = bench.BenchSettings.model_validate({"model": model, "rows": rows, "compilation_cache": cache})
    engine = bench.load_or_exit(settings.model_copy(update={"max_batch_size": rows})).engine

    async def turns() -> None:
        loop = asyncio.get_running_loop()
        for seed in range(sys.maxsize):
            if not await loop.run_in_executor(None, sys.stdin.readline):
                return
            print(json.dumps(asdict(await turn(engine, rows, tokens, seed))), file=answers, flush=True)

    asyncio.run(turns())


async def turn(engine, rows: int, tokens: int, seed: int) -> Turn:  # type: ignore[no-untyped-def]  # of either checkout
    """As many rows at once, each with a prompt of its own of 128 random tokens."""
    from backend import Prompt, Request, SamplingParams

    async def stream(prompt: Prompt) -> tuple[float, float, float]:
        began, times = time.monotonic(), []
        async for _ in engine.submit(Request(prompt, SamplingParams(max_tokens=tokens, end_tokens=()), (seed,))):
            times.append(time.monotonic())
        return began, times[0], times[-1]

    draw, began = random.Random(seed), time.process_time()
    prompts = [Prompt(tuple(draw.randrange(engine.vocab_size) for _ in range(PROMPT))) for _ in range(rows)]
    streams = await asyncio.gather(*map(stream, prompts))
    processor = time.process_time() - began
    decoding = max(last for *_, last in streams) - min(first for _, first, _ in streams)
    return Turn(decoding, median(first - asked for asked, first, _ in streams), processor)


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.trees", description=__doc__)
    parser.add_argument("trees", nargs="*", type=Path, help="the old checkout and the new one (default: this)")
    parser.add_argument("--model", default="tiny")
    parser.add_argument("--rows", type=int, default=1)
    parser.add_argument("--tokens", type=int, default=300, help="of each row's answer")
    parser.add_argument("--turns", type=int, default=40, help="of each checkout behind each start")
    parser.add_argument("--starts", type=int, default=5, help="of both processes")
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    parser.add_argument("--cache", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.serve:
        return serve(asked.model, asked.rows, asked.tokens, asked.cache)
    if len(asked.trees) not in (1, 2):
        parser.error("name one checkout, or two")
    here = Path(__file__).resolve().parent.parent
    trees = [tree.resolve() for tree in (*asked.trees, here)][:2]
    return compare(trees, asked.model, asked.rows, asked.tokens, asked.turns, asked.starts)


if __name__ == "__main__":
    main()
