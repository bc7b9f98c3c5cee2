"""Our server beside others, and what its layers cost alone. All sides have the same weights, prompts and lengths.

decode: our engine beside llama.cpp's, without servers. load: servers at several numbers of concurrent streams. http:
our application over a stub engine beside a bare route. prefix: a second request with the same beginning. scaling: step
time over pool size and allowed context. host: what of a decode block the host takes.
"""

import argparse
import json
import logging
import multiprocessing
import shlex
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks import machine
from benchmarks.real import KINDS
from benchmarks.serving import bare, load, overhead, prefix, report, scaling, servers
from benchmarks.serving.load import Load
from benchmarks.serving.models import Model, bundled_model, random_model, real_model

MODELS = ("bundled", "random", "real")
PARTS = ("decode", "load", "http", "prefix", "scaling", "host")
QUANTISATIONS = ("Q4_0", "Q4_K_M", "Q8_0")
SIDES = tuple(servers.sides(""))
BARE_PROMPT = 32
"""Tokens, as in `benchmarks.decode`."""
PEERS = ("llama_cpp_python", "gguf", "uvicorn", "httptools")


class Run:
    """The parts, as the arguments want them; what they found is in `found`."""

    def __init__(self, arguments: argparse.Namespace, folder: Path) -> None:
        self._arguments, self._folder = arguments, folder
        self._quick, self._rounds = arguments.quick, 1 if arguments.quick else arguments.rounds
        self._best: dict[str, str] = {}
        self.found: dict[str, list[dict[str, Any]]] = {}
        wanted = ("random",) if self._quick else arguments.models
        self.models = {model.name: model for name in wanted for model in self._make(name)}
        wants_llama = any(side.startswith("llama") for side in arguments.sides)
        self.ggufs = {name: self._write_ggufs(model) if wants_llama else {} for name, model in self.models.items()}

    def part(self, name: str) -> None:
        """Run one part."""
        self.found[name] = getattr(self, name)()

    def decode(self) -> list[dict[str, Any]]:
        """Also notes which quantisation is the fastest with as many rows as the middle level."""
        records: list[dict[str, Any]] = []
        for name, model in self.models.items():
            if model.folder.is_file():
                continue  # benchmarks.real compares these
            new = self._lengths()[1] * (4 if name == "bundled" else 1)  # else one row has ended when another begins
            found = apart(bare.run, model, self.ggufs[name], self._levels(), BARE_PROMPT, new, self._rounds)
            middle = self._levels()[len(self._levels()) // 2]
            rates = {r["side"]: median(r["decode"]) for r in found if r["rows"] == middle}
            kinds = [kind for kind in self.ggufs[name] if kind != "F32"]
            if kinds:
                self._best[name] = max(kinds, key=lambda kind: rates[f"llama.cpp {kind}"])
            records += found
        return records

    def load(self) -> list[dict[str, Any]]:
        prompt, new = self._lengths()
        plan = Load(self._levels(), prompt, new, 1 if self._quick else self._arguments.turns, self._rounds)
        records = []
        for name, model in self.models.items():
            served = self._served(name, max(plan.streams), prompt + new)
            records += load.run(model, served, self._sides(name), plan)
        return records

    def http(self) -> list[dict[str, Any]]:
        return overhead.run(self._folder, 20 if self._quick else 1000, self._rounds)

    def prefix(self) -> list[dict[str, Any]]:
        model = self._largest()
        served = self._served(model.name, 1, 2048)
        return prefix.run(model, served, self._sides(model.name), 100 if self._quick else 1000, self._rounds)

    def scaling(self) -> list[dict[str, Any]]:
        steps = ((128, 1024), (512, 4096)) if self._quick else ((128, 1024), (512, 4096), (2048, 16384), (128, 16384))
        return apart(scaling.run, self._largest(), steps, self._rounds)

    def host(self) -> list[dict[str, Any]]:
        return apart(scaling.host, self._largest(), (2,) if self._quick else (1, 8, 32), 8, self._rounds)

    def _lengths(self) -> tuple[int, int]:
        return (24, 40) if self._quick else (self._arguments.prompt, self._arguments.new)

    def _levels(self) -> tuple[int, ...]:
        return (1, 4) if self._quick else tuple(sorted(set(self._arguments.streams)))

    def _largest(self) -> Model:
        return max(self.models.values(), key=lambda model: model.parameters)

    def _make(self, name: str) -> list[Model]:
        folder, source = self._folder / name, self._arguments.file
        if name == "real":
            return [real_model(source, self._folder / f"real-{kind}.gguf", kind) for kind in self._arguments.kinds]
        return [random_model(folder, self._quick) if name == "random" else bundled_model(folder)]

    def _write_ggufs(self, model: Model) -> dict[str, Path]:
        if model.folder.is_file():
            return {"F32": model.folder}
        from benchmarks.serving import gguf_file

        files = {"F32": self._folder / f"{model.name}.gguf"}
        gguf_file.write(model, files["F32"])
        for kind in self._arguments.quantisations[: 1 if self._quick else None]:
            files[kind] = self._folder / f"{model.name}.{kind}.gguf"
            gguf_file.quantise(files["F32"], files[kind], kind)
        return files

    def _sides(self, model: str) -> list[servers.Side]:
        kind = self._best.get(model, self._arguments.quantisations[0])
        names = self._arguments.sides
        if self.models[model].folder.is_file():  # a type of its own, which not all of them read
            names = [name for name in names if "transformers" not in name and "quantised" not in name]
        return [servers.sides(kind)[name] for name in names]

    def _served(self, model: str, streams: int, context: int) -> servers.Served:
        found = self.models[model]
        return servers.Served(found.folder, self.ggufs[model], streams, context, self._folder, found.flags)


def apart(function: Callable[..., Any], *args: object) -> Any:
    """The result of a call in a process of its own: engines leave threads and memory behind that others would meet."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(function, *args).result()


def main(argv: list[str] | None = None) -> None:
    """Run the parts that the arguments name."""
    parser = _parser()
    arguments = parser.parse_args(argv)
    if "real" in arguments.models and arguments.file is None:
        parser.error("the real model is a GGUF file: name it with --file")
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    logging.getLogger("benchmarks").setLevel(logging.INFO)
    for side in arguments.sides:
        try:
            servers.check(servers.sides("")[side])
        except servers.Absent as absent:
            sys.exit(f"{side}: {absent}. Leave it out with --sides {' '.join(s for s in SIDES if s != side)}")
    command = shlex.join(["python", "-m", "benchmarks.serving", *(sys.argv[1:] if argv is None else argv)])
    described = {"date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"), "command": command} | _machine()
    described["not in this run"] = ", ".join(side for side in SIDES if side not in arguments.sides) or "nothing"
    print("\n".join(f"- {key}: {value}" for key, value in described.items()) + "\n")
    with tempfile.TemporaryDirectory() as folder:
        run = Run(arguments, Path(folder))
        for part in PARTS:
            if part in arguments.parts:
                run.part(part)
                print(report.markdown({part: run.found[part]}), flush=True)
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(described | run.found, indent=1) + "\n", encoding="utf-8")
    if arguments.plot is not None and "load" in run.found:
        report.plot(run.found["load"], arguments.plot)


def _machine() -> dict[str, object]:
    return machine.describe() | {name: _version(name) for name in PEERS}


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "absent"


def _part(text: str) -> str:
    if text not in PARTS:
        raise argparse.ArgumentTypeError(f"there is no part {text!r}; there are {', '.join(PARTS)}")
    return text


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "python -m benchmarks.serving", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("parts", nargs="*", type=_part, default=PARTS, help=f"any of {', '.join(PARTS)} (default: all)")
    parser.add_argument("--sides", nargs="+", choices=SIDES, default=list(SIDES), help="servers (default: all)")
    parser.add_argument("--models", nargs="+", choices=MODELS, default=["bundled", "random"])
    parser.add_argument("--file", type=Path, metavar="FILE.gguf", help="the real model")
    parser.add_argument(
        "--kinds", nargs="+", choices=list(KINDS), default=["F32", "Q4_1"], help="its types (default: %(default)s)"
    )
    parser.add_argument("--streams", type=int, nargs="+", default=[1, 8, 32], help="levels (default: 1 8 32)")
    parser.add_argument("--prompt", type=int, default=64, help="tokens of each prompt (default: 64)")
    parser.add_argument("--new", type=int, default=64, help="tokens of each answer (default: 64)")
    parser.add_argument("--turns", type=int, default=2, help="requests per stream and round (default: 2)")
    parser.add_argument("--rounds", type=int, default=3, help="turns of each side at each level (default: 3)")
    parser.add_argument(
        "--quantisations", nargs="+", default=list(QUANTISATIONS), help="llama.cpp's (default: %(default)s)"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write all figures to FILE")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw throughput over streams into FILE (SVG)")
    parser.add_argument("--quick", action="store_true", help="a tiny model: only to see that all of it runs")
    return parser


if __name__ == "__main__":
    main()
