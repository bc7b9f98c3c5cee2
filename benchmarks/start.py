"""Where the seconds and the memory of a start go: once with nothing kept of an earlier one, once with all of it.

python -m benchmarks.start [--model NAME]
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Any

STATUS = Path("/proc/self/status")


class Phases:
    """Seconds by the clock and of the processor that each phase took, and the memory after it.

    processor: of all threads, so that what runs beside a phase counts in it as well; own: of the phase's thread.
    resident, peak: MiB after the phase, and the most until then; 0 where the system does not tell. A phase within
    another counts in both.
    """

    def __init__(self) -> None:
        self.rows: dict[str, dict[str, float]] = {}

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """What runs inside belongs to the phase; one of several times adds up."""
        clocks = {"seconds": time.perf_counter, "processor": time.process_time, "own": time.thread_time}
        before = {key: clock() for key, clock in clocks.items()}
        yield
        row = self.rows.setdefault(name, dict.fromkeys(clocks, 0.0))
        row |= {key: row[key] + clock() - before[key] for key, clock in clocks.items()} | _memory()

    def within(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, each call of it in the phase."""

        @wraps(function)
        def timed(*args: Any, **kwargs: Any) -> Any:
            with self.phase(name):
                return function(*args, **kwargs)

        return timed


def start(model: str, caches: Path) -> dict[str, dict[str, float]]:
    """Load everything as `jaxchat serve` does, in this process; phase -> its figures."""
    phases = Phases()
    with phases.phase("all"):
        with phases.phase("imports"):
            import handlers.text.tokenizer  # noqa: F401
            from backend.engine import model_runner
            from backend.engine.engine import Engine
            from backend.models import weights
            from handlers.cli import loading, serve  # noqa: F401
            from handlers.settings import ModelSettings
        compile_all = model_runner.compile_all

        def compile_timed(programs: model_runner.Programs, progress: model_runner.Progress) -> Any:
            with phases.phase("programs"):
                return compile_all(programs, progress)

        loading.read_tokenizer = phases.within("tokenizer", loading.read_tokenizer)
        weights.load = phases.within("weights", weights.load)
        model_runner.build_vocabulary = phases.within("vocabulary", model_runner.build_vocabulary)
        model_runner.compile_all = compile_timed
        model_runner.Program.lower = phases.within("of these tracing", model_runner.Program.lower)
        Engine.measure = phases.within("first steps", Engine.measure)
        folders = {"compilation_cache": caches / "compiled", "grammar_cache": caches / "grammars"}
        loaded = loading.load(ModelSettings(model=model, **folders))
    loaded.engine.close()
    loaded.compiler.close()
    return phases.rows


def _memory() -> dict[str, float]:
    if not STATUS.is_file():
        return {"resident": 0, "peak": 0}
    entries = dict(line.split(":", 1) for line in STATUS.read_text(encoding="utf-8").splitlines())
    return {name: int(entries[key].split()[0]) // 1024 for name, key in (("resident", "VmRSS"), ("peak", "VmHWM"))}


def starts(model: str) -> dict[str, dict[str, dict[str, float]]]:
    """The figures of a cold and of a warm start, each in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "benchmarks.start", "--model", model, "--caches", folder]
        return {
            name: json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
            for name in ("cold", "warm")
        }


def main(arguments: list[str] | None = None) -> None:
    """Print the table, or with --caches the figures of one start."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.start", description=__doc__)
    parser.add_argument("--model", default="tiny")
    parser.add_argument("--caches", type=Path, help="one start with this folder of what is kept, as JSON")
    parser.add_argument("--json", type=Path, help="file that takes the figures")
    given = parser.parse_args(arguments)
    if given.caches is not None:
        print(json.dumps(start(given.model, given.caches)))
        return
    found = starts(given.model)
    if given.json is not None:
        given.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    headings = "{0}, s | all threads, s | own thread, s | MiB after | peak"
    print("| phase | " + " | ".join(map(headings.format, found)) + " |")
    print("| --- |" + " --- |" * 5 * len(found))
    for phase in found["cold"]:
        cells = [
            f"{row['seconds']:.1f} | {row['processor']:.1f} | {row['own']:.1f} | {row['resident']:,} | {row['peak']:,}"
            for row in (figures[phase] for figures in found.values())
        ]
        print(f"| {phase} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
